"""Bicubic resizing with antialiasing of pixels on the CPU, in floats and without torch.

Pillow does it. Its cubic (a = -0.5) and the support of its filter are those of ``interpolate(mode='bicubic',
antialias=True)`` in torch. Pillow computes in double precision, torch in single; they differ by less than 1e-4 of the
range.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

STRIP = 1 << 20
"""8-bit pixels that become floats at a time while a photo is resized: bounds the memory, changes no result."""


def resize_planes(planes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize each plane by itself.

    8-bit planes never become floats as a whole, so that 100 megapixels need little more memory than the photo; the
    result is the one that floats would give.

    Args:
        planes: (..., H, W), uint8, or float in [0, 1].
        size: height and width in px of the result.

    Returns:
        float32 (..., H', W'), in [0, 1].
    """
    found = np.empty((*planes.shape[:-2], *size), np.float32)
    for index in np.ndindex(*planes.shape[:-2]):
        _resize_plane(planes[index], size).clip(0, 1, out=found[index])
    return found


def _resize_plane(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """All rows, strip by strip, then all columns, as Pillow and torch do for the whole."""
    height, width = plane.shape
    rows = max(1, STRIP // width)
    narrow = np.empty((height, size[1]), np.float32)
    for top in range(0, height, rows):
        strip = plane[top : top + rows].astype(np.float32)
        if plane.dtype == np.uint8:
            strip /= 255
        narrow[top : top + rows] = _by_pillow(strip, (len(strip), size[1]))
    return _by_pillow(narrow, size)


def _by_pillow(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC))
