"""The network behind ``pyiqa.create_metric('qpt')``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mmqpt.core.building import build_stored_backbone, build_within, check_plain
from mmqpt.core.errors import InputError, first_line
from mmqpt.core.head import DistributionHead, QualityHead, build_head, pool_features
from mmqpt.core.limits import MAX_TRIAL_SIDE
from mmqpt.core.networks import fixed_size
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.torch_settings import default_settings
from mmqpt.core.view import View
from mmqpt.core.weights_file import WeightsSpec, read_weights, tensors_below, write_weights
from mmqpt.metric.fold import fold_batch_norm
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

    A network that is ready to score is no part of what its user trains: it has no parameters, buffers or modules that a
    parent could list, so that ``parent.train()``, ``parent.half()``, ``parent.requires_grad_()``, ``parent.apply(...)``
    and an optimizer of ``parent.parameters()`` leave its scores alone, and so do autocast and torch's defaults. It
    computes in float32, follows its parent to another device, and lets gradients through to the photos.

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

    backbone: nn.Module
    head: QualityHead | DistributionHead
    mean: Tensor
    std: Tensor
    _held: list[nn.Module]
    _frozen: list[nn.Parameter]

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
        self.scoring = backbone_path is None
        with torch.inference_mode(False), _quiet(self.scoring), default_settings():
            backbone, own_head = self._build(tensors, spec, os.fspath(path))
            mean, std = (
                torch.tensor(values, dtype=torch.float32).view(3, 1, 1) for values in (spec.input_mean, spec.input_std)
            )
        self.view = View(**(spec.view or {}))
        if self.scoring:
            self.training = False
            self._device = torch.device('cpu')
            self._hold(backbone=backbone, head=own_head, mean=mean, std=std)
            self._try(os.fspath(path))
            return
        self.backbone, self.head = backbone, own_head
        self.register_buffer('mean', mean, persistent=False)
        self.register_buffer('std', std, persistent=False)

    def _hold(self, **parts: Any) -> None:
        """Keep the parts of a network that is ready to score past nn.Module, which would list them."""
        self.__dict__.update(parts)
        networks = (self.backbone, self.head)
        self.__dict__['_held'] = [module for part in networks for module in part.modules()]
        self.__dict__['_frozen'] = [value for part in networks for value in part.parameters()]
        self._keep_frozen()

    def _build(self, tensors: Mapping[str, Tensor], spec: WeightsSpec, path: str) -> tuple[nn.Module, Any]:
        """Backbone and head with the values of a file; a network to be trained takes the backbone's alone."""
        try:
            check_plain(spec.head or {}, 'head')
            backbone = _build_backbone(tensors, spec)
            head = build_within(
                tensors_below(tensors, 'head.'), lambda: build_head(spec.head or {}), spec.head, exact=self.scoring
            )
        except InputError as error:
            raise InputError(f'{path}: {error}') from error
        whole = nn.ModuleDict({'backbone': backbone, 'head': head} if self.scoring else {'backbone': backbone})
        kept = {k: v for k, v in tensors.items() if self.scoring or k.startswith('backbone.')}
        try:
            whole.load_state_dict(kept)
        except RuntimeError as error:
            raise InputError(f'{path}: {error}') from error
        whole.to(memory_format=_ON_CPU)  # type: ignore[call-overload]
        return backbone, head

    def extra_repr(self) -> str:
        """What the weights are, how they see a photo, and whether they can be trained."""
        return f'{self.spec}; {self.view}; {"frozen" if self.scoring else "to be trained"}'

    def _try(self, path: str) -> None:
        """Score a black photo of a size that the size rule gives, so that parts of a file that do not fit each other
        are found before the first photo."""
        size = _trial_size(self.view, self.backbone)
        try:
            with torch.no_grad():
                found = self.score_view(torch.zeros(1, 3, *size, dtype=torch.float32, device='cpu'))
        except Exception as error:  # networks raise nearly anything at what they can't take
            reason = f'{size[1]}x{size[0]} px ({first_line(error)})'
            raise InputError(f"{path}: its {self.spec.backbone} and head can't score a photo of {reason}") from error
        if found.shape != (1,):
            raise InputError(f'{path}: its head gives {tuple(found.shape)} for one photo, not one score')

    def train(self, mode: bool = True) -> MMQPT:
        """As of any module; a network that is ready to score stays in eval mode."""
        return super().train(mode and not self.scoring)

    def requires_grad_(self, requires_grad: bool = True) -> MMQPT:
        """As of any module; the weights of a network that is ready to score stay frozen."""
        return super().requires_grad_(requires_grad and not self.scoring)

    def _apply(self, fn: Any, recurse: bool = True) -> MMQPT:
        """What ``to``, ``cuda``, ``half`` and the like do. Ready to score, only the device changes."""
        super()._apply(fn, recurse)
        if self.scoring:
            device = fn(torch.empty(0, device=self._device)).device
            if device != self._device:
                parts = {name: self.__dict__[name] for name in ('backbone', 'head', 'mean', 'std')}
                self._hold(**{name: part.to(device) for name, part in parts.items()})
                self._device = device
        return self

    def fold(self) -> None:
        """Fold BatchNorm into the convolutions of a network that is ready to score: faster, and no longer saved."""
        with default_settings(self._device):
            backbone = fold_batch_norm(self.backbone, fixed_size(self.backbone) or 64)
            self._hold(backbone=backbone.to(memory_format=_ON_CPU))  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Score photos.

        Args:
            x: (N, 3, H, W) RGB or (N, 1, H, W) grey, in [0, 1].

        Returns:
            (N, 1) scores in (0, 1), higher is better; 0 and 1 are the ends of the scale of opinion scores that the
            weights were trained on (``spec.mos_range``).

        Raises:
            InputError: another shape, no floats, or no pixels.
        """
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise InputError(f'photos must have shape (N, 3, H, W) or (N, 1, H, W), got {tuple(x.shape)}')
        if not x.is_floating_point() or x.is_meta or x.layout != torch.strided or 0 in x.shape[2:]:
            kind = f'{x.dtype}, {x.layout}, on {x.device}, of shape {tuple(x.shape)}'
            raise InputError(f'photos must be a dense tensor of floats in [0, 1] with pixels, got {kind}')
        if not self.scoring:
            return self._score(x)
        with default_settings(self._device):
            return self._score(x.to(self._device, torch.float32))

    def _score(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1)
        scores = [self.score_view(view) for view in self.view.crops(x)]
        return torch.stack(scores).mean(dim=0)[:, None]

    def score_view(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) scores in (0, 1), without the size rule."""
        if not self.scoring:
            return self._score_view(images)
        with default_settings(self._device):
            self._keep_frozen()
            return self._score_view(images.to(self._device, torch.float32))

    def _keep_frozen(self) -> None:
        """Undo what was done to the parts by their own names."""
        for module in self._held:
            if module.training:
                module.training = False
        for value in self._frozen:
            if value.requires_grad:
                value.requires_grad_(False)

    def _score_view(self, images: Tensor) -> Tensor:
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
        state = nn.ModuleDict({'backbone': self.backbone, 'head': self.head}).state_dict()
        tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
        whole = create_timm_backbone(self.spec.backbone, self.spec.backbone_args).state_dict()
        if {f'backbone.{key}' for key in whole} != {key for key in tensors if key.startswith('backbone.')}:
            raise InputError('this network was changed for inference (its BatchNorm is folded) and is not saved')
        write_weights(name, tensors, replace(self.spec, dataset=dataset or self.spec.dataset))


