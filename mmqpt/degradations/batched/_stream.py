"""The random numbers of the CPU engine, bit for bit, on any device.

The CPU engine reads bytes off PCG64 (O'Neill, 2014), whose state is multiplied and added to in 128 bits for every
eight of them. Written out, the n-th state is ``start + G(n) ((a - 1) start + c)``, where ``G(n) = 1 + a + ... +
a^(n - 1)`` is the same for all seeds: a table, so that all states are computed at once, for many images.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations._filter import _STRIP as ROWS
from mmqpt.degradations._random import _STRIP as VALUES
from mmqpt.degradations._random import _UNIT, _normal_steps, generator, raw_bytes

_FACTOR = 0x2360ED051FC65DA44385DF649FCCF645
_MASK_128 = (1 << 128) - 1
_MASK_64 = (1 << 64) - 1
_MASK_32 = (1 << 32) - 1
_LOWEST = -(1 << 63)


def random_bytes(seeds: Sequence[int], count: int, device: torch.device) -> Tensor:
    """``count`` bytes for each seed, as ``raw_bytes(generator(seed), count)`` gives them: (B, count) uint8."""
    if device.type == 'cpu':
        rows = [raw_bytes(generator(seed), count) for seed in seeds]
        return torch.from_numpy(np.stack(rows) if rows else np.zeros((0, count), np.uint8))
    return jump_bytes(seeds, count, device)


def jump_bytes(seeds: Sequence[int], count: int, device: torch.device) -> Tensor:
    """:func:`random_bytes` by the table, for any device."""
    states = [generator(seed).bit_generator.state['state'] for seed in seeds]
    starts = [state['state'] for state in states]
    strides = [((_FACTOR - 1) * state['state'] + state['inc']) & _MASK_128 for state in states]
    table_high, table_low = _table(-(-count // 8), str(device))
    stride_high, stride_low = _halves(strides, device)
    start_high, start_low = (half[:, None] for half in _halves(starts, device))
    stride_high, stride_low = stride_high[:, None], stride_low[:, None]
    product = table_low * stride_low
    low = product + start_low
    carry = ((low ^ _LOWEST) < (start_low ^ _LOWEST)).long()
    high = _high_product(table_low, stride_low) + table_low * stride_high + table_high * stride_low + start_high + carry
    turn = (high >> 58) & 63
    mixed = high ^ low
    back = (64 - turn) & 63
    right = torch.where(turn == 0, mixed, (mixed >> turn) & ((torch.ones_like(turn) << back) - 1))
    words = right | (mixed << back)
    return words.view(torch.uint8)[:, :count]


def whole_numbers(seed: int, count: int, *ends: int) -> np.ndarray:
    """(count, len(ends)): what the CPU engine's ``whole_numbers`` gives first for a seed."""
    return (generator(seed).random((count, len(ends))) * ends).astype(np.int64)


def normal_sums(seeds: Sequence[int], rows: int, values: int, strips: bool, device: torch.device) -> Tensor:
    """What ``normal_field`` draws before it scales: sums of two normal steps, in units of 1 / :data:`UNIT`.

    Args:
        seeds: one an image.
        rows: rows of the field.
        values: values in a row, over all channels.
        strips: whether the field is drawn by ``in_strips``, else at once.
        device: where to.

    Returns:
        (B, rows x values) int32.
    """
    sizes = [part * values for part in _parts(rows, values, strips)]
    starts = np.cumsum([0, *(8 * -(-2 * size // 8) for size in sizes)]).tolist()
    drawn = random_bytes(seeds, starts[-1], device)
    one = torch.cat([drawn[:, start : start + size] for start, size in zip(starts, sizes, strict=False)], 1)
    two = torch.cat([drawn[:, start + size : start + 2 * size] for start, size in zip(starts, sizes, strict=False)], 1)
    steps = torch.from_numpy(_normal_steps()).to(device, torch.int32)  # sums leave the range of int16
    first, second = (steps.index_select(0, part.flatten().int()).view(part.shape) for part in (one, two))
    return first + second


UNIT = _UNIT


def _parts(rows: int, values: int, strips: bool) -> list[int]:
    """Rows that the CPU engine draws at a time."""
    out = []
    for top in range(0, rows, ROWS if strips else rows):
        inside = min(ROWS, rows - top) if strips else rows
        most = max(1, VALUES // values)
        out += [min(most, inside - start) for start in range(0, inside, most)]
    return out


@functools.lru_cache(maxsize=8)
def _table(count: int, device: str) -> tuple[Tensor, Tensor]:
    """High and low 64 bits of G(1) to G(count)."""
    sums, value = [], 0
    for _ in range(count):
        value = (value * _FACTOR + 1) & _MASK_128
        sums.append(value)
    return _halves(sums, torch.device(device))


def _halves(numbers: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    halves = [np.array([n >> 64 for n in numbers], np.uint64), np.array([n & _MASK_64 for n in numbers], np.uint64)]
    high, low = (torch.from_numpy(half.view(np.int64)).to(device) for half in halves)
    return high, low


def _high_product(one: Tensor, two: Tensor) -> Tensor:
    """The upper 64 bits of the product of two unsigned 64-bit numbers."""
    a, b = one & _MASK_32, (one >> 32) & _MASK_32
    c, d = two & _MASK_32, (two >> 32) & _MASK_32
    cross, other = a * d, b * c
    middle = (((a * c) >> 32) & _MASK_32) + (cross & _MASK_32) + (other & _MASK_32)
    return b * d + ((cross >> 32) & _MASK_32) + ((other >> 32) & _MASK_32) + (middle >> 32)
