"""The CDF 9/7 wavelet of JPEG 2000, by lifting (Daubechies and Sweldens, 1998), with symmetric borders."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

_STEPS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_SCALE = 1.149604398860241
"""Makes the transform nearly orthonormal, so that one quantiser step suits all bands."""


def through_wavelet(plane: np.ndarray, depth: int, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Split a plane into bands ``depth`` times, give each band to ``change``, and join them again.

    Args:
        plane: float32 array (H, W).
        depth: number of splits; each divides the low band that remains into four.
        change: a function of a float32 band that returns one of the same shape, or the band itself. Bands may come
            transposed.
    """
    if depth == 0 or max(plane.shape) < 2:
        return change(plane)
    joined = []
    for number, half in enumerate(_split(plane)):
        if half.size == 0:
            joined.append(half)
            continue
        low, high = _split(cv2.transpose(half))
        low = through_wavelet(low, depth - 1, change) if number == 0 else change(low)
        high = change(high) if high.size else high
        joined.append(cv2.transpose(_join(low, high)))
    return _join(*joined)


def _split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high band along the first axis; a single row is all low."""
    low, high = rows[0::2].copy(), rows[1::2].copy()
    if high.size:
        spare = np.empty_like(low)
        for number, step in enumerate(_STEPS):
            _lift(low, high, spare, number, step)
        low *= np.float32(_SCALE)
        high *= np.float32(1 / _SCALE)
    return low, high


def _join(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The inverse of :func:`_split`; changes its arguments."""
    if high.size == 0:
        return low
    low *= np.float32(1 / _SCALE)
    high *= np.float32(_SCALE)
    spare = np.empty_like(low)
    for number, step in reversed(list(enumerate(_STEPS))):
        _lift(low, high, spare, number, -step)
    rows = np.empty((len(low) + len(high), *low.shape[1:]), np.float32)
    rows[0::2], rows[1::2] = low, high
    return rows


def _lift(low: np.ndarray, high: np.ndarray, spare: np.ndarray, number: int, step: float) -> None:
    """Even steps add both low neighbours to ``high``, odd ones both high ones to ``low``; mirrored at the ends."""
    if number % 2 == 0:
        inner = len(low) - 1
        _add_sum(high[:inner], low[:inner], low[1:], step, spare)
        if len(high) > inner:
            high[-1] += np.float32(2 * step) * low[-1]
    else:
        inner = len(high)
        low[0] += np.float32(2 * step) * high[0]
        _add_sum(low[1:inner], high[: inner - 1], high[1:], step, spare)
        if len(low) > inner:
            low[-1] += np.float32(2 * step) * high[-1]


def _add_sum(target: np.ndarray, one: np.ndarray, two: np.ndarray, step: float, spare: np.ndarray) -> None:
    if target.size:
        cv2.scaleAdd(cv2.add(one, two, dst=spare[: len(one)]), step, target, dst=target)
