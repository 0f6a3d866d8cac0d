"""Lost, wrong or misplaced pixels in batches: uint8 tensors (B, 3, H, W), one value an image.

Where things lie is decided on the CPU, as by the CPU engine, and written down as small maps.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import damage as cpu
from mmqpt.degradations.batched._stream import whole_numbers
from mmqpt.degradations.batched._tensors import column, grid, last_patches, mirrored, pick_at, to_bytes


def lost_blocks(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    side = cpu._MACROBLOCK
    rows, columns = -(-height // side), -(-width // side)
    lost = np.zeros((len(images), 1, rows, columns), bool)
    for own, value, seed in zip(lost, values, seeds, strict=True):
        count = max(1, round(value * rows * columns / 3.5))
        for row, first, more in whole_numbers(seed, count, rows, columns, 6).tolist():
            own[0, row, first : first + 1 + more] = True
    x, y = grid(images, torch.int64)
    block_y, block_x = y.view(-1) // side, x.view(-1) // side
    mask = torch.from_numpy(lost).to(images.device).index_select(2, block_y).index_select(3, block_x)
    above = images[:, :, side - 1 : (rows - 1) * side : side]  # the last row of every block row but the last
    above = torch.cat([torch.full_like(images[:, :, :1], 128), above], 2).index_select(2, block_y)
    return torch.where(mask, above, images)


def colour_blocks(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    side_y, side_x = min(cpu._TILE, height), min(cpu._TILE, width)
    squares = []
    for value, seed in zip(values, seeds, strict=True):
        count = max(1, round(value * height * width / (side_y * side_x)))
        squares.append(whole_numbers(seed, count, height - side_y + 1, width - side_x + 1, 256, 256, 256))
    seen, table = last_patches(squares, (side_y, side_x), images)
    colours = table[..., 2:].to(torch.uint8).transpose(1, 2)  # (B, 3, 1 + K)
    painted = colours.gather(2, seen[:, None].expand(-1, 3, -1)).view(images.shape)
    return torch.where(seen.view(-1, 1, height, width) > 0, painted, images)


def dead_pixels(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    marks = np.zeros(images.shape, np.uint8)  # 0: as it is; 1, 2: half of the way to 0, to 255; 3, 4: 0, 255
    for mark, value, seed in zip(marks, values, seeds, strict=True):
        count = max(1, round(value * height * width))
        y, x, channel, bright = whole_numbers(seed, count, height, width, 3, 2).T
        for shift_y, shift_x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            mark[channel, (y + shift_y).clip(0, height - 1), (x + shift_x).clip(0, width - 1)] = 1 + bright
        mark[channel, y, x] = 3 + bright
    what = torch.from_numpy(marks).to(images.device)
    half = (images >> 1) + (what == 2).to(torch.uint8) * 127
    return torch.where(what == 0, images, half).masked_fill_(what == 3, 0).masked_fill_(what == 4, 255)


def interlace(images: Tensor, values: np.ndarray) -> Tensor:
    width = images.shape[3]
    whole = np.floor(-values)
    share = column(-values - whole, images)
    x = grid(images, torch.int32)[0] + column(whole, images, torch.int32)
    field = images[:, :, 1::2].contiguous()
    here, next_one = (pick_at(field, mirrored(x + step, width), 3).float() for step in (0, 1))
    out = images.clone()
    out[:, :, 1::2] = to_bytes(here * (1 - share) + next_one * share)
    return out


def dither(images: Tensor, values: np.ndarray) -> Tensor:
    tables = torch.from_numpy(np.stack([_dither_table(float(value)) for value in values])).to(images.device)
    x, y = grid(images, torch.int32)
    number = torch.arange(len(images), dtype=torch.int32, device=images.device).view(-1, 1, 1)
    place = (number * 64 + y % 8 * 8 + x % 8) * 256
    return tables.flatten().index_select(0, (place[:, None] + images).flatten()).view(images.shape)


@functools.lru_cache(maxsize=64)
def _dither_table(value: float) -> np.ndarray:
    """What the CPU engine makes of each of 256 values at each of 8 x 8 places: (8, 8, 256)."""
    flat = np.repeat(np.repeat(np.arange(256, dtype=np.uint8), 8)[None, :, None], 3, 2)
    done = cpu.dither(np.repeat(flat, 8, 0), value)[..., 0]
    return np.ascontiguousarray(done.reshape(8, 256, 8).transpose(0, 2, 1))