@contextmanager
def _quiet(wanted: bool) -> Iterator[None]:
    """Leaves the caller's random numbers alone, where the random start of a network is overwritten anyway."""
    if wanted:
        with torch.random.fork_rng(devices=[]):
            yield
    else:
        yield


def _trial_size(view: View, backbone: nn.Module) -> tuple[int, int]:
    """Height and width in px of what the network may see first, but not of a large photo."""
    if side := fixed_size(backbone):
        return side, side
    if view.crop:
        return (min(view.crop, MAX_TRIAL_SIDE),) * 2
    height = min(view.min_side, MAX_TRIAL_SIDE)
    return height, min(height * 4 // 3, max(height, view.max_side or 2 * height))


def _build_backbone(tensors: Mapping[str, Tensor], spec: WeightsSpec) -> nn.Module:
    """The backbone of a file, even if the file is a stranger's."""
    return build_stored_backbone(spec.backbone, spec.backbone_args, tensors_below(tensors, 'backbone.'), exact=True)


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
    side = fixed_size(backbone) or _SIDE
    try:
        with torch.inference_mode(False), torch.no_grad(), default_settings():
            channels = pool_features(backbone(torch.zeros(1, 3, side, side)), backbone, pooling).shape[1]
    except InputError:
        raise
    except Exception as error:  # networks raise nearly anything at what they can't take
        reason = f'{side}x{side} px ({first_line(error)})'
        raise InputError(f"{os.fspath(path)}: its {found.backbone} can't take a photo of {reason}") from error
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
