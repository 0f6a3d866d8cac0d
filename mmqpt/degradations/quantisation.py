"""Too few values or colours: pure functions on RGB uint8 images of shape (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from mmqpt.degradations._filter import gaussian, gaussian_reach
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row
from mmqpt.degradations.tone import RAMP, add_luma, curve

_BANDING_SIGMA = 2.0


@row('colour', unit='values a channel', levels=(24, 14, 9, 6, 4), source=f'{KADID_10K}: quantisation', reach=0)
def quantise(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel: posterisation."""
    steps = values - 1
    return curve(image, np.round(RAMP / 255 * steps) * (255 / steps))


@row('colour', unit='colours', levels=(128, 64, 32, 18, 10), source=f'{KADID_10K}: colour quantisation')
def palette(image: np.ndarray, colours: float) -> np.ndarray:
    """Keep the ``colours`` most common colours of the photo (Pillow's octree), without dithering."""
    reduced = Image.fromarray(image).quantize(int(colours), method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return np.array(reduced.convert('RGB'))


@row(
    'colour',
    unit='grey levels',
    levels=(12, 20, 32, 48, 72),
    source=DESIGN_CHOICE,
    reach=gaussian_reach(_BANDING_SIGMA),
)
def banding(image: np.ndarray, step: float) -> np.ndarray:
    """Round the smooth part of the luma (a Gaussian of 2 px) to multiples of ``step`` grey levels; detail is kept.

    Skies and walls show contour lines, as in video with too few bits.
    """
    smooth = gaussian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), _BANDING_SIGMA)
    change = np.round(RAMP / step) * step - RAMP
    return add_luma(image, cv2.LUT(smooth, change.round().astype(np.int16)))
