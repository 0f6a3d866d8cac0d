"""The size rule: which pixels of a photo the network sees. One rule for training, testing and scoring."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.core.errors import InputError


@dataclass(frozen=True)
class View:
    """What is done about a photo's size before the network sees it (a design choice, stored with the weights).

    First the photo is enlarged until its short side has ``min_side`` px, then reduced until its long side has at most
    ``max_side`` px. Both steps are bicubic with antialiasing and keep the aspect ratio; photos within the bounds are
    left alone. Then the network sees the whole photo (``crop=None``), or square crops of ``crop`` px on the sparsest
    grid that covers every pixel; the score of the photo is the mean over its crops.

    Args:
        min_side: px, at least 1.
        max_side: px, at least ``min_side``, or None for no bound. A very long strip ends with a short side below
            ``min_side``: the upper bound wins.
        crop: px, or None.
    """

    min_side: int = 32
    max_side: int | None = 1536
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.min_side < 1:
            raise InputError(f'min_side must be >= 1 px, got {self.min_side}')
        if self.max_side is not None and self.max_side < self.min_side:
            raise InputError(f'max_side must be >= min_side ({self.min_side} px), got {self.max_side}')
        if self.crop is not None and not 1 <= self.crop <= self.min_side:
            raise InputError(f'crop must be between 1 px and min_side ({self.min_side} px), got {self.crop}')

    def as_dict(self) -> dict[str, int | None]:
        """The fields, ready for JSON."""
        return asdict(self)

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Size in px that a photo of ``height`` x ``width`` px is brought to."""
        scale = max(1.0, self.min_side / min(height, width))
        if self.max_side is not None:
            scale = min(scale, self.max_side / max(height, width))
        if scale == 1.0:
            return height, width
        return max(1, round(height * scale)), max(1, round(width * scale))

    def resize(self, images: Tensor) -> Tensor:
        """Apply the size bounds.

        Args:
            images: float (N, C, H, W) in [0, 1].

        Returns:
            float (N, C, H', W') in [0, 1]; the same tensor when the size is within the bounds.
        """
        size = self.target_size(images.shape[-2], images.shape[-1])
        if size == tuple(images.shape[-2:]):
            return images
        return F.interpolate(images, size=size, mode='bicubic', antialias=True, align_corners=False).clamp(0, 1)

    def crops(self, images: Tensor) -> list[Tensor]:
        """Resize, then cut into what the network sees.

        Args:
            images: float (N, C, H, W) in [0, 1].

        Returns:
            Crops, each (N, C, h, w): one with the whole photo, or a row-major grid.
        """
        images = self.resize(images)
        if self.crop is None:
            return [images]
        height, width = images.shape[-2:]
        size_y, size_x = min(self.crop, height), min(self.crop, width)
        return [
            images[..., top : top + size_y, left : left + size_x]
            for top in _starts(height, size_y)
            for left in _starts(width, size_x)
        ]


def _starts(length: int, size: int) -> list[int]:
    """Start of each of the fewest evenly spaced intervals of ``size`` that cover ``length``; the ends included."""
    count = -(-length // size)
    if count == 1:
        return [0]
    return [int(x) for x in torch.linspace(0, length - size, count, dtype=torch.float64).round()]
