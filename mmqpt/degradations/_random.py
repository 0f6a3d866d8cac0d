"""Randomness of operators: everything comes from the step's seed."""

from __future__ import annotations

import functools
import statistics

import cv2
import numpy as np

_UNIT = 8192
"""Fixed-point scale of the normal steps; two of the largest stay far inside int16."""

_STRIP = 1 << 15
"""Values drawn at a time, so that intermediate results stay in the cache."""


def generator(seed: int) -> np.random.Generator:
    """The generator of a step: a named bit generator, so that a seed keeps its meaning when NumPy's default changes."""
    return np.random.Generator(np.random.PCG64(seed))


def raw_bytes(rng: np.random.Generator, count: int) -> np.ndarray:
    """``count`` independent bytes, straight from the bit generator: the same on every platform, and fast."""
    words = rng.bit_generator.random_raw(-(-count // 8))
    return np.asarray(words, '<u8').view(np.uint8)[:count]


def whole_numbers(rng: np.random.Generator, count: int, *ends: int) -> np.ndarray:
    """``count`` rows of independent int64, each from 0 to below its end; a larger ``count`` only appends rows."""
    return (rng.random((count, len(ends))) * ends).astype(np.int64)


def normal_field(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float, mean: float = 0.0, depth: int = cv2.CV_32F
) -> np.ndarray:
    """Independent normal values of standard deviation ``sigma``, five times as fast as ``rng.standard_normal``.

    Each value is the sum of two draws from 256 equally likely steps of a normal distribution: 65,536 outcomes, the
    largest at 4.1 sigma.

    Args:
        rng: the step's generator.
        shape: (H, W) or (H, W, C).
        sigma: standard deviation.
        mean: added to every value.
        depth: OpenCV depth of the result: ``CV_32F``, or ``CV_16S`` for values rounded to integers.
    """
    out = np.empty(shape, np.float32 if depth == cv2.CV_32F else np.int16)
    rows = max(1, _STRIP * len(out) // out.size)
    for top in range(0, len(out), rows):
        part = out[top : top + rows]
        draw = raw_bytes(rng, 2 * part.size)
        one, two = (
            cv2.LUT(half.reshape(part.shape), _normal_steps()) for half in (draw[: part.size], draw[part.size :])
        )
        cv2.addWeighted(one, sigma / _UNIT, two, sigma / _UNIT, mean, dst=part, dtype=depth)
    return out


@functools.cache
def _normal_steps() -> np.ndarray:
    """Means of the 256 equally likely parts of a normal distribution, in 1 / _UNIT, with a variance of one half."""
    normal = statistics.NormalDist()
    cuts = [0.0, *(normal.pdf(normal.inv_cdf(i / 256)) for i in range(1, 256)), 0.0]
    steps = 256 * -np.diff(cuts)
    return (steps * (_UNIT * 0.5**0.5 / steps.std())).round().astype(np.int16)
