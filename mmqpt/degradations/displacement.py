"""Random displacements of pixels, rows and patches: pure functions on RGB uint8 images of shape (H, W, 3).

The border is mirrored (reflect-101), except by ``block_shift``, whose patches stay inside the photo.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from mmqpt.degradations._filter import covered, cubic_weights, product
from mmqpt.degradations._random import generator, whole_numbers
from mmqpt.degradations._warp import KEPT, Origin, warp
from mmqpt.degradations.blur import scatter, scatter_reach
from mmqpt.degradations.frame import Frame, Region
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

_GRID = 16
_PATCH = 16
_OFFSETS = (*range(-12, -3), *range(4, 13))
_OVERSHOOT = 1.375**2
"""The largest sum of the sizes of bicubic weights in two dimensions."""


def elastic_footprint(asked: Region, amplitude: float, seed: int, height: int, width: int) -> Region:
    """As far around a region as its field can reach."""
    reach = math.ceil(_OVERSHOOT * amplitude * float(np.abs(_knots(seed, height, width)).max())) + 1
    return asked.grown(reach, height, width)


@row(
    'geometry',
    unit='px',
    levels=(0.6, 1.1, 1.8, 2.8, 4.5),
    source='Simard et al., ICDAR 2003',
    footprint=elastic_footprint,
)
def elastic(image: np.ndarray, amplitude: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Move pixels by a smooth random field of up to ``amplitude`` px standard deviation in x and in y.

    The field is normal noise on a grid of 16 px, interpolated bicubically (after Simard et al., ICDAR 2003). It has
    that deviation at the knots and less between them: 0.86 times as much over the photo (root mean square).
    Interpolated in float64: BLAS rounds as the processor's kernels do, and float32 pixels would follow.
    """
    frame = frame or Frame.of(image)
    down, across = cubic_weights(frame.height, _GRID), cubic_weights(frame.width, _GRID)
    left, right = frame.asked.left, frame.asked.right
    knots = slice(left // _GRID, (right - 1) // _GRID + 4)
    columns = across[left:right, knots].T.astype(np.float64)
    move_x, move_y = product(np.float32(amplitude) * _knots(seed, frame.height, frame.width)[:, :, knots], columns)

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        top, bottom = int(y[0, 0]), int(y[-1, 0]) + 1
        knots = slice(top // _GRID, (bottom - 1) // _GRID + 4)  # the weights of all others are 0
        here = down[top:bottom, knots]
        shift_x, shift_y = (product(here, move[knots]).astype(np.float32) for move in (move_x, move_y))
        return np.add(x, shift_x, out=shift_x), np.add(y, shift_y, out=shift_y)

    return warp(image, origin, frame)


@functools.lru_cache(maxsize=KEPT)
def _knots(seed: int, height: int, width: int) -> np.ndarray:
    """The field of x and of y at the knots, in standard deviations."""
    shape = (2, cubic_weights(height, _GRID).shape[1], cubic_weights(width, _GRID).shape[1])
    field = generator(seed).standard_normal(shape).astype(np.float32)
    field.flags.writeable = False  # it is kept
    return field


@row(
    'geometry',
    unit='px',
    levels=(0.32, 0.5, 0.8, 1.3, 2.2),
    source=f'{KADID_10K}: jitter',
    reach=scatter_reach,
    version=3,
)
def jitter(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Take every pixel from a place of its own, ``sigma`` px away (standard deviation) and rounded to whole px."""
    frame = frame or Frame.of(image)
    return frame.cut(scatter(image, sigma, seed, frame))


def rolling_reach(amplitude: float) -> int:
    """The largest shift, and a px of interpolation."""
    return math.ceil(amplitude) + 1


def _waving(amplitude: float, seed: int) -> Origin:
    """The origins of :func:`rolling_shutter`."""
    rng = generator(seed)
    waves = [(low * rng.uniform(1, 2), rng.random()) for low in (40, 100)]

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fast, slow = (np.sin(2 * np.pi * (y / period + phase)) for period, phase in waves)
        shift = (amplitude / 2 * (fast + slow)).astype(np.float32)
        return x + shift, np.repeat(y, x.size, axis=1)

    return origin


@row('geometry', unit='px', levels=(1, 2.2, 4, 7, 12), source=DESIGN_CHOICE, reach=rolling_reach)
def rolling_shutter(image: np.ndarray, amplitude: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Shift the rows by up to ``amplitude`` px in a wave down the photo: a vibrating camera that reads row by row.

    Two sines of random phase, with periods of 40 to 80 px and of 100 to 200 px, share the amplitude.
    """
    frame = frame or Frame.of(image)
    return warp(image, _waving(amplitude, seed), frame)


@row(
    'geometry',
    unit='share of the area',
    levels=(0.03, 0.07, 0.14, 0.26, 0.45),
    source=f'{KADID_10K}: non-eccentricity patch',
    reach=max(_OFFSETS),
)
def block_shift(image: np.ndarray, share: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Overwrite patches of 16 px with what lies 4 to 12 px away in x and in y.

    The patches lie anywhere and may overlap; their area together is a ``share`` of the photo, at least one patch.
    """
    frame = frame or Frame.of(image)
    height, width, shown, asked = frame
    side_y, side_x = min(_PATCH, height), min(_PATCH, width)
    count = max(1, round(share * height * width / (side_y * side_x)))
    drawn = whole_numbers(generator(seed), count, height - side_y + 1, width - side_x + 1, 18, 18)
    offsets = np.array(_OFFSETS)
    to_y, to_x = drawn[:, 0], drawn[:, 1]
    shift_y = (to_y + offsets[drawn[:, 2]]).clip(0, height - side_y) - to_y
    shift_x = (to_x + offsets[drawn[:, 3]]).clip(0, width - side_x) - to_x
    out = frame.cut(image).copy()
    for area, down, right in zip(*covered(to_y, to_x, side_y, side_x, asked, shift_y, shift_x), strict=True):
        top, left, bottom, end = area
        y, x = down - shown.top, right - shown.left
        out[top - asked.top : bottom - asked.top, left - asked.left : end - asked.left] = image[
            top + y : bottom + y, left + x : end + x
        ]
    return out
