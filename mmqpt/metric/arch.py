"""The network behind ``pyiqa.create_metric('qpt')``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmqpt.core.building import build_within
from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head, pool_features
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.view import View
from mmqpt.core.weights_file import WeightsSpec, read_weights, write_weights
from mmqpt.metric.weights import DEFAULT, find_weights
from mmqpt.version import __version__

_HEAD = {'hidden': 256, 'dropout': 0.2}
_SIDE = 224  # px, on which a backbone is asked for its number of features
_ON_CPU = torch.channels_last
"""Memory format on a CPU, where it is faster; a GPU keeps what it is given."""


class MMQPT(nn.Module):
    """Blind quality score of photos: a timm backbone that QPT pre-trained, and a quality head.

    Either ready to score (``weights`` or ``pretrained_model_path``), or to be trained (``backbone_path``), by pyiqa's
    trainer for example: then ``head`` and ``view`` describe the rest, and :meth:`save` writes the result.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``) or path of a safetensors file of kind ``metric``.
        pretrained_model_path: path of such a file, as pyiqa calls it; takes precedence over ``weights``.
        backbone_path: safetensors file of either kind, from which the backbone is taken. The head is new.
        head: arguments of :func:`build_head` for a new head, without ``channels``.
        view: arguments of :class:`View`, the size rule of a network to be trained.
        mos_range: what scores 0 and 1 mean on the scale of the opinion scores of a network to be trained.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights that can't be used, or arguments that exclude each other.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        weights: str | os.PathLike[str] = DEFAULT,
        pretrained_model_path: str | os.PathLike[str] | None = None,
        backbone_path: str | os.PathLike[str] | None = None,
        head: Mapping[str, Any] | None = None,
        view: Mapping[str, Any] | None = None,
        mos_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        if backbone_path is None:
            if head is not None or view is not None or mos_range is not None:
                raise InputError('head, view and mos_range are stored with the weights; give them with backbone_path')
            path = find_weights(pretrained_model_path or weights)
            tensors, spec = _read_metric(path)
        elif pretrained_model_path is not None or weights != DEFAULT:
            raise InputError('give weights or pretrained_model_path (score), or backbone_path (train), not both')
        else:
            path = find_weights(backbone_path)
            tensors, spec = _read_backbone(path, head, view, mos_range)
        self.spec = spec
        try:
            self.backbone = _build_backbone(tensors, spec)
            self.head = build_within(tensors, lambda: build_head(spec.head or {}), spec.head)
        except InputError as error:
            raise InputError(f'{path}: {error}') from error
        self.view = View(**(spec.view or {}))
        self.register_buffer('mean', torch.tensor(spec.input_mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(spec.input_std).view(3, 1, 1), persistent=False)
        part: nn.Module = self
        kept = tensors
        if backbone_path is not None:
            part = self.backbone
            kept = {k.removeprefix('backbone.'): v for k, v in tensors.items() if k.startswith('backbone.')}
        try:
            part.load_state_dict(kept)
        except RuntimeError as error:
            raise InputError(f'{path}: {error}') from error
        self.to(memory_format=_ON_CPU)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Score photos.

        Args:
            x: (N, 3, H, W) RGB or (N, 1, H, W) grey, in [0, 1].

        Returns:
            (N, 1) scores in (0, 1), higher is better; 0 and 1 are the ends of the scale of opinion scores that the
            weights were trained on (``spec.mos_range``).

        Raises:
            InputError: another shape.
        """
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise InputError(f'photos must have shape (N, 3, H, W) or (N, 1, H, W), got {tuple(x.shape)}')
        x = x.expand(-1, 3, -1, -1)
        scores = [self.score_view(view) for view in self.view.crops(x)]
        return torch.stack(scores).mean(dim=0)[:, None]

    def score_view(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) scores in (0, 1), without the size rule."""
        images = (images * 255 - self.mean) / self.std
        if images.device.type == 'cpu':
            images = images.contiguous(memory_format=_ON_CPU)
        features = self.backbone(images)
        return self.head(pool_features(features, self.backbone, self.head.pooling))

    def save(self, path: str | os.PathLike[str], dataset: str | None = None) -> None:
        """Write the network to a file that ``mmqpt.score`` and pyiqa load.

        Args:
            path: file to write, ending with .safetensors.
            dataset: name of the data that it was trained on.

        Raises:
            InputError: another ending, or a network that was changed for inference, as that of a scorer is.
        """
        name = os.fspath(path)
        if not name.endswith('.safetensors'):
            raise InputError(f'the file must end with .safetensors, got {name}')
        tensors = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        whole = create_timm_backbone(self.spec.backbone, self.spec.backbone_args).state_dict()
        if {f'backbone.{key}' for key in whole} != {key for key in tensors if key.startswith('backbone.')}:
            raise InputError('this network was changed for inference (its BatchNorm is folded) and is not saved')
        write_weights(name, tensors, replace(self.spec, dataset=dataset or self.spec.dataset))


def _build_backbone(tensors: Mapping[str, Tensor], spec: WeightsSpec) -> nn.Module:
    """The backbone of a file, even if the file is a stranger's."""
    return build_within(tensors, lambda: create_timm_backbone(spec.backbone, spec.backbone_args), spec.backbone_args)


def _read_metric(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], WeightsSpec]:
    tensors, spec = read_weights(path)
    if spec.kind != 'metric':
        raise InputError(
            f'{os.fspath(path)}: a pre-trained backbone without a quality head; '
            'fine-tune it on opinion scores first (configs/finetune)'
        )
    return tensors, spec


def _read_backbone(
    path: str | os.PathLike[str],
    head: Mapping[str, Any] | None,
    view: Mapping[str, Any] | None,
    mos_range: tuple[float, float] | None,
) -> tuple[dict[str, Tensor], WeightsSpec]:
    """The tensors of a file, and the spec of a network with its backbone and a new head."""
    tensors, found = read_weights(path)
    try:
        backbone = _build_backbone(tensors, found).eval()
    except InputError as error:
        raise InputError(f'{os.fspath(path)}: {error}') from error
    pooling = (head or {}).get('pooling', 'last')
    side = found.backbone_args.get('img_size', _SIDE)
    with torch.no_grad():
        channels = pool_features(backbone(torch.zeros(1, 3, side, side)), backbone, pooling).shape[1]
    spec = replace(
        found,
        kind='metric',
        head={**_HEAD, **(head or {}), 'channels': channels},
        view=dict(view or found.view or View().as_dict()),
        mos_range=mos_range,
        dataset=None,
        config_sha256=None,
        iterations=None,
        mmqpt_version=__version__,
    )
    return tensors, spec
