"""Tone changes of batches: uint8 tensors (B, 3, H, W), one value an image."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import tone as cpu
from mmqpt.degradations.batched._tensors import add_luma, column, gaussian_bytes, lookup, luma

_RAMP = np.arange(256, dtype=np.float64)


def by_curve(function: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[Tensor, np.ndarray], Tensor]:
    """The batched version of an operator that is one tone curve a channel: the curve is what it does to a ramp."""

    @functools.lru_cache(maxsize=64)
    def table(value: float) -> np.ndarray:
        return curve(function(ramp(), value))

    def change(images: Tensor, values: np.ndarray) -> Tensor:
        tables = torch.from_numpy(np.stack([table(float(value)) for value in values]))
        return lookup(images, tables.to(images.device))

    return change


def ramp() -> np.ndarray:
    """An image (1, 256, 3) of all greys."""
    return np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)


def curve(changed: np.ndarray) -> np.ndarray:
    """The curves (3, 256) that made ``changed`` of :func:`ramp`."""
    return np.ascontiguousarray(changed[0].T)


brightness = by_curve(cpu.brightness)
gamma = by_curve(cpu.gamma)
exposure = by_curve(cpu.exposure)
haze = by_curve(cpu.haze)
quantise = by_curve(cpu.quantise)


def midtones(images: Tensor, values: np.ndarray) -> Tensor:
    exponents = np.log(0.5 + values) / np.log(0.5)
    change = (255 * (_RAMP / 255) ** exponents[:, None] - _RAMP).round().astype(np.int16)
    return add_luma(images, lookup(luma(images), torch.from_numpy(change).to(images.device)))


def contrast(images: Tensor, values: np.ndarray) -> Tensor:
    pixels = images[0].numel() if len(images) else 1
    mean = images.sum((1, 2, 3)).double()[:, None] / pixels
    steps = torch.from_numpy(_RAMP).to(images.device)
    curves = mean + column(values, images, torch.float64)[:, 0, 0] * (steps - mean)
    return lookup(images, curves.round().clamp_(0, 255).to(torch.uint8))


def banding(images: Tensor, values: np.ndarray) -> Tensor:
    smooth = gaussian_bytes(luma(images), [cpu._BANDING_SIGMA] * len(images))
    step = values[:, None]
    change = (np.round(_RAMP / step) * step - _RAMP).round().astype(np.int16)
    return add_luma(images, lookup(smooth, torch.from_numpy(change).to(images.device)))


def vignette(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    x, y = (
        torch.linspace(-1, 1, side, device=images.device) if side > 1 else torch.zeros(1, device=images.device)
        for side in (width, height)
    )
    aspect = width**2 / (width**2 + height**2)
    loss_x = column(values * aspect, images) * x**2
    loss_y = column(values * (1 - aspect), images) * y[:, None] ** 2
    return (images * (1 - loss_x - loss_y)).round_().clamp_(0, 255).to(torch.uint8)
