"""Randomness of operators: everything comes from the step's seed, and noise from the place in the photo.

A row of the photo begins at a word of its own in the stream of the bit generator, so that the noise of a region is
drawn without that of the rows above it.
"""

from __future__ import annotations

import functools
import statistics

import cv2
import numpy as np

from mmqpt.degradations.frame import Frame

_UNIT = 8192
"""Fixed-point scale of the normal steps; two of the largest stay far inside int16."""

_STRIP = 1 << 15
"""Values drawn at a time, so that intermediate results stay in the cache."""

LARGEST_NORMAL = 4.21
"""Bound on the values of a normal field, in standard deviations."""


def generator(seed: int) -> np.random.Generator:
    """The generator of a step: a named bit generator, so that a seed keeps its meaning when NumPy's default changes."""
    return np.random.Generator(np.random.PCG64(seed))


def whole_numbers(rng: np.random.Generator, count: int, *ends: int) -> np.ndarray:
    """``count`` rows of independent int64, each from 0 to below its end; a larger ``count`` only appends rows."""
    return (rng.random((count, len(ends))) * ends).astype(np.int64)


class ByteRows:
    """Independent bytes of the rows that a frame shows, from top to bottom, some rows at a time.

    Straight from the bit generator: the same on every platform, and fast.

    Args:
        seed: of the step.
        frame: the photo and the rows wanted of it.
        per_pixel: bytes a px.
    """

    def __init__(self, seed: int, frame: Frame, per_pixel: int) -> None:
        self._words = -(-frame.width * per_pixel // 8)
        self._bits = np.random.PCG64(seed)
        self._bits.advance(frame.shown.top * self._words)

    def read(self, count: int) -> np.ndarray:
        """The next ``count`` rows, uint8 (count, at least W times ``per_pixel``), of the whole width of the photo."""
        words = self._bits.random_raw(count * self._words)
        return np.asarray(words, '<u8').view(np.uint8).reshape(count, 8 * self._words)


class NormalRows:
    """Independent normal values of what a frame shows, from top to bottom, some rows at a time.

    Many times as fast as ``rng.standard_normal``: two rows are the sum and the difference of two rows of draws from 256
    equally likely steps of a normal distribution. Each value has 65,536 outcomes, the largest at 4.2 sigma. Sum and
    difference of normal values are independent; of these steps they are uncorrelated, and their squares have a
    correlation of -.01, since only one of the two can lie far out.

    Args:
        seed: of the step.
        frame: the photo and the region wanted of it.
        channels: values a px.
    """

    def __init__(self, seed: int, frame: Frame, channels: int) -> None:
        top, left, bottom, right = frame.shown
        pairs = frame.shown._replace(top=top // 2, bottom=-(-bottom // 2))
        self._bytes = ByteRows(seed, frame._replace(shown=pairs), 2 * channels)
        half, start = channels * frame.width, channels * left
        self._count = channels * (right - left)
        self._halves = [slice(place, place + self._count) for place in (start, half + start)]
        self._shape = (right - left, channels) if channels > 1 else (right - left,)
        self._lower = self._draw(1) if top % 2 else None

    def read(self, count: int, sigma: float, mean: float = 0.0, depth: int = cv2.CV_32F) -> np.ndarray:
        """The next ``count`` rows, of shape (count, W, C), or (count, W) of one channel.

        Args:
            count: rows.
            sigma: standard deviation.
            mean: added to every value.
            depth: OpenCV depth of the result: ``CV_32F``, or ``CV_16S`` for values rounded to integers.
        """
        out = np.empty((count, self._count), np.float32 if depth == cv2.CV_32F else np.int16)
        scale = sigma / _UNIT
        done = 0
        if self._lower is not None:  # the row above was read before
            one, two = self._lower
            cv2.addWeighted(one, scale, two, -scale, mean, dst=out[:1], dtype=depth)
            self._lower = None
            done = 1
        while done < count:
            one, two = self._draw(min(max(1, _STRIP // (2 * self._count)), (count - done + 1) // 2))
            upper = out[done : done + 2 * len(one) : 2]
            lower = out[done + 1 : done + 2 * len(one) : 2]
            cv2.addWeighted(one, scale, two, scale, mean, dst=upper, dtype=depth)
            if len(lower):
                cv2.addWeighted(one[: len(lower)], scale, two[: len(lower)], -scale, mean, dst=lower, dtype=depth)
            if len(lower) < len(upper):
                self._lower = one[-1:], two[-1:]
            done += len(upper) + len(lower)
        return out.reshape(count, *self._shape)

    def _draw(self, pairs: int) -> tuple[np.ndarray, np.ndarray]:
        """The steps of the next pairs of rows."""
        drawn = self._bytes.read(pairs)
        one, two = (cv2.LUT(drawn[:, half], _normal_steps()) for half in self._halves)
        return one, two


def normal_field(
    seed: int, frame: Frame, channels: int, sigma: float, mean: float = 0.0, depth: int = cv2.CV_32F
) -> np.ndarray:
    """All rows of :class:`NormalRows`: (H, W, C) of what the frame shows, or (H, W) of one channel."""
    return NormalRows(seed, frame, channels).read(frame.shown.height, sigma, mean, depth)


@functools.cache
def _normal_steps() -> np.ndarray:
    """Means of the 256 equally likely parts of a normal distribution, in 1 / _UNIT, with a variance of one half."""
    normal = statistics.NormalDist()
    cuts = [0.0, *(normal.pdf(normal.inv_cdf(i / 256)) for i in range(1, 256)), 0.0]
    steps = 256 * -np.diff(cuts)
    return (steps * (_UNIT * 0.5**0.5 / steps.std())).round().astype(np.int16)
