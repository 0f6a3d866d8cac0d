"""The resizing of :mod:`mmqpt.core.resize` for tensors: on their device, and gradients flow through it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def resize_tensor(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images.

    Args:
        images: (N, C, H, W), floating point in [0, 1], or uint8.
        size: height and width in px of the result.

    Returns:
        Floating point (N, C, H', W') in [0, 1].
    """
    floats = images.float() / 255 if images.dtype == torch.uint8 else images
    return _interpolate(floats, size).clamp(0, 1)


def _interpolate(images: Tensor, size: tuple[int, int]) -> Tensor:
    if size[1] == 1 < size[0]:  # torch 2.12 gets a contiguous column of 1 px wrong by up to half the range, but no row
        return _interpolate(images.mT.contiguous(), size[::-1]).mT
    return F.interpolate(images, size=size, mode='bicubic', antialias=True, align_corners=False)
