"""The CDF 9/7 wavelet of the CPU engine on tensors (B, C, H, W); see :mod:`mmqpt.degradations._wavelet`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmqpt.degradations._wavelet import _SCALE, _STEPS


def through_wavelet(planes: Tensor, depth: int, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Split planes into bands ``depth`` times, give each band to ``change``, and join them again."""
    if depth == 0 or max(planes.shape[2:]) < 2:
        return change(planes)
    joined = []
    for number, half in enumerate(_split(planes, 2)):
        if half.numel() == 0:
            joined.append(half)
            continue
        low, high = _split(half, 3)
        low = through_wavelet(low, depth - 1, change) if number == 0 else change(low)
        joined.append(_join(low, change(high) if high.numel() else high, 3))
    return _join(joined[0], joined[1], 2)


def _split(values: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Low and high band along an axis; a single row is all low."""
    count = values.shape[axis]
    low, high = (values.index_select(axis, torch.arange(start, count, 2, device=values.device)) for start in (0, 1))
    if high.numel():
        for number, step in enumerate(_STEPS):
            low, high = _lift(low, high, axis, number, step)
        low, high = low * _SCALE, high * (1 / _SCALE)
    return low, high


def _join(low: Tensor, high: Tensor, axis: int) -> Tensor:
    """The inverse of :func:`_split`."""
    if high.numel() == 0:
        return low
    low, high = low * (1 / _SCALE), high * _SCALE
    for number, step in reversed(list(enumerate(_STEPS))):
        low, high = _lift(low, high, axis, number, -step)
    shape = list(low.shape)
    shape[axis] += high.shape[axis]
    out = low.new_empty(shape)
    even, odd = [slice(None)] * 4, [slice(None)] * 4
    even[axis], odd[axis] = slice(0, None, 2), slice(1, None, 2)
    out[tuple(even)], out[tuple(odd)] = low, high
    return out


def _lift(low: Tensor, high: Tensor, axis: int, number: int, step: float) -> tuple[Tensor, Tensor]:
    """Even steps add both low neighbours to ``high``, odd ones both high ones to ``low``; mirrored at the ends."""
    if number % 2 == 0:
        count = high.shape[axis]
        last = low.narrow(axis, low.shape[axis] - 1, 1)
        after = torch.cat([low.narrow(axis, 1, low.shape[axis] - 1), last], axis).narrow(axis, 0, count)
        return low, high + (low.narrow(axis, 0, count) + after) * step
    count = low.shape[axis]
    before = torch.cat([high.narrow(axis, 0, 1), high], axis).narrow(axis, 0, count)
    after = torch.cat([high, high.narrow(axis, high.shape[axis] - 1, 1)], axis).narrow(axis, 0, count)
    return low + (before + after) * step, high
