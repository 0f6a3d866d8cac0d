"""Warps of batches: uint8 tensors (B, 3, H, W), one value an image. Bilinear; the border is mirrored (reflect-101)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations._random import generator
from mmqpt.degradations.batched._tensors import column, grid, sample


def rotate(images: Tensor, values: np.ndarray) -> Tensor:
    cos, sin = np.cos(np.deg2rad(values)), np.sin(np.deg2rad(values))
    return _affine(images, cos, -sin, sin, cos)


def shear(images: Tensor, values: np.ndarray) -> Tensor:
    return _affine(images, np.ones_like(values), -values, np.zeros_like(values), np.ones_like(values))


def stretch(images: Tensor, values: np.ndarray) -> Tensor:
    zero = np.zeros_like(values)
    return _affine(images, 1 / (1 + values.clip(min=0)), zero, zero, 1 / (1 - values.clip(max=0)))


def perspective(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    if min(height, width) < 2:
        return images.clone()
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    half = corners[2] / 2
    matrices = []
    for value, seed in zip(values, seeds, strict=True):
        phase = generator(seed).uniform(0, 2 * np.pi)
        pull = 1 + value * (unit @ [np.cos(phase), np.sin(phase)])
        matrices.append(_homography(half + unit * half * pull[:, None], corners))
    m = torch.from_numpy(np.stack(matrices)).to(images.device)[:, :, None, None]  # (B, 9, 1, 1)
    x, y = grid(images, torch.float64)
    scale = m[:, 6] * x + m[:, 7] * y + m[:, 8]
    return sample(images, (m[:, 0] * x + m[:, 1] * y + m[:, 2]) / scale, (m[:, 3] * x + m[:, 4] * y + m[:, 5]) / scale)


def lens(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    half_x, half_y = max((width - 1) / 2, 0.5), max((height - 1) / 2, 0.5)
    x, y = grid(images)
    x, y = x - half_x, y - half_y
    strength = column(values, images)[:, 0]
    factor = (1 + strength * ((x**2 + y**2) / (half_x**2 + half_y**2))) / (1 + strength)
    return sample(images, x * factor + half_x, y * factor + half_y)


def _affine(images: Tensor, xx: np.ndarray, xy: np.ndarray, yx: np.ndarray, yy: np.ndarray) -> Tensor:
    """Show at (x, y) what lies at (xx x + xy y, yx x + yy y), about the centre."""
    x, y = grid(images)
    half_x, half_y = (images.shape[3] - 1) / 2, (images.shape[2] - 1) / 2
    x, y = x - half_x, y - half_y
    a, b, c, d = (column(part, images)[:, 0] for part in (xx, xy, yx, yy))
    return sample(images, a * x + b * y + half_x, c * x + d * y + half_y)


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The nine numbers of the perspective map that takes four points to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), target.ravel()), 1)
