"""Random displacements in batches: uint8 tensors (B, 3, H, W), one value and one seed an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import displacement as cpu
from mmqpt.degradations._filter import cubic_weights
from mmqpt.degradations._random import generator
from mmqpt.degradations.batched._stream import UNIT, normal_sums, whole_numbers
from mmqpt.degradations.batched._tensors import column, grid, last_patches, mirrored, sample, sum_type


def elastic(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    down, across = (cubic_weights(side, cpu._GRID) for side in (height, width))
    coarse = np.stack([generator(seed).standard_normal((2, down.shape[1], across.shape[1])) for seed in seeds])
    dtype = sum_type(images.device)
    rows, columns = (torch.from_numpy(part).to(images.device, dtype) for part in (down, across))
    knots = torch.from_numpy(np.float32(coarse)).to(images.device, dtype) * column(values, images, dtype)
    move = (rows @ (knots @ columns.T)).float()  # (B, 2, H, W)
    x, y = grid(images)
    return sample(images, x + move[:, 0], y + move[:, 1])


def jitter(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    """Also the first half of ``glass_blur``."""
    batch, channels, height, width = images.shape
    drawn = normal_sums(seeds, height, 2 * width, False, images.device).view(batch, height, width, 2)
    move = (drawn * column(values / UNIT, images)).round_().int()
    x, y = grid(images, torch.int32)
    places = mirrored(y + move[..., 1], height) * width + mirrored(x + move[..., 0], width)  # (B, H, W)
    first = torch.arange(batch * channels, dtype=torch.int32, device=images.device) * (height * width)
    index = first.view(batch, channels, 1, 1) + places[:, None]
    return images.flatten().index_select(0, index.flatten()).view(images.shape)


def rolling_shutter(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    rows = np.arange(images.shape[2], dtype=np.float32)
    shifts = []
    for value, seed in zip(values, seeds, strict=True):
        rng = generator(seed)
        fast, slow = (np.sin(2 * np.pi * (rows / (low * rng.uniform(1, 2)) + rng.random())) for low in (40, 100))
        shifts.append(value / 2 * (fast + slow))
    x, y = grid(images)
    moved = x + torch.from_numpy(np.float32(np.stack(shifts))).to(images.device)[..., None]
    return sample(images, moved, y.expand(moved.shape))


def block_shift(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    _, channels, height, width = images.shape
    side_y, side_x = min(cpu._PATCH, height), min(cpu._PATCH, width)
    offsets = np.array(cpu._OFFSETS)
    patches = []
    for value, seed in zip(values, seeds, strict=True):
        count = max(1, round(value * height * width / (side_y * side_x)))
        y, x, down, right = whole_numbers(seed, count, height - side_y + 1, width - side_x + 1, 18, 18).T
        move_y = (y + offsets[down]).clip(0, height - side_y) - y
        move_x = (x + offsets[right]).clip(0, width - side_x) - x
        patches.append(np.stack([y, x, move_y * width + move_x], 1))
    seen, table = last_patches(patches, (side_y, side_x), images)
    source = table[..., 2].gather(1, seen) + torch.arange(height * width, device=images.device)
    return images.flatten(2).gather(2, source[:, None].expand(-1, channels, -1)).view(images.shape)
