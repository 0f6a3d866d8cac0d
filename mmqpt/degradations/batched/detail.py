"""Too much smoothing and sharpening, in batches: uint8 tensors (B, 3, H, W), one value an image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import detail as cpu
from mmqpt.degradations.batched._tensors import (
    box,
    column,
    correlate_axes,
    gaussian_bytes,
    luma,
    pad,
    stack_kernels,
    to_bytes,
)
from mmqpt.degradations.batched.resampling import area, cubic, resize


def denoise(images: Tensor, values: np.ndarray) -> Tensor:
    out = torch.empty_like(images, memory_format=torch.contiguous_format)
    height, width = images.shape[2:]
    for side in (3, 5, 0):  # 0: reduced first
        members = np.flatnonzero(values == side if side else values > 5)
        if not members.size:
            continue
        index = torch.from_numpy(members).to(images.device)
        part = images.index_select(0, index)
        if side:
            rows, columns = (torch.arange(-(side // 2), n + side // 2, device=images.device) for n in (height, width))
            around = part[:, :, rows.clamp(0, height - 1)][..., columns.clamp(0, width - 1)]
            out[index] = _median(around, side)
            continue
        sizes = [(max(1, round(height * 5 / value)), max(1, round(width * 5 / value))) for value in values[members]]
        rows_down = [_with_border(area(height, size[0])) for size in sizes]
        columns_down = [_with_border(area(width, size[1])) for size in sizes]
        small = _median(resize(part, rows_down, columns_down), 5)
        rows_up, columns_up = [cubic(size[0], height) for size in sizes], [cubic(size[1], width) for size in sizes]
        out[index] = resize(small, rows_up, columns_up)
    return out


def over_smoothing(images: Tensor, values: np.ndarray) -> Tensor:
    variance = _variance(images, cpu._WIENER_SIDE)
    noise = column(values**2, images)
    smooth = noise / (variance.clamp_(min=0) + noise)
    means = to_bytes(box(images, cpu._WIENER_SIDE))
    return to_bytes((means * smooth + images * (1 - smooth)) / (1 + 1e-5))


def smear(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    reach = cpu._KUWAHARA_SIDE // 2
    spread = pad(_variance(images, cpu._KUWAHARA_SIDE), reach, reach)
    means = pad(to_bytes(box(images, cpu._KUWAHARA_SIDE)).float(), reach, reach)
    windows = [
        tuple(part[:, :, y : y + height, x : x + width] for part in (means, spread))
        for y in (0, 2 * reach)
        for x in (0, 2 * reach)
    ]
    out, best = windows[0]
    for value, window in windows[1:]:
        out = torch.where(window < best, value, out)
        best = torch.minimum(window, best)
    amount = column(values, images)
    return to_bytes(images * column(1 - values, images) + out * amount)


def sharpen(images: Tensor, values: np.ndarray) -> Tensor:
    return _unsharp(images, gaussian_bytes(images, [cpu._MASK_SIGMA] * len(images)), values)


def local_contrast(images: Tensor, values: np.ndarray) -> Tensor:
    return _unsharp(images, to_bytes(box(to_bytes(box(images, 31)), 31)), values)


def ringing(images: Tensor, values: np.ndarray) -> Tensor:
    taps = []
    for value in values.tolist():
        reach = cpu.ringing_reach(value)
        kernel = np.sinc(value * np.arange(-reach, reach + 1))
        taps.append(kernel[None] / kernel.sum())
    return to_bytes(correlate_axes(images, stack_kernels(taps, images)[:, 0]))


def _unsharp(images: Tensor, blurred: Tensor, values: np.ndarray) -> Tensor:
    return to_bytes(images * column(1 + values, images) - blurred * column(values, images))


def _variance(images: Tensor, side: int) -> Tensor:
    """Of the luma over ``side`` x ``side`` px."""
    grey = luma(images).to(torch.int32)
    mean = box(grey, side)
    return box(grey * grey, side) - mean * mean


def _median(padded: Tensor, side: int) -> Tensor:
    """Median of ``side`` x ``side`` px; the border of half a window is lost.

    Found bit by bit: the median is the largest number that no more than half of the window lies below.
    """
    height, width = padded.shape[2] - side + 1, padded.shape[3] - side + 1
    found = torch.zeros_like(padded[:, :, :height, :width], memory_format=torch.contiguous_format)
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        trial = found + bit
        below = torch.zeros_like(found)
        for y in range(side):
            for x in range(side):
                below += padded[:, :, y : y + height, x : x + width] < trial
        found = torch.where(below <= side * side // 2, trial, found)
    return found


def _with_border(matrix: np.ndarray) -> np.ndarray:
    """Rows that repeat the first and the last one twice more."""
    return np.pad(matrix, ((2, 2), (0, 0)), mode='edge')
