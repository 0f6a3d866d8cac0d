"""Photos reduced by a factor p/q and enlarged again: every p px become q, wherever in the photo they lie."""

from __future__ import annotations

import functools
import math
from fractions import Fraction

import cv2
import numpy as np


@functools.lru_cache(maxsize=256)
def ratio(factor: float) -> Fraction:
    """A factor as p/q of small whole numbers, such as 14/5 for 2.8."""
    return Fraction(factor).limit_denominator(10)


def reduced_grid(factor: float) -> int:
    """The px that become a whole number of reduced ones."""
    return ratio(factor).numerator


def reduced_reach(factor: float, down: float, up: float) -> int:
    """How far a pixel acts through a reduction and an enlargement.

    Args:
        factor: of the reduction.
        down: half the width of the kernel of the reduction, in reduced px.
        up: half the width of that of the enlargement, and of what happens between, in reduced px.
    """
    return math.ceil((down + up) * factor) + 1


def reduce(image: np.ndarray, factor: float, interpolation: int) -> np.ndarray:
    """Reduce by a factor; the last row and column are repeated up to a whole number of reduced px."""
    p, q = ratio(factor).as_integer_ratio()
    image = padded(image, p)
    height, width = image.shape[:2]
    return cv2.resize(image, (width // p * q, height // p * q), interpolation=interpolation)


def enlarge(image: np.ndarray, factor: float, interpolation: int, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of :func:`reduce`, cut to a shape (H, W, ...)."""
    p, q = ratio(factor).as_integer_ratio()
    height, width = image.shape[:2]
    return cv2.resize(image, (width // q * p, height // q * p), interpolation=interpolation)[: shape[0], : shape[1]]


def padded(image: np.ndarray, multiple: int) -> np.ndarray:
    """With the last row and column repeated until both sides are multiples of so many px."""
    down, right = -image.shape[0] % multiple, -image.shape[1] % multiple
    if not down and not right:
        return image
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
