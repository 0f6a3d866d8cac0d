"""Tone changes: pure functions on RGB uint8 images of shape (H, W, 3). One curve for every pixel."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

RAMP = np.arange(256, dtype=np.float64)


def curve(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Apply one tone curve of 256 ``values``, or one a channel as (256, 3); values are rounded and clipped."""
    table = values.round().clip(0, 255).astype(np.uint8)
    return cv2.LUT(image, table if table.ndim == 1 else table.reshape(1, 256, 3))


def add_luma(image: np.ndarray, luma: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Add to all three channels what a curve of 256 values gives for the ``luma`` (H, W); rounded and clipped.

    Sums and differences of bytes: many times as fast as adding signed values. May return ``image`` itself.
    """
    change = change.round().clip(-255, 255)
    for part, join in ((change, cv2.add), (-change, cv2.subtract)):
        if part.max() > 0:
            grey = cv2.LUT(luma, part.clip(0).astype(np.uint8))
            image = join(image, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))
    return image


@row(
    'colour',
    unit='full range',
    levels=(0.06, 0.12, 0.2, 0.3, 0.42),
    source=f'{KADID_10K}: mean shift',
    mirrored=True,
    reach=0,
    taste=True,
)
def brightness(image: np.ndarray, shift: float) -> np.ndarray:
    """Add ``shift`` (in units of the full range) to every value: the mean shift of KADID-10k."""
    return curve(image, RAMP + 255 * shift)


@row(
    'colour',
    unit='full range',
    levels=(0.06, 0.11, 0.17, 0.24, 0.32),
    source=f'{KADID_10K}: brighten, darken',
    mirrored=True,
    reach=0,
    taste=True,
)
def midtones(image: np.ndarray, shift: float) -> np.ndarray:
    """Move mid-grey by ``shift`` (in units of the full range) while black and white stay.

    The luma (BT.601) follows the power curve through these three points and takes the colour channels with it by
    addition, so that chroma is kept.
    """
    exponent = np.log(0.5 + shift) / np.log(0.5)
    change = 255 * (RAMP / 255) ** exponent - RAMP
    return add_luma(image, cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), change)


@row(
    'colour',
    unit='1',
    levels=(1.2, 1.45, 1.8, 2.3, 3.2),
    source=f'{KADID_10K}: contrast change',
    negative=(0.82, 0.66, 0.5, 0.36, 0.22),
    taste=True,
)
def contrast(image: np.ndarray, gain: float, frame: Frame | None = None) -> np.ndarray:
    """Scale the distance to the mean grey of the photo by ``gain``."""
    mean = sum(cv2.sumElems(image)) / image.size  # sums of bytes are exact
    shown = image if frame is None else frame.cut(image)
    return curve(shown, mean + gain * (RAMP - mean))


@row(
    'colour',
    unit='1',
    levels=(1.2, 1.45, 1.8, 2.3, 3.1),
    source=DESIGN_CHOICE,
    negative=(0.83, 0.69, 0.55, 0.42, 0.3),
    reach=0,
    taste=True,
)
def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Raise values in [0, 1] to ``exponent``: below 1 brightens the shadows, above 1 darkens them."""
    return curve(image, 255 * (RAMP / 255) ** exponent)


@row(
    'colour',
    unit='f-stops',
    levels=(0.3, 0.65, 1.1, 1.7, 2.5),
    source=DESIGN_CHOICE,
    negative=(-0.4, -0.85, -1.4, -2.1, -3),
    reach=0,
    taste=True,
)
def exposure(image: np.ndarray, stops: float) -> np.ndarray:
    """Multiply the light by ``2^stops``, in linear sRGB, and clip: highlights burn out, or shadows sink into black."""
    return curve(image, 255 * _from_linear((_to_linear(RAMP / 255) * 2.0**stops).clip(0, 1)))


def _to_linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _from_linear(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
