"""Colour changes of batches: uint8 tensors (B, 3, H, W), one value an image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import colour as cpu
from mmqpt.degradations._filter import cubic_weights
from mmqpt.degradations._random import generator
from mmqpt.degradations.batched._tensors import (
    column,
    from_ycrcb,
    grid,
    lookup,
    pad,
    sample,
    shifted,
    sum_type,
    to_bytes,
    to_ycrcb,
)
from mmqpt.degradations.batched.tone import by_curve, curve, ramp
from mmqpt.degradations.noise import CHROMA_TO_RGB


def by_matrix(function: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[Tensor, np.ndarray], Tensor]:
    """The batched version of an operator that is one colour matrix: what it does to black and to the primaries.

    The matrix has 10 bits behind the point, as OpenCV's has for images of 8 bits.
    """

    @functools.lru_cache(maxsize=64)
    def matrix(value: float) -> np.ndarray:
        probes = function(np.vstack([np.zeros(3), np.eye(3)])[None], value)[0]
        return np.rint(1024 * np.column_stack([(probes[1:] - probes[0]).T, probes[0]]))

    def change(images: Tensor, values: np.ndarray) -> Tensor:
        dtype = sum_type(images.device)
        matrices = torch.from_numpy(np.stack([matrix(float(value)) for value in values])).to(images.device, dtype)
        mixed = torch.baddbmm(matrices[:, :, 3:] + 512, matrices[:, :, :3], images.flatten(2).to(dtype))
        return mixed.div_(1024).floor_().clamp_(0, 255).to(torch.uint8).view(images.shape)

    return change


saturation = by_matrix(cpu.saturation)
hue = by_matrix(cpu.hue)
fade = by_matrix(cpu.fade)
temperature = by_curve(cpu.temperature)
tint = by_curve(cpu.tint)


def saturation_lab(images: Tensor, values: np.ndarray) -> Tensor:
    steps = np.arange(256.0) - 128
    tables = np.rint(128 + values[:, None] * steps).clip(0, 255).astype(np.float32)
    lab = _to_lab(images)
    chroma = lookup(lab[:, 1:], torch.from_numpy(tables).to(images.device))
    return _from_lab(torch.cat([lab[:, :1].float(), chroma], 1))


def colour_cast(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    tables = [curve(cpu.colour_cast(ramp(), value, seed)) for value, seed in zip(values, seeds, strict=True)]
    return lookup(images, torch.from_numpy(np.stack(tables)).to(images.device))


def channel_shift(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    shifts = np.array([cpu.shift_of_red(value, seed) for value, seed in zip(values, seeds, strict=True)])
    shift_x, shift_y = (column(part, images)[:, 0] for part in shifts.T)
    x, y = grid(images)
    return _move_red_and_blue(images, (x - shift_x, y - shift_y), (x + shift_x, y + shift_y))


def chromatic_aberration(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    scale = values / max(1.0, float(np.hypot(centre_x, centre_y)))
    x, y = grid(images)
    places = []
    for share in (scale, -scale):
        factor = column(1 / (1 + share), images)[:, 0]
        places.append((centre_x + (x - centre_x) * factor, centre_y + (y - centre_y) * factor))
    return _move_red_and_blue(images, *places)


def chroma_blotches(images: Tensor, values: np.ndarray, seeds: Sequence[int]) -> Tensor:
    height, width = images.shape[2:]
    down, across = (cubic_weights(side, cpu._BLOTCH) for side in (height, width))
    coarse = [generator(seed).standard_normal((down.shape[1], across.shape[1], 2)) for seed in seeds]
    dtype = sum_type(images.device)
    knots = np.stack(coarse) * values[:, None, None, None] @ CHROMA_TO_RGB.T
    field = torch.from_numpy(knots).to(images.device, dtype).permute(0, 3, 1, 2)  # (B, 3, knots, knots)
    rows, columns = (torch.from_numpy(part).to(images.device, dtype) for part in (down, across))
    return to_bytes((rows @ (field @ columns.T)).float() + images)


def colour_diffusion(images: Tensor, values: np.ndarray) -> Tensor:
    parts = to_ycrcb(images)
    radii = values.astype(np.int64)
    chroma = parts[:, 1:]
    area = column((2.0 * radii + 1) ** 2, images)
    for _ in range(3):
        chroma = to_bytes(_box_sums(chroma, radii) / area)
    return from_ycrcb(torch.cat([parts[:, :1], chroma], 1))


def _box_sums(values: Tensor, radii: np.ndarray) -> Tensor:
    """Sums over ``2 radius + 1`` px in x and in y, as differences of running sums."""
    most = int(radii.max())
    height, width = values.shape[2:]
    total = pad(values, most + 1, most + 1)
    radius = torch.from_numpy(radii).to(values.device)
    for axis, stride in ((3, 1), (2, total.shape[3])):
        total = total.cumsum(axis, dtype=torch.int32)
        total = shifted(total, radius * stride) - shifted(total, -(radius + 1) * stride)
    return total[:, :, most + 1 : most + 1 + height, most + 1 : most + 1 + width]


def _move_red_and_blue(images: Tensor, red: tuple[Tensor, Tensor], blue: tuple[Tensor, Tensor]) -> Tensor:
    shape = (len(images), *images.shape[2:])
    x, y = (torch.cat([part.expand(shape) for part in parts]) for parts in zip(red, blue, strict=True))
    moved = sample(torch.cat([images[:, :1], images[:, 2:]]), x, y)
    return torch.cat([moved[: len(images)], images[:, 1:2], moved[len(images) :]], 1)


_WHITE = np.array([0.950456, 1, 1.088754])
_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)  # linear sRGB -> XYZ under D65


@functools.cache
def _lab_tables(device: str) -> tuple[Tensor, Tensor]:
    """sRGB -> light in 1/2040, and light -> f of CIE Lab in 1/32768: those of OpenCV for 8 bits."""
    value = np.arange(256) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    t = np.arange(256 * 12, dtype=np.float32) / np.float32(2040)  # as there: two entries differ in float64
    f = np.where(t < 216 / 24389, t * (841 / 108) + 16 / 116, np.cbrt(t))
    tables = (np.rint(2040 * light).astype(np.int32), np.rint(32768 * f).astype(np.int32))
    one, two = (torch.from_numpy(table).to(device) for table in tables)
    return one, two


def _to_lab(images: Tensor) -> Tensor:
    """RGB -> CIE Lab of 8 bits, in the fixed point of OpenCV."""
    light_of, f_of = _lab_tables(str(images.device))
    light = light_of.index_select(0, images.flatten().int()).view(images.shape).split(1, 1)
    fixed = np.rint(4096 * _XYZ / _WHITE[:, None]).astype(int).tolist()
    f = []
    for row in fixed:
        total = (sum(part * weight for part, weight in zip(light, row, strict=True)) + 2048) >> 12
        f.append(f_of.index_select(0, total.flatten()).view(total.shape))
    half = 1 << 14
    lightness = (f[1] * ((116 * 255 + 50) // 100) - ((16 * 255 * (1 << 15) + 50) // 100) + half) >> 15
    a = ((f[0] - f[1]) * 500 + 128 * (1 << 15) + half) >> 15
    b = ((f[1] - f[2]) * 200 + 128 * (1 << 15) + half) >> 15
    return torch.cat([lightness, a, b], 1).clamp_(0, 255).to(torch.uint8)


def _from_lab(lab: Tensor) -> Tensor:
    """CIE Lab in the ranges of 8 bits -> RGB."""
    lightness, a, b = lab.split(1, 1)
    lightness = lightness * (100 / 255)
    low = lightness <= 8
    fy = torch.where(low, lightness * (841 / 108 / 903.3) + 16 / 116, (lightness + 16) / 116)
    y = torch.where(low, lightness / 903.3, fy**3)
    x, z = (
        torch.where(f <= 24 / 116, (f - 16 / 116) * (108 / 841), f**3)
        for f in (fy + (a - 128) / 500, fy - (b - 128) / 200)
    )
    back = np.linalg.inv(_XYZ) * _WHITE
    light = [x * row[0] + y * row[1] + z * row[2] for row in back.tolist()]
    linear = torch.cat(light, 1).clamp_(0, 1)
    return to_bytes(255 * torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))
