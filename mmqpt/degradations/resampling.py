"""Photos of too few pixels: reduced by a factor and enlarged to the old size.

Pure functions on RGB uint8 images of shape (H, W, 3); the last pixel is repeated beyond the border. Only
:func:`resample_area` and :func:`pixelate` filter before the reduction; with the others fine detail aliases.
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations.rows import KADID_10K, row

_SCALING = 'super-resolution literature; design choice'


@row('geometry', unit='px', levels=(2, 3, 4, 6, 9), source=f'{KADID_10K}: pixelate')
def pixelate(image: np.ndarray, block: float) -> np.ndarray:
    """Reduce by ``block`` with area averaging and enlarge by repeating pixels."""
    return _resample(image, block, cv2.INTER_AREA, cv2.INTER_NEAREST)


@row('geometry', unit='times', levels=(1.5, 2, 2.8, 4, 6), source=_SCALING)
def resample_area(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` with area averaging and enlarge bicubically."""
    return _resample(image, factor, cv2.INTER_AREA, cv2.INTER_CUBIC)


@row('geometry', unit='times', levels=(1.25, 1.6, 2.2, 3.2, 5), source=_SCALING)
def resample_nearest(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` to the nearest pixels and enlarge by repeating them."""
    return _resample(image, factor, cv2.INTER_NEAREST_EXACT, cv2.INTER_NEAREST_EXACT)


@row('geometry', unit='times', levels=(1.4, 2, 2.8, 4, 6), source=_SCALING)
def resample_bilinear(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both bilinearly."""
    return _resample(image, factor, cv2.INTER_LINEAR, cv2.INTER_LINEAR)


@row('geometry', unit='times', levels=(1.5, 2, 2.8, 4, 6), source=_SCALING)
def resample_bicubic(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both bicubically (a = -0.75)."""
    return _resample(image, factor, cv2.INTER_CUBIC, cv2.INTER_CUBIC)


@row('geometry', unit='times', levels=(1.5, 2, 2.8, 4, 6), source=_SCALING)
def resample_lanczos(image: np.ndarray, factor: float) -> np.ndarray:
    """Reduce by ``factor`` and enlarge, both with a Lanczos kernel of 8 px."""
    return _resample(image, factor, cv2.INTER_LANCZOS4, cv2.INTER_LANCZOS4)


def _resample(image: np.ndarray, factor: float, down: int, up: int) -> np.ndarray:
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    return cv2.resize(cv2.resize(image, small, interpolation=down), (width, height), interpolation=up)
