"""Too few values or colours: pure functions on RGB uint8 images of shape (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from mmqpt.degradations._filter import gaussian, gaussian_reach
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row
from mmqpt.degradations.tone import RAMP, add_luma, curve

_BANDING_SIGMA = 2.0
_SPARSE = 4


@row('colour', unit='values a channel', levels=(24, 14, 9, 6, 4), source=f'{KADID_10K}: quantisation', reach=0)
def quantise(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel: posterisation."""
    steps = values - 1
    return curve(image, np.round(RAMP / 255 * steps) * (255 / steps))


@row('colour', unit='colours', levels=(128, 64, 32, 18, 10), source=f'{KADID_10K}: colour quantisation', version=2)
def palette(image: np.ndarray, colours: float, frame: Frame | None = None) -> np.ndarray:
    """Keep the ``colours`` most common colours of the photo (Pillow's octree), without dithering.

    Colours are counted at every fourth px of every fourth row; each pixel then takes the nearest of them.
    """
    frame = frame or Frame.of(image)
    counted = Image.fromarray(np.ascontiguousarray(image[::_SPARSE, ::_SPARSE]))
    book = counted.quantize(int(colours), method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    shown = Image.fromarray(np.ascontiguousarray(frame.cut(image)))
    return np.array(shown.quantize(palette=book, dither=Image.Dither.NONE).convert('RGB'))


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
    return add_luma(image, smooth, np.round(RAMP / step) * step - RAMP)
