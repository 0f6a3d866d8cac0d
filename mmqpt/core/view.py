"""The size rule: which pixels of a photo the network sees. One rule for training, testing and scoring."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.core.errors import InputError

STRIP = 1 << 20
"""8-bit pixels that become floats at a time while a photo is resized: bounds the memory, changes no result."""


@dataclass(frozen=True)
class View:
    """What is done about a photo's size before the network sees it (a design choice, stored with the weights).

    First the photo is enlarged until its short side has ``min_side`` px, then reduced until its long side has at most
    ``max_side`` px. Both steps are bicubic with antialiasing and keep the aspect ratio; photos within the bounds are
    left alone. Then the network sees the whole photo (``crop=None``), or square crops of ``crop`` px; the score of the
    photo is the mean over its crops, and with ``flip`` over those and their mirror images.

    Args:
        min_side: px, at least 1.
        max_side: px, at least ``min_side``, or None for no bound. A very long strip ends with a short side below
            ``min_side``: the upper bound wins.
        crop: px, or None.
        places: where the crops lie: ``'grid'``, the sparsest one that covers every pixel; ``'five'``, the corners and
            the centre; or a number N of random places, a function of the photo's size alone, so that scores never
            vary, and the first ones of any larger N. Places that coincide count once.
        flip: whether the network also sees the mirror image of all it sees.
    """

    min_side: int = 32
    max_side: int | None = 1536
    crop: int | None = None
    places: str | int = 'grid'
    flip: bool = False

    def __post_init__(self) -> None:
        if self.min_side < 1:
            raise InputError(f'min_side must be >= 1 px, got {self.min_side}')
        if self.max_side is not None and self.max_side < self.min_side:
            raise InputError(f'max_side must be >= min_side ({self.min_side} px), got {self.max_side}')
        if self.crop is not None and not 1 <= self.crop <= self.min_side:
            raise InputError(f'crop must be between 1 px and min_side ({self.min_side} px), got {self.crop}')
        number = isinstance(self.places, int) and not isinstance(self.places, bool)
        if not (self.places >= 1 if number else self.places in ('grid', 'five')):  # type: ignore[operator]
            raise InputError(f"places must be 'grid', 'five' or a number >= 1, got {self.places!r}")
        if self.crop is None and self.places != 'grid':
            raise InputError(f'places {self.places!r} needs a crop')
        if not isinstance(self.flip, bool):
            raise InputError(f'flip must be True or False, got {self.flip!r}')

    @classmethod
    def holding(cls, crop: int, arguments: Mapping[str, Any] | None) -> View:
        """The size rule of a training pipeline, under which every photo holds a crop but for very long ones.

        Args:
            crop: side of the training crops in px.
            arguments: of the view; its defaults where None.

        Raises:
            InputError: short sides may be less than the crop.
        """
        view = cls(**(arguments or {}))
        if view.min_side < crop:
            raise InputError(f'crop is {crop} px, more than min_side ({view.min_side} px) of the view')
        return view

    def as_dict(self) -> dict[str, int | str | None]:
        """The fields, ready for JSON. ``places`` and ``flip``, which older files lack, only where they are not the
        default."""
        found = asdict(self)
        for name in ('places', 'flip'):
            if found[name] == getattr(View, name):
                del found[name]
        return found

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

        8-bit photos never become floats as a whole, so that 100 megapixels need little more memory than the photo;
        the result is the one that floats would give. Gradients flow through floats.

        Args:
            images: float (N, C, H, W) in [0, 1], or uint8.

        Returns:
            float (N, C, H', W') in [0, 1]; the very same tensor, whatever its type, when the size is within the bounds.
        """
        size = self.target_size(images.shape[-2], images.shape[-1])
        if size == tuple(images.shape[-2:]):
            return images
        if images.dtype == torch.uint8:
            resized = [torch.stack([_resize_plane(plane, size) for plane in image]) for image in images]
            return torch.stack(resized).clamp_(0, 1)
        return _interpolate(images, size).clamp(0, 1)

    def resize_photo(self, photo: np.ndarray) -> np.ndarray:
        """Apply the size bounds to a uint8 (H, W, C) photo.

        Returns:
            uint8 (H', W', C); the very same array when the size is within the bounds.
        """
        if self.target_size(*photo.shape[:2]) == photo.shape[:2]:
            return photo
        tensor = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None]
        return (self.resize(tensor)[0] * 255).round().byte().permute(1, 2, 0).numpy()

    def crops(self, images: Tensor) -> list[Tensor]:
        """Resize, then cut into what the network sees.

        Args:
            images: float (N, C, H, W) in [0, 1], or uint8.

        Returns:
            Crops, each (N, C, h, w): one with the whole photo, or those at :meth:`corners`; then their mirror images.
        """
        images = self.resize(images)
        views = [images]
        if self.crop is not None:
            height, width = images.shape[-2:]
            views = [
                images[..., top : top + self.crop, left : left + self.crop] for top, left in self.corners(height, width)
            ]
        return views + [view.flip(-1) for view in views] if self.flip else views

    def corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """Top and left px of every crop of a photo of ``height`` x ``width`` px within the size bounds, row-major for
        the grid; ``[(0, 0)]`` without crops."""
        if self.crop is None:
            return [(0, 0)]
        size_y, size_x = min(self.crop, height), min(self.crop, width)
        free_y, free_x = height - size_y, width - size_x
        if self.places == 'grid':
            return [(top, left) for top in _starts(height, size_y) for left in _starts(width, size_x)]
        if self.places == 'five':
            found = [(0, 0), (0, free_x), (free_y, 0), (free_y, free_x), (free_y // 2, free_x // 2)]
        else:
            draw = random.Random(height * 1_000_003 + width).random  # Python keeps this sequence in all versions
            found = [(int(draw() * (free_y + 1)), int(draw() * (free_x + 1))) for _ in range(int(self.places))]
        return list(dict.fromkeys(found))


def _interpolate(images: Tensor, size: tuple[int, int]) -> Tensor:
    if size[1] == 1 < size[0]:  # torch 2.12 gets a contiguous column of 1 px wrong by up to half the range, but no row
        return _interpolate(images.mT.contiguous(), size[::-1]).mT
    return F.interpolate(images, size=size, mode='bicubic', antialias=True, align_corners=False)


def _resize_plane(plane: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (H, W) to float (H', W'): all rows, strip by strip, then all columns, as torch does for the whole."""
    height, width = plane.shape
    rows = max(1, STRIP // width)
    narrow = torch.empty(1, 1, height, size[1], device=plane.device, dtype=torch.float32)
    for top in range(0, height, rows):
        strip = plane[None, None, top : top + rows].float().div_(255)
        narrow[..., top : top + rows, :] = _interpolate(strip, (strip.shape[-2], size[1]))
    return _interpolate(narrow, size)[0, 0]


def _starts(length: int, size: int) -> list[int]:
    """Start of each of the fewest evenly spaced intervals of ``size`` that cover ``length``; the ends included."""
    count = -(-length // size)
    if count == 1:
        return [0]
    return [int(x) for x in torch.linspace(0, length - size, count, dtype=torch.float64, device='cpu').round()]
