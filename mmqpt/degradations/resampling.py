"""Photos of too few pixels: reduced by a factor and enlarged to the old size.

Pure functions on RGB uint8 images of shape (H, W, 3); the last pixel is repeated beyond the border. Only
:func:`resample_area` and :func:`pixelate` filter before the reduction; with the others fine detail aliases.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import cv2
import numpy as np

from mmqpt.degradations._filter import by_blocks
from mmqpt.degradations._reduced import enlarge, padded, ratio, reduce, reduced_grid, reduced_reach
from mmqpt.degradations.rows import KADID_10K, row

_LANCZOS = 4
"""Half the width of the kernel, in px of what is sampled."""

_LEAST_BLOCK = 8
_SCALING = 'super-resolution literature; design choice'


def nearest_reach(factor: float) -> int:
    """The pixel that stands for its neighbours."""
    return reduced_reach(factor, 0.5, 0.5)


def bilinear_reach(factor: float) -> int:
    """One px of the photo, one reduced px."""
    return reduced_reach(factor, 1 / factor, 1)


def area_reach(factor: float) -> int:
    """The area, and two reduced px."""
    return reduced_reach(factor, 1, 2)


def bicubic_reach(factor: float) -> int:
    """Two px of the photo, two reduced px."""
    return reduced_reach(factor, 2 / factor, 2)


def lanczos_reach(factor: float) -> int:
    """Four px of the photo, four reduced px."""
    return reduced_reach(factor, 4 / factor, 4)


@row(
    'geometry',
    unit='px',
    levels=(2, 3, 4, 6, 9),
    source=f'{KADID_10K}: pixelate',
    reach=0,
    grid=reduced_grid,
    version=2,
)
def pixelate(image: np.ndarray, block: float) -> np.ndarray:
    """Reduce by ``block`` with area averaging and enlarge by repeating pixels."""
    return _resample(image, block, cv2.INTER_AREA, cv2.INTER_NEAREST)


@row(
    'geometry',
    unit='times',
    levels=(1.5, 2, 2.8, 4, 6),
    source=_SCALING,
    reach=area_reach,
    grid=reduced_grid,
    ties=True,
    version=2,
)
def resample_area(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` with area averaging and enlarge bicubically."""
    return _resample(image, factor, cv2.INTER_AREA, cv2.INTER_CUBIC)


@row(
    'geometry',
    unit='times',
    levels=(1.25, 1.6, 2.2, 3.2, 5),
    source=_SCALING,
    reach=nearest_reach,
    grid=reduced_grid,
    version=2,
)
def resample_nearest(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` to the nearest pixels and enlarge by repeating them."""
    p, q = ratio(factor).as_integer_ratio()
    rows, columns = (_nearest(side, p, q) for side in image.shape[:2])
    pixels = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]
    return cv2.cvtColor(np.take(pixels[rows], columns, axis=1)[..., None].view(np.uint8), cv2.COLOR_RGBA2RGB)


@row(
    'geometry',
    unit='times',
    levels=(1.4, 2, 2.8, 4, 6),
    source=_SCALING,
    reach=bilinear_reach,
    grid=reduced_grid,
    version=2,
)
def resample_bilinear(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both bilinearly."""
    return _resample(image, factor, cv2.INTER_LINEAR, cv2.INTER_LINEAR)


@row(
    'geometry',
    unit='times',
    levels=(1.5, 2, 2.8, 4, 6),
    source=_SCALING,
    reach=bicubic_reach,
    grid=reduced_grid,
    ties=True,
    version=2,
)
def resample_bicubic(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both bicubically (a = -0.75)."""
    return _resample(image, factor, cv2.INTER_CUBIC, cv2.INTER_CUBIC)


@row(
    'geometry',
    unit='times',
    levels=(1.5, 2, 2.8, 4, 6),
    source=_SCALING,
    reach=lanczos_reach,
    grid=reduced_grid,
    ties=True,
    version=2,
)
def resample_lanczos(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both with a Lanczos kernel of 8 px."""
    down, up = _lanczos_matrices(ratio(factor))
    small = _along_both(padded(image, ratio(factor).numerator), down)
    return _along_both(small, up)[: image.shape[0], : image.shape[1]]


def _resample(image: np.ndarray, factor: float, down: int, up: int) -> np.ndarray:
    return enlarge(reduce(image, factor, down), factor, up, image.shape)


def _along_both(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Filter and change the size along both sides, without rounding between; the border repeats the last pixel."""
    height, width = image.shape[:2]
    made, block = len(matrix), matrix.shape[1] - 2 * _LANCZOS
    rows, columns = (side * made // block for side in (height, width))
    tall = by_blocks(image.reshape(height, -1).astype(np.float32), matrix, _LANCZOS, cv2.BORDER_REPLICATE)[:rows]
    turned = cv2.transpose(tall.reshape(rows, width, 3))
    wide = by_blocks(turned.reshape(width, -1), matrix, _LANCZOS, cv2.BORDER_REPLICATE)[:columns]
    wide = wide.reshape(columns, rows, 3)
    return cv2.transpose(cv2.addWeighted(wide, 1, wide, 0, 0, dtype=cv2.CV_8U))


@functools.cache
def _lanczos_matrices(factor: Fraction) -> tuple[np.ndarray, np.ndarray]:
    """What makes a block of reduced px of p/q times as many, and those again of the reduced ones."""
    times = math.ceil(_LEAST_BLOCK / factor.denominator)
    large, small = times * factor.numerator, times * factor.denominator
    return _lanczos(large, small), _lanczos(small, large)


def _lanczos(before: int, after: int) -> np.ndarray:
    """Weights of ``before`` px, and ``_LANCZOS`` more on each side, in ``after`` px that cover the same."""
    at = (np.arange(after)[:, None] + 0.5) * before / after - 0.5
    away = np.arange(-_LANCZOS, before + _LANCZOS)[None, :] - at
    weights = np.where(np.abs(away) < _LANCZOS, np.sinc(away) * np.sinc(away / _LANCZOS), 0)
    return np.ascontiguousarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _nearest(side: int, p: int, q: int) -> np.ndarray:
    """The px that stands for each of a row of ``side`` px, of which ``q`` out of ``p`` are kept."""
    reduced = (2 * np.arange(side) + 1) * q // (2 * p)
    return ((2 * reduced + 1) * p // (2 * q)).clip(0, side - 1)
