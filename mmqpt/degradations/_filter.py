"""Filters that several families share. The border is mirrored (reflect-101)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import cv2
import numpy as np

from mmqpt.degradations.frame import Region

BORDER = cv2.BORDER_REFLECT_101
STRIP = 32
"""Rows at a time, so that intermediate results stay in the cache."""

_ONE_THREAD = 1 << 18
"""The most multiplications of a product that OpenBLAS does on one thread whatever the number of cores."""


def gaussian_reach(sigma: float) -> int:
    """Half the size of a Gaussian kernel: cut at 3 sigma."""
    return int(np.ceil(3 * sigma))


def gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur an image of any depth and number of channels with a Gaussian of ``sigma`` px."""
    size = 2 * gaussian_reach(sigma) + 1
    return cv2.GaussianBlur(image, (size, size), sigmaX=sigma, sigmaY=sigma, borderType=BORDER)


def exact_weights(kernel: np.ndarray) -> np.ndarray:
    """Scale a ``kernel`` without negative weights to a sum of 1, in multiples of 2^-16.

    Then every partial sum of weighted bytes fits a float32, so that the result does not depend on the order of the
    sum, which in ``filter2D`` varies with a pixel's place in the row.
    """
    steps = np.rint(kernel * (65536 / kernel.sum()))
    steps.flat[steps.argmax()] += 65536 - steps.sum()
    return steps / 65536


