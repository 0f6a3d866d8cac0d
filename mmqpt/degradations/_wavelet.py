"""The CDF 9/7 wavelet of JPEG 2000 (Daubechies and Sweldens, 1998), with symmetric borders.

Its lifting steps are multiplied out to a matrix for a block of rows: BLAS does in one call what would be dozens.
Coefficients stay where they are: row 2 k holds the low band's row k, row 2 k + 1 that of the high band.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np

from mmqpt.degradations._filter import by_blocks

_STEPS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_SCALE = 1.149604398860241
"""Makes the transform nearly orthonormal, so that one quantiser step suits all bands."""

_BLOCK = 16
_REACH = 4
"""Rows that a coefficient, or a pixel, depends on to each side."""


def through_wavelet(planes: np.ndarray, depth: int, change: Callable[[np.ndarray], None]) -> np.ndarray:
    """Split planes into bands ``depth`` times, change the coefficients, and join them again.

    Args:
        planes: float32 array (H, C, W): rows of C planes side by side.
        depth: number of splits; each divides the low band that remains into four.
        change: a function that changes an array of float32 coefficients in place, each on its own; it may also be given
            those of a low band that are then replaced.

    Returns:
        float32 array (H, C, W).
    """
    if depth == 0 or max(planes.shape[0], planes.shape[2]) < 2:
        changed = planes.copy()
        change(changed)
        return changed
    spare = _room(planes)
    bands = split(planes, spare)
    low = through_wavelet(np.ascontiguousarray(bands[::2, :, ::2]), depth - 1, change)
    change(bands)
    bands[::2, :, ::2] = low
    return join(bands, spare)


def split(planes: np.ndarray, spare: np.ndarray | None = None) -> np.ndarray:
    """Planes (H, C, W) -> their coefficients after one split, transposed: (W, C, H), low and high ones by turns."""
    spare = _room(planes) if spare is None else spare
    return _transform(_transposed(_transform(planes, 0, spare)), 0, spare)


def join(bands: np.ndarray, spare: np.ndarray | None = None) -> np.ndarray:
    """The inverse of :func:`split`: (W, C, H) -> (H, C, W)."""
    spare = _room(bands) if spare is None else spare
    return _transform(_transposed(_transform(bands, 1, spare)), 1, spare)


def _room(planes: np.ndarray) -> np.ndarray:
    """Memory for the planes with a border, along either side."""
    height, count, width = planes.shape
    more = _BLOCK + 2 * _REACH
    return np.empty(count * max((height + more) * width, (width + more) * height), np.float32)


def _transform(planes: np.ndarray, direction: int, spare: np.ndarray) -> np.ndarray:
    """Along the first axis; a single row is all low."""
    if len(planes) == 1:
        return planes
    rows = planes.reshape(len(planes), -1)
    done = by_blocks(rows, _matrices()[direction], _REACH, cv2.BORDER_REFLECT_101, spare)
    return done[: len(planes)].reshape(planes.shape)


def _transposed(planes: np.ndarray) -> np.ndarray:
    """(H, C, W) -> (W, C, H)."""
    height, count, width = planes.shape
    out = np.empty((width, count, height), np.float32)
    for number in range(count):
        out[:, number] = cv2.transpose(planes[:, number])
    return out


@functools.cache
def _matrices() -> tuple[np.ndarray, np.ndarray]:
    """What makes the coefficients of a block of rows, and what makes the rows again: (block, block + 2 reach) each."""
    side = 8 * _BLOCK
    rows = np.eye(side)
    for number, step in enumerate(_STEPS):
        changed, other = slice((number + 1) % 2, None, 2), slice(number % 2, None, 2)
        neighbours = rows[other]
        shifted = np.roll(neighbours, -1 if number % 2 == 0 else 1, axis=0)
        rows[changed] += step * (neighbours + shifted)
    rows[0::2] *= _SCALE
    rows[1::2] /= _SCALE
    start = side // 2  # a block far from the ends
    block = slice(start, start + _BLOCK), slice(start - _REACH, start + _BLOCK + _REACH)
    one, two = (np.ascontiguousarray(matrix[block], np.float32) for matrix in (rows, np.linalg.inv(rows)))
    return one, two
