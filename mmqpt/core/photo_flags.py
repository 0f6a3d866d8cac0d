"""What is wrong with a file rather than with its picture: frames without one, extreme shapes, enlarged thumbnails.

A score says how good a photo looks; these flags name what an owner wants to sort out first, whatever the score is. They
are rules of pixels, not of a network; the thresholds are design choices, chosen so that few real photos
are flagged (docs/cli.md has the measured shares).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from PIL import Image

FLAGS = {
    'blank': 'one tone all over: a lens cap, an empty page, a single colour',
    'nearly black': '99 % of the pixels are darker than a tenth of full brightness',
    'nearly white': '99 % of the pixels are brighter than nine tenths',
    'tiny': 'the shorter side has fewer than 96 px',
    'extreme aspect': 'one side is more than four times the other',
    'upscaled': 'as little detail as at a quarter of its size: an enlarged thumbnail, or a blur as strong',
}
"""Each flag and what it means."""

BETWEEN = '; '
"""Joins the flags of one photo in a cell of a table."""

_BLOCK = 16  # px, over which noise is averaged
_TONE = 6.0  # grey levels between the darkest and the brightest block of a blank frame
_TINY, _ASPECT = 96, 4.0
_FINE, _COARSE = 2, 8  # times smaller
_ROWS = 32  # px rows that are compared at a time
_DETAIL = 0.02
_FLOOR = 0.05  # squared grey levels, below the rounding of 8 bits
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def photo_flags(photo: np.ndarray) -> tuple[str, ...]:
    """Names out of :data:`FLAGS` that hold, in their order.

    Args:
        photo: uint8 RGB (H, W, 3), as it is stored: before any size rule.
    """
    height, width = photo.shape[:2]
    luma = photo.astype(np.float32) @ _LUMA
    dark, bright = np.percentile(luma[::3, ::3], (1, 99))
    found = {
        'blank': _is_blank(photo),
        'nearly black': bright < 25.5,
        'nearly white': dark > 229.5,
        'tiny': min(height, width) < _TINY,
        'extreme aspect': max(height, width) > _ASPECT * min(height, width),
        'upscaled': False,
    }
    if not found['blank'] and not found['tiny']:
        found['upscaled'] = fine_detail(luma) < _DETAIL
    return tuple(name for name in FLAGS if found[name])


def fine_detail(luma: np.ndarray) -> float:
    """How much of the detail of a photo is fine: what half the size loses over what an eighth of it does.

    About .13 in ordinary photos, and the same at any contrast; .006 in photos that were enlarged to four times their
    size.

    Args:
        luma: float32 (H, W), sides >= 96 px.
    """
    return _lost(luma, _FINE) / (_lost(luma, _COARSE) + _FLOOR)


def _lost(luma: np.ndarray, times: int) -> float:
    """Mean square of what shrinking (means of squares) and enlarging again (bicubic, a = -.75) change, but for a rim.

    A remainder of less than ``times`` px at the right and at the bottom is left out.
    """
    height, width = (side // times for side in luma.shape)
    luma = luma[: height * times, : width * times]
    rows = luma.reshape(height, times, -1).sum(axis=1)
    small = sum(rows[:, start::times] for start in range(times)) / np.float32(times**2)
    wide = np.concatenate([part for _, part in _enlarged(np.ascontiguousarray(small.T), times)]).T
    rim = slice(times, -times)
    total = 0.0
    for top, part in _enlarged(np.ascontiguousarray(wide[:, rim]), times, 1):
        part -= luma[top : top + len(part), rim]
        total += float(np.vdot(part, part))
    return total / ((height - 2) * (width - 2) * times**2)


def _enlarged(small: np.ndarray, times: int, rim: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of (H, W) enlarged ``times`` times, some at a time and each with the place of its first, but for those
    of ``rim`` rows of ``small`` at either end. A few rows stay in the processor's cache."""
    weights = _weights(times)
    count = len(weights) // times
    padded = np.pad(small, ((2, 2), (0, 0)), mode='edge')
    for top in range(rim, len(small) - rim, count):
        rows = min(count, len(small) - rim - top)
        yield top * times, weights[: rows * times, : rows + 4] @ padded[top : top + rows + 4]


@functools.cache
def _weights(times: int) -> np.ndarray:
    """(N * times, N + 4) of the bicubic enlargement of N rows, of which the two before and after them are known."""
    count = max(1, _ROWS // times)
    weights = np.zeros((count * times, count + 4), np.float32)
    for row in range(count * times):
        at = (row + 0.5) / times + 1.5
        for tap in range(int(at) - 1, int(at) + 3):
            weights[row, tap] = _cubic(abs(at - tap))
    return weights


def _cubic(x: float, a: float = -0.75) -> float:
    """Keys' kernel at a distance >= 0."""
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else 0.0


def _is_blank(photo: np.ndarray) -> bool:
    """By means of whole blocks, rounded; a smaller photo is one block."""
    height, width = photo.shape[:2]
    block = (min(_BLOCK, width), min(_BLOCK, height))
    box = (0, 0, width // block[0] * block[0], height // block[1] * block[1])
    means = np.asarray(Image.fromarray(photo).reduce(block, box)).astype(np.int16)
    return bool((means.max(axis=(0, 1)) - means.min(axis=(0, 1))).max() <= _TONE)
