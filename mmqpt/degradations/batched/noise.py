"""Noise in batches: uint8 tensors (B, 3, H, W), one value and one seed an image.

The noise is that of the CPU engine, value by value: see :mod:`mmqpt.degradations.batched._stream`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import noise as cpu
from mmqpt.degradations._random import generator
from mmqpt.degradations.batched._stream import UNIT, normal_sums, random_bytes
from mmqpt.degradations.batched._tensors import (
    add_luma,
    column,
    correlate_axes,
    gaussian_taps,
    luma,
    sum_type,
    to_bytes,
)
from mmqpt.degradations.batched.detail import over_smoothing


def white_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    change = (_normal(images, seeds, 3) * column(values / UNIT, images)).round_()
    return (change + images).clamp_(0, 255).to(torch.uint8)


def colour_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    chroma = _normal(images, seeds, 2, strips=True) * column(values / UNIT, images)
    parts = [sum(chroma[:, i : i + 1] * row[i] for i in (0, 1)) for row in cpu.CHROMA_TO_RGB.tolist()]
    return to_bytes(torch.cat(parts, 1) + images)  # type: ignore[arg-type]


def sensor_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    gain = column(values, images)
    sigma = (gain * images + (2 * gain) ** 2).sqrt_()
    return to_bytes(_normal(images, seeds, 3, strips=True) * (1 / UNIT) * sigma + images)


def speckle_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    return to_bytes((_normal(images, seeds, 3, strips=True) * column(values / UNIT, images) + 1) * images)


def grain(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    taps = torch.from_numpy(gaussian_taps(0.9)).to(images.device, sum_type(images.device))
    noise = correlate_axes(_normal(images, seeds, 1) * (1 / UNIT), taps.expand(len(images), -1)).float()
    tone = luma(images) * (2 / 255) - 1
    weight = column(values * cpu._GRAIN_GAIN, images) * (1 - 2 / 3 * tone**2)
    return to_bytes(noise * weight + images)


def line_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    rows = np.stack([generator(seed).standard_normal(images.shape[2]) for seed in seeds])
    change = np.rint(rows * values[:, None]).astype(np.int16)
    return add_luma(images, torch.from_numpy(change).to(images.device)[:, None, :, None])


def impulse_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    batch, _, height, width = images.shape
    pairs = random_bytes(seeds, 2 * height * width, images.device).view(batch, 1, height, width, 2)
    draw = pairs[..., 0].int() + pairs[..., 1].int() * 256
    bound = column([round(value * 2**15) for value in values], images, torch.int32)
    return images.masked_fill(draw < bound, 0).masked_fill_(draw >= 2**16 - bound, 255)


def denoised_noise(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    return over_smoothing(white_noise(images, values, seeds), 1.5 * values)


def _normal(images: Tensor, seeds: Sequence[int], channels: int, strips: bool = False) -> Tensor:
    """Normal noise (B, channels, H, W) float32 with a standard deviation of :data:`UNIT`."""
    batch, _, height, width = images.shape
    drawn = normal_sums(seeds, height, width * channels, strips, images.device)
    return drawn.view(batch, height, width, channels).permute(0, 3, 1, 2).float()
