"""The network behind ``pyiqa.create_metric('qpt')``."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head, pool_features
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.view import View
from mmqpt.core.weights_file import read_weights

NO_WEIGHTS = (
    'no weights are bundled with mmqpt yet, and it never scores with random ones: give '
    "pretrained_model_path='qpt.safetensors', a file that tools/export.py made from a fine-tuned checkpoint "
    '(`make demo` shows the whole way; the README has the commands)'
)


class MMQPT(nn.Module):
    """Blind quality score of photos: a timm backbone pre-trained by QPT, and a quality head.

    Args:
        pretrained_model_path: safetensors file of kind ``metric`` from tools/export.py.

    Raises:
        FileNotFoundError: no such file.
        InputError: no path given, or not such a file; the message names it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, pretrained_model_path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if pretrained_model_path is None:
            raise InputError(NO_WEIGHTS)
        tensors, self.spec = read_weights(pretrained_model_path)
        if self.spec.kind != 'metric' or self.spec.head is None or self.spec.view is None:
            raise InputError(
                f'{os.fspath(pretrained_model_path)}: a pre-trained backbone without a quality head; '
                'fine-tune it on opinion scores first (configs/finetune)'
            )
        self.backbone = create_timm_backbone(self.spec.backbone, self.spec.backbone_args)
        try:
            self.head = build_head(self.spec.head)
        except InputError as error:
            raise InputError(f'{os.fspath(pretrained_model_path)}: {error}') from error
        self.view = View(**self.spec.view)
        self.register_buffer('mean', torch.tensor(self.spec.input_mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(self.spec.input_std).view(3, 1, 1), persistent=False)
        try:
            self.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(f'{os.fspath(pretrained_model_path)}: {error}') from error

    def forward(self, x: Tensor) -> Tensor:
        """Score photos.

        Args:
            x: (N, 3, H, W) RGB or (N, 1, H, W) grey, in [0, 1].

        Returns:
            (N, 1) scores in (0, 1), higher is better; 0 and 1 are the ends of the scale of opinion scores that the
            weights were trained on (``spec.mos_range``).
        """
        if x.dim() != 4 or x.shape[1] not in (1, 3):
            raise InputError(f'photos must have shape (N, 3, H, W) or (N, 1, H, W), got {tuple(x.shape)}')
        x = x.expand(-1, 3, -1, -1)
        scores = [self._score(view) for view in self.view.crops(x)]
        return torch.stack(scores).mean(dim=0)[:, None]

    def _score(self, images: Tensor) -> Tensor:
        features = self.backbone((images * 255 - self.mean) / self.std)
        return self.head(pool_features(features, self.backbone, self.head.pooling == 'stages'))
