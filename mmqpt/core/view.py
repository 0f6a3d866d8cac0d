"""The size rule: which pixels of a photo the network sees. One rule for training, testing and scoring."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.resize import resize_planes

if TYPE_CHECKING:
    from torch import Tensor

Images = TypeVar('Images', np.ndarray, 'Tensor')
"""What a size rule is applied to: an array, which needs no torch, or a tensor, for its device and its gradients."""


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

    def resize(self, images: Images) -> Images:
        """Apply the size bounds.

        Gradients flow through tensors of floats. Arrays and tensors give the same to within 1e-4 of the range.

        Args:
            images: (N, C, H, W), float in [0, 1] or uint8.

        Returns:
            float (N, C, H', W') in [0, 1]; the very same images, whatever their type, when the size is within the
            bounds.
        """
        size = self.target_size(images.shape[-2], images.shape[-1])
        if size == tuple(images.shape[-2:]):
            return images
        if isinstance(images, np.ndarray):
            return resize_planes(images, size)
        from mmqpt.core.resize_tensor import resize_tensor

        return resize_tensor(images, size)

    def resize_photo(self, photo: np.ndarray) -> np.ndarray:
        """Apply the size bounds to a uint8 (H, W, C) photo.

        Returns:
            uint8 (H', W', C); the very same array when the size is within the bounds.
        """
        size = self.target_size(*photo.shape[:2])
        if size == photo.shape[:2]:
            return photo
        resized = resize_planes(photo.transpose(2, 0, 1), size)
        return np.ascontiguousarray((resized * 255).round().astype(np.uint8).transpose(1, 2, 0))

    def crops(self, images: Images) -> list[Images]:
        """Resize, then cut into what the network sees.

        Args:
            images: (N, C, H, W), float in [0, 1] or uint8.

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
        return views + [_mirrored(view) for view in views] if self.flip else views

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


def _mirrored(images: Images) -> Images:
    return images[..., ::-1] if isinstance(images, np.ndarray) else images.flip(-1)


def _starts(length: int, size: int) -> list[int]:
    """Start of each of the fewest evenly spaced intervals of ``size`` that cover ``length``; the ends included."""
    count = -(-length // size)
    if count == 1:
        return [0]
    free = length - size
    step = free / (count - 1)
    # From both ends, so that the places lie alike in a photo and in its mirror image, but for halves.
    return [round(step * i if i < count // 2 else free - step * (count - 1 - i)) for i in range(count)]
