"""Photos of too few pixels, in batches: uint8 tensors (B, 3, H, W), one factor an image.

Small images of different sizes share a tensor, padded. Reducing by area, and bicubic and Lanczos resizing are products
with one matrix an axis; the rest picks pixels. Weights are in the fixed point of OpenCV where it has one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.degradations import resampling as cpu
from mmqpt.degradations.batched._tensors import pick, sum_type, to_bytes

_ONE = 2048
"""OpenCV's fixed-point scale of weights."""

Sizes = Sequence[tuple[int, int]]


def resample_area(images: Tensor, values: np.ndarray) -> Tensor:
    return _by_matrices(images, values, area, cubic)


def resample_nearest(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    rows = np.stack([_nearest_places(height, value, 0) for value in values.tolist()])
    columns = np.stack([_nearest_places(width, value, 1) for value in values.tolist()])
    return pick(pick(images, rows, 2), columns, 3)


def resample_bilinear(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    sizes = _small_sizes(images, values)
    whole = [(height, width)] * len(sizes)
    small = resize_linear(images, whole, sizes)
    halved = [number for number, size in enumerate(sizes) if (2 * size[0], 2 * size[1]) == (height, width)]
    if halved:  # OpenCV takes the mean of 2 x 2 px then
        rows, columns = ([area(side, side // 2)] * len(halved) for side in (height, width))
        means = resize(images[halved], rows, columns)
        small[halved, :, : height // 2, : width // 2] = means
    return resize_linear(small, sizes, whole)


def resample_bicubic(images: Tensor, values: np.ndarray) -> Tensor:
    return _by_matrices(images, values, cubic, cubic)


def resample_lanczos(images: Tensor, values: np.ndarray) -> Tensor:
    return _by_matrices(images, values, lanczos, lanczos)


def pixelate(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    sizes = _small_sizes(images, values)
    small = resize(images, [area(height, size[0]) for size in sizes], [area(width, size[1]) for size in sizes])
    rows, columns = (
        np.stack([np.floor(np.arange(side) * (size[axis] / side)).clip(0, size[axis] - 1) for size in sizes])
        for axis, side in enumerate((height, width))
    )
    return pick(pick(small, rows, 2), columns, 3)


def resize(images: Tensor, rows: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> Tensor:
    """``rows @ image @ columns.T``, one pair of matrices an image, rounded; smaller results are padded with zeros."""
    down, across = (_stack(part, images) for part in (rows, columns))
    return to_bytes(down @ images.to(down.dtype) @ across.transpose(2, 3))


def resize_linear(images: Tensor, sources: Sizes, targets: Sizes) -> Tensor:
    """From the top left ``sources`` (rows, columns) to ``targets``, bilinearly, in the fixed point of OpenCV."""
    taps = []
    for axis in (0, 1):
        longest = max(target[axis] for target in targets)
        pairs = zip(sources, targets, strict=True)
        taps.append(np.stack([linear_taps(source[axis], target[axis], longest) for source, target in pairs]))
    (first_y, share_y), (first_x, share_x) = ((part[:, 0], part[:, 1:]) for part in taps)
    last_y, last_x = (np.array([source[axis] - 1 for source in sources])[:, None] for axis in (0, 1))
    weights = [torch.from_numpy(part).to(images.device, torch.int32) for part in (share_y, share_x)]
    left, right = (
        pick(images, np.minimum(first_x + step, last_x), 3) * weights[1][:, step, None, None, :] for step in (0, 1)
    )
    wide = (left + right) >> 4
    above, below = (
        (pick(wide, np.minimum(first_y + step, last_y), 2) * weights[0][:, step, None, :, None]) >> 16
        for step in (0, 1)
    )
    return ((above + below + 2) >> 2).to(torch.uint8)


@functools.lru_cache(maxsize=256)
def linear_taps(source: int, target: int, length: int) -> np.ndarray:
    """For each of ``target`` px the first px, its weight and that of the next one: (3, length), zeros at the end."""
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    first = np.floor(centre)
    share = (centre - first).astype(np.float32)
    share[(first < 0) | (first >= source - 1)] = 0
    weights = np.rint(np.stack([1 - share, share]) * np.float32(_ONE))
    out = np.zeros((3, length), np.int64)
    out[:, :target] = np.vstack([first.clip(0, source - 1), weights])
    return out


@functools.lru_cache(maxsize=256)
def cubic(source: int, target: int) -> np.ndarray:
    return _taps(source, target, 4, _cubic)


@functools.lru_cache(maxsize=256)
def lanczos(source: int, target: int) -> np.ndarray:
    return _taps(source, target, 8, lambda x: np.sinc(x) * np.sinc(x / 4) * (np.abs(x) < 4), _ONE)


@functools.lru_cache(maxsize=256)
def area(source: int, target: int) -> np.ndarray:
    """Only for reducing. A nudge makes halves go up in means of 2 x 2 px, as in OpenCV."""
    ends = np.arange(target + 1) * (source / target)
    places = np.arange(source)
    cover = np.minimum(ends[1:, None], places + 1) - np.maximum(ends[:-1, None], places)
    nudge = 1 + 1e-5 if source == 2 * target else 1
    return (cover.clip(0) * (target / source * nudge)).astype(np.float32)


def _cubic(x: np.ndarray) -> np.ndarray:
    """The kernel with a = -0.75."""
    x = np.abs(x)
    near, far = (1.25 * x - 2.25) * x * x + 1, -0.75 * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _taps(
    source: int, target: int, count: int, weigh: Callable[[np.ndarray], np.ndarray], fixed: int = 0
) -> np.ndarray:
    """A matrix (target, source) of ``count`` taps a row, ``weigh(distance)``, rounded to 1 / ``fixed`` where given.

    The last pixel is repeated beyond the border.
    """
    centre = (np.arange(target) + 0.5) * (source / target) - 0.5
    places = (np.floor(centre) - (count // 2 - 1))[:, None] + np.arange(count)
    weights = weigh(places - centre[:, None])
    weights /= weights.sum(1, keepdims=True)
    weights = np.rint(weights * fixed) / fixed if fixed else weights
    out = np.zeros((target, source), np.float32)
    np.add.at(out, (np.arange(target)[:, None], places.clip(0, source - 1).astype(int)), weights)
    return out


def _by_matrices(
    images: Tensor,
    values: np.ndarray,
    down: Callable[[int, int], np.ndarray],
    up: Callable[[int, int], np.ndarray],
) -> Tensor:
    height, width = images.shape[2:]
    sizes = _small_sizes(images, values)
    small = resize(images, [down(height, size[0]) for size in sizes], [down(width, size[1]) for size in sizes])
    return resize(small, [up(size[0], height) for size in sizes], [up(size[1], width) for size in sizes])


def _small_sizes(images: Tensor, values: np.ndarray) -> Sizes:
    height, width = images.shape[2:]
    return [(max(1, round(height / value)), max(1, round(width / value))) for value in values.tolist()]


@functools.lru_cache(maxsize=256)
def _nearest_places(side: int, value: float, axis: int) -> np.ndarray:
    """Which pixel of a column (axis 0) or row (axis 1) of ``side`` px the CPU engine puts where."""
    numbers = np.arange(side)
    marked = np.stack([numbers >> bits & 255 for bits in (0, 8, 16)], -1).astype(np.uint8)
    found = cpu.resample_nearest(np.expand_dims(marked, 1 - axis), value).reshape(side, 3).astype(np.int64)
    return found @ np.array([1, 1 << 8, 1 << 16])


def _stack(matrices: Sequence[np.ndarray], like: Tensor) -> Tensor:
    """Matrices of different shapes, in the top left of zeros: (B, 1, rows, columns)."""
    rows, columns = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    out = np.zeros((len(matrices), 1, rows, columns), np.float32)
    for target, matrix in zip(out, matrices, strict=True):
        target[0, : matrix.shape[0], : matrix.shape[1]] = matrix
    return torch.from_numpy(out).to(like.device, sum_type(like.device))