def spread_filter(image: np.ndarray, kernel: np.ndarray, step: int) -> np.ndarray:
    """Filter with a ``kernel`` whose taps are ``step`` px apart (a trous): wide kernels without a Fourier transform.

    Every ``step``-th row, seen as an image of ``step`` times as many channels, holds pixels ``step`` px apart side by
    side, so that a small dense filter does it.
    """
    height, width, channels = image.shape
    reach = kernel.shape[0] // 2
    more_y, more_x = -height % step, -width % step
    pad = reach * step
    padded = cv2.copyMakeBorder(image, pad, pad + more_y, pad, pad + more_x, BORDER)
    out = np.empty((height + more_y, width + more_x, channels), image.dtype)
    for row in range(step):
        part = np.ascontiguousarray(padded[row::step]).reshape(-1, padded.shape[1] // step, channels * step)
        done = cv2.filter2D(part, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        out[row::step] = done[reach : len(done) - reach, reach : done.shape[1] - reach].reshape(-1, *out.shape[1:])
    return np.ascontiguousarray(out[:height, :width])


def average_along(image: np.ndarray, kernel: np.ndarray | float, shifts: list[tuple[int, int]]) -> np.ndarray:
    """Filter, then average the image with itself moved by each shift (x, y) px in turn.

    ``k`` shifts that double in length cost ``k`` additions and spread the filter over ``2^k`` places: a long line from
    a short one. The result is centred where the sum of the shifts is even; where it is odd, draw the kernel half a px
    off.

    Args:
        image: uint8 (H, W, 3).
        kernel: a small kernel to filter with, or the px of a round Gaussian.
        shifts: whole px.
    """
    if isinstance(kernel, np.ndarray):
        reach_y, reach_x = kernel.shape[0] // 2, kernel.shape[1] // 2
    else:
        reach_y = reach_x = gaussian_reach(kernel)
    far_x, far_y = (sum(abs(shift[axis]) for shift in shifts) for axis in (0, 1))
    top, left = far_y // 2 + reach_y, far_x // 2 + reach_x
    out = cv2.copyMakeBorder(image, top, far_y - far_y // 2 + reach_y, left, far_x - far_x // 2 + reach_x, BORDER)
    if isinstance(kernel, np.ndarray):
        out = cv2.filter2D(out, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    else:
        out = gaussian(out, kernel)
    out = out[reach_y : len(out) - reach_y, reach_x : out.shape[1] - reach_x]
    for x, y in shifts:
        height, width = len(out) - abs(y), out.shape[1] - abs(x)
        here = out[max(0, -y) :, max(0, -x) :][:height, :width]
        there = out[max(0, y) :, max(0, x) :][:height, :width]
        out = cv2.addWeighted(here, 0.5, there, 0.5, 0)
    return np.ascontiguousarray(out)


def shifted(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Move an image to the right and down by ``x`` and ``y`` px, multiples of 1/64; bilinear.

    Weights and sums are exact in float32, so that the result is that of a warp; a filter takes a third of the time.
    """
    height, width = image.shape[:2]
    left, top = math.floor(-x), math.floor(-y)
    right, down = -x - left, -y - top
    sides = max(0, -top), max(0, top + 1), max(0, -left), max(0, left + 1)
    padded = cv2.copyMakeBorder(image, *sides, BORDER)[sides[0] + top :, sides[2] + left :]
    kernel = np.outer((1 - down, down), (1 - right, right))
    moved = cv2.filter2D(padded[: height + 1, : width + 1], -1, kernel, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return moved[:height, :width]


def in_strips(image: np.ndarray, change: Callable[[np.ndarray, slice], np.ndarray]) -> np.ndarray:
    """Give ``change`` a strip of rows at a time, with its place, top to bottom; join what it returns."""
    out = np.empty(image.shape, np.uint8)
    for top in range(0, len(image), STRIP):
        rows = slice(top, min(top + STRIP, len(image)))
        out[rows] = change(image[rows], rows)
    return out


def by_blocks(
    rows: np.ndarray, matrix: np.ndarray, reach: int, border: int, spare: np.ndarray | None = None
) -> np.ndarray:
    """Multiply blocks of rows, each with its neighbours, by one matrix: a filter, or a change of size, along a column.

    Args:
        rows: float32 array (H, K).
        matrix: float32 array (M, N + 2 reach): from N rows and the ``reach`` rows above and below them to M rows.
        reach: rows, less than N.
        border: OpenCV's border beyond the first and the last row; it also fills the last block.
        spare: None, or a float32 vector with room for the rows and their border: fresh memory costs more than the work.

    Returns:
        float32 array (at least H M / N, K).
    """
    made, block = len(matrix), matrix.shape[1] - 2 * reach
    blocks = -(-len(rows) // block)
    height, width = blocks * block + 2 * reach, rows.shape[1]
    room = None if spare is None else spare[: height * width].reshape(height, width)
    padded = cv2.copyMakeBorder(rows, reach, height - len(rows) - reach, 0, 0, border, dst=room)
    down, across = padded.strides
    shape, strides = (blocks, block + 2 * reach, width), (block * down, down, across)
    windows = np.ndarray(shape, np.float32, padded, strides=strides)  # overlapping views
    return product(matrix, windows).reshape(blocks * made, -1)


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``left @ right`` on one thread: in parts so small that OpenBLAS, which NumPy brings, starts no others.

    By itself it takes a thread a core for more than 2^18 multiplications. In every worker of a loader these wait for
    each other: one Lanczos resampling of a photo took 0.7 ms of a core, and 25 ms with two threads on busy cores.

    Args:
        left: array (..., M, N).
        right: array (..., N, K) of the same type; leading sides are broadcast.

    Returns:
        Array (..., M, K).
    """
    made, width = left.shape[-2], right.shape[-1]
    columns = max(1, _ONE_THREAD // (made * left.shape[-1]))
    if width <= columns:
        return np.matmul(left, right)
    leading = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    out = np.empty((*leading, made, width), np.result_type(left, right))
    for start in range(0, width, columns):
        part = slice(start, start + columns)
        np.matmul(left, right[..., part], out=out[..., part])
    return out


@functools.lru_cache(maxsize=32)
def cubic_weights(count: int, spacing: int) -> np.ndarray:
    """Weights (count, knots) of bicubic interpolation between knots ``spacing`` px apart, free of the border."""
    knots = count // spacing + 4
    identity = np.eye(knots, dtype=np.float32)
    weights = cv2.resize(identity, (knots, knots * spacing), interpolation=cv2.INTER_CUBIC)
    weights = weights[spacing * 3 // 2 :][:count]
    weights.flags.writeable = False  # it is kept
    return weights


def covered(
    top: np.ndarray, left: np.ndarray, height: int, width: int | np.ndarray, asked: Region, *more: np.ndarray
) -> tuple[list, ...]:
    """What rectangles (N) of a photo cover of the region asked for, without those that cover nothing of it.

    Args:
        top: first row of each.
        left: first column of each.
        height: rows of all.
        width: columns of all, or of each.
        asked: the region.
        more: values of each.

    Returns:
        The covered regions, and the values of the same rectangles, in lists of one length and in the old order.
    """
    start_y, start_x = np.maximum(top, asked.top), np.maximum(left, asked.left)
    end_y, end_x = np.minimum(top + height, asked.bottom), np.minimum(left + width, asked.right)
    kept = (start_y < end_y) & (start_x < end_x)
    corners = np.stack([start_y, start_x, end_y, end_x], axis=1)[kept].tolist()
    return [Region(*corner) for corner in corners], *(values[kept].tolist() for values in more)
