"""Random displacements of pixels, rows and patches: pure functions on RGB uint8 images of shape (H, W, 3).

The border is mirrored (reflect-101), except by ``block_shift``, whose patches stay inside the photo.
"""

from __future__ import annotations

import numpy as np

from mmqpt.degradations._filter import cubic_weights, warp
from mmqpt.degradations._random import generator, whole_numbers
from mmqpt.degradations.blur import scatter
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

_GRID = 16
_PATCH = 16
_OFFSETS = (*range(-12, -3), *range(4, 13))


@row('geometry', unit='px', levels=(0.6, 1.1, 1.8, 2.8, 4.5), source='Simard et al., ICDAR 2003')
def elastic(image: np.ndarray, amplitude: float, seed: int) -> np.ndarray:
    """Move pixels by a smooth random field of up to ``amplitude`` px standard deviation in x and in y.

    The field is normal noise on a grid of 16 px, interpolated bicubically (after Simard et al., ICDAR 2003). It has
    that deviation at the knots and less between them: 0.86 times as much over the photo (root mean square).
    Interpolated in float64: BLAS rounds as the processor's kernels do, and float32 pixels would follow.
    """
    height, width = image.shape[:2]
    down, across = cubic_weights(height, _GRID), cubic_weights(width, _GRID)
    coarse = generator(seed).standard_normal((2, down.shape[1], across.shape[1])).astype(np.float32)
    move_x, move_y = np.float32(amplitude) * coarse @ across.T.astype(np.float64)

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        here = down[int(y[0, 0]) : int(y[-1, 0]) + 1]
        return x + (here @ move_x).astype(np.float32), y + (here @ move_y).astype(np.float32)

    return warp(image, origin)


@row('geometry', unit='px', levels=(0.32, 0.5, 0.8, 1.3, 2.2), source=f'{KADID_10K}: jitter')
def jitter(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Take every pixel from a place of its own, ``sigma`` px away (standard deviation) and rounded to whole px."""
    return scatter(image, sigma, seed)


@row('geometry', unit='px', levels=(1, 2.2, 4, 7, 12), source=DESIGN_CHOICE)
def rolling_shutter(image: np.ndarray, amplitude: float, seed: int) -> np.ndarray:
    """Shift the rows by up to ``amplitude`` px in a wave down the photo: a vibrating camera that reads row by row.

    Two sines of random phase, with periods of 40 to 80 px and of 100 to 200 px, share the amplitude.
    """
    rng = generator(seed)
    waves = [(low * rng.uniform(1, 2), rng.random()) for low in (40, 100)]

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fast, slow = (np.sin(2 * np.pi * (y / period + phase)) for period, phase in waves)
        shift = (amplitude / 2 * (fast + slow)).astype(np.float32)
        return x + shift, np.repeat(y, x.size, axis=1)

    return warp(image, origin)


@row(
    'geometry',
    unit='share of the area',
    levels=(0.03, 0.07, 0.14, 0.26, 0.45),
    source=f'{KADID_10K}: non-eccentricity patch',
)
def block_shift(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Overwrite patches of 16 px with what lies 4 to 12 px away in x and in y.

    The patches lie anywhere and may overlap; their area together is a ``share`` of the photo, at least one patch.
    """
    height, width = image.shape[:2]
    rng = generator(seed)
    side_y, side_x = min(_PATCH, height), min(_PATCH, width)
    count = max(1, round(share * height * width / (side_y * side_x)))
    out = image.copy()
    for y, x, down, right in whole_numbers(rng, count, height - side_y + 1, width - side_x + 1, 18, 18).tolist():
        from_y = min(max(y + _OFFSETS[down], 0), height - side_y)
        from_x = min(max(x + _OFFSETS[right], 0), width - side_x)
        out[y : y + side_y, x : x + side_x] = image[from_y : from_y + side_y, from_x : from_x + side_x]
    return out
