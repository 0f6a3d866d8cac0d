"""Blurs of batches: uint8 tensors (B, 3, H, W), one value an image. The border is mirrored (reflect-101)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import blur as cpu
from mmqpt.degradations.batched._tensors import (
    correlate,
    correlate_axes,
    gaussian_bytes,
    pad,
    pick,
    shifted,
    stack_kernels,
    to_bytes,
)
from mmqpt.degradations.batched.displacement import jitter
from mmqpt.degradations.batched.resampling import resize_linear

Shifts = list[tuple[int, int]]


def gaussian_blur(images: Tensor, values: np.ndarray) -> Tensor:
    return gaussian_bytes(images, values.tolist())


def anisotropic_blur(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    lines = [_anisotropic_line(value, seed) for value, seed in zip(values.tolist(), seeds, strict=True)]
    return _average_along(images, *zip(*lines, strict=True))


def motion_blur(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    lines = [_motion_line(value, seed) for value, seed in zip(values.tolist(), seeds, strict=True)]
    return _average_along(images, *zip(*lines, strict=True))


def defocus_blur(images: Tensor, values: np.ndarray) -> Tensor:
    wide = values >= cpu._WIDE_DISC
    first = np.where(wide[:, None], [0.25, 0.5, 0.25], [0, 1, 0])
    discs = []
    for value, spread in zip(values, wide, strict=True):
        disc = cpu._disc(value / 2 if spread else value)
        if spread:
            sparse = np.zeros((2 * len(disc) - 1,) * 2)
            sparse[::2, ::2] = disc
            disc = sparse
        discs.append(disc)
    kernels = stack_kernels(discs, images)
    soft = (correlate_axes(images, torch.from_numpy(first).to(kernels)) + 0.5).floor()  # halves are rounded up
    reach_y, reach_x = kernels.shape[1] // 2, kernels.shape[2] // 2
    return to_bytes(correlate(pad(soft, reach_y, reach_x), kernels))


def zoom_blur(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    passes = np.ceil(np.log2((values * max(height, width) / 3).clip(1))).astype(int).clip(min=1)
    out = images
    for number in range(passes.max()):
        shares = np.where(number < passes, values / 2 * 2.0**number / (2.0**passes - 1), 0.0)  # 0: as it is
        cuts = [[min(round(share * side), (side - 1) // 2) for side in (height, width)] for share in shares.tolist()]
        inner = [(height - 2 * y, width - 2 * x) for y, x in cuts]
        rows, columns = (
            np.array(cuts)[:, axis, None] + np.arange(max(size[axis] for size in inner)) for axis in (0, 1)
        )
        middle = pick(pick(out, rows.clip(max=height - 1), 2), columns.clip(max=width - 1), 3)
        out = _mean(out, resize_linear(middle, inner, [(height, width)] * len(inner)))
    return out


def glass_blur(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    return gaussian_bytes(jitter(images, values, seeds), [0.8] * len(images))


def _anisotropic_line(sigma: float, seed: int) -> tuple[np.ndarray, Shifts]:
    """The small kernel and the shifts of the CPU engine's ``anisotropic_blur``."""
    direction = cpu._direction(seed)
    along = min(sigma, cpu._SMALL)
    passes = cpu._doublings(sigma, cpu._SMALL)
    spacing = np.sqrt(6 * (sigma**2 - along**2) / max(4**passes - 1, 1))
    y, x = np.mgrid[-4:5, -4:5] + 0.0
    u, v = x * direction[0] + y * direction[1], x * direction[1] - y * direction[0]
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / max(sigma / 4, 0.35)) ** 2))
    return cpu._trim(kernel), 2 * [cpu._whole(spacing * 2**i * direction) for i in range(passes)]


def _motion_line(length: float, seed: int) -> tuple[np.ndarray, Shifts]:
    """The short line and the shifts of the CPU engine's ``motion_blur``."""
    direction = cpu._direction(seed)
    passes = cpu._doublings(length, 6)
    piece = length / 2**passes
    shifts = [cpu._whole(piece * 2**i * direction) for i in range(passes)]
    y, x = np.mgrid[-4:5, -4:5] + 0.0
    x += 0.5 * (sum(shift[0] for shift in shifts) % 2)
    y += 0.5 * (sum(shift[1] for shift in shifts) % 2)
    along, across = x * direction[0] + y * direction[1], x * direction[1] - y * direction[0]
    kernel = np.clip(1 - np.abs(across), 0, 1) * np.clip(piece / 2 + 0.5 - np.abs(along), 0, 1)
    return cpu._trim(kernel), shifts


def _mean(one: Tensor, two: Tensor) -> Tensor:
    """Of uint8 values; halves go to the even number."""
    total = one.to(torch.int16) + two
    half = total >> 1
    return (half + (total & half & 1)).to(torch.uint8)


def _average_along(images: Tensor, kernels: Sequence[np.ndarray], shifts: Sequence[Shifts]) -> Tensor:
    """Filter with small kernels, then average with itself moved by each shift in turn; see the CPU engine.

    Pixels beyond the border are computed too. An image with fewer shifts than others is averaged with itself in place.
    """
    height, width = images.shape[2:]
    moves = np.zeros((len(images), max(map(len, shifts)), 2), np.int64)
    for move, own in zip(moves, shifts, strict=True):
        move[: len(own)] = np.array(own, np.int64).reshape(-1, 2)
    far = np.abs(moves).sum(1)
    margin_x, margin_y = ((far.max(0) + 1) // 2 + 1).tolist()
    weights = stack_kernels(kernels, images)
    reach_y, reach_x = weights.shape[1] // 2, weights.shape[2] // 2
    out = to_bytes(correlate(pad(images.to(weights.dtype), margin_y + reach_y, margin_x + reach_x), weights))
    stride = np.array([1, out.shape[3]])
    for number in range(moves.shape[1]):
        out = _mean(out, shifted(out, torch.from_numpy(moves[:, number] @ stride).to(out.device)))
    start = (-moves).clip(0).sum(1) - far // 2  # where the pixel of the first row and column is now
    if start.any():
        out = shifted(out, torch.from_numpy(start @ stride).to(out.device))
    return out[:, :, margin_y : margin_y + height, margin_x : margin_x + width].contiguous()
