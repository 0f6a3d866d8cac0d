"""Turns what the loader gives into RGB in [0, 1]; the model itself normalises it for its network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmpretrain.registry import MODELS
from torch import Tensor

from mmqpt.core.errors import InputError


@MODELS.register_module()
class PhotoPreprocessor(BaseDataPreprocessor):
    """Copies to the device, scales to [0, 1] and orders channels as RGB; holds the mean and std of the backbone.

    Images of one size are stacked; images of different sizes stay a list.

    Args:
        mean: of R, G and B in units of 0 to 255.
        std: of R, G and B in units of 0 to 255.
        bgr_to_rgb: whether the channels come as BGR, as in OpenMMLab pipelines.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        bgr_to_rgb: bool = True,
    ) -> None:
        super().__init__()
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise InputError(f'mean and std must have 3 values, std above 0, got {mean} and {std}')
        self.statistics = {'mean': [float(x) for x in mean], 'std': [float(x) for x in std]}
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(3, 1, 1), persistent=False)
        self.bgr_to_rgb = bgr_to_rgb

    def extra_repr(self) -> str:
        """The settings."""
        return f'mean={self.statistics["mean"]}, std={self.statistics["std"]}, bgr_to_rgb={self.bgr_to_rgb}'

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs``: a tensor (N, ..., 3, H, W) or a list of (..., 3, H, W), values 0 to 255."""
        data = self.cast_data(data)
        inputs = data['inputs']
        if not isinstance(inputs, Tensor):
            same = all(image.shape == inputs[0].shape for image in inputs)
            inputs = torch.stack(list(inputs)) if same else inputs
        if isinstance(inputs, Tensor):
            data['inputs'] = self.scale(inputs)
        else:
            data['inputs'] = [self.scale(image) for image in inputs]
        return data

    def normalise(self, images: Tensor) -> Tensor:
        """RGB (..., 3, H, W) in [0, 1] -> what the backbone takes."""
        return (images * 255 - self.mean) / self.std

    def scale(self, images: Tensor) -> Tensor:
        """(..., 3, H, W) of 0 to 255 as the loader gives them -> RGB in [0, 1]."""
        images = images.float() / 255
        return images.flip(-3) if self.bgr_to_rgb else images
