"""What is wrong with a file rather than with its picture: frames without one, extreme shapes, enlarged thumbnails.

A score says how good a photo looks; these flags name what an owner wants to sort out first, whatever the score is. They
are rules of pixels, not of a network; the thresholds are design choices, chosen so that few real photos
are flagged (docs/cli.md has the measured shares).
"""

from __future__ import annotations

import cv2
import numpy as np

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
    """Mean square of what shrinking and enlarging again changes, but for a rim."""
    height, width = luma.shape
    small = cv2.resize(luma, (width // times, height // times), interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return float(np.mean((luma - back)[times:-times, times:-times] ** 2))


def _is_blank(photo: np.ndarray) -> bool:
    height, width = photo.shape[:2]
    blocks = (max(1, width // _BLOCK), max(1, height // _BLOCK))
    means = cv2.resize(photo.astype(np.float32), blocks, interpolation=cv2.INTER_AREA)
    return bool((means.max(axis=(0, 1)) - means.min(axis=(0, 1))).max() <= _TONE)
