"""Tone changes: pure functions on RGB uint8 images of shape (H, W, 3). All but a few are one curve for every pixel."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import gaussian, gaussian_reach, in_strips

_RAMP = np.arange(256, dtype=np.float64)
_BANDING_SIGMA = 2.0


def curve(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Apply one tone curve of 256 ``values``, or one a channel as (256, 3); values are rounded and clipped."""
    table = values.round().clip(0, 255).astype(np.uint8)
    return cv2.LUT(image, table if table.ndim == 1 else table.reshape(1, 256, 3))


def brightness(image: np.ndarray, shift: float) -> np.ndarray:
    """Add ``shift`` (in units of the full range) to every value: the mean shift of KADID-10k."""
    return curve(image, _RAMP + 255 * shift)


def midtones(image: np.ndarray, shift: float) -> np.ndarray:
    """Move mid-grey by ``shift`` (in units of the full range) while black and white stay.

    The luma (BT.601) follows the power curve through these three points and takes the colour channels with it by
    addition, so that chroma is kept.
    """
    exponent = np.log(0.5 + shift) / np.log(0.5)
    change = 255 * (_RAMP / 255) ** exponent - _RAMP
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return _add_luma(image, cv2.LUT(luma, change.round().astype(np.int16)))


def contrast(image: np.ndarray, gain: float) -> np.ndarray:
    """Scale the distance to the mean grey of the photo by ``gain``."""
    mean = float(image.mean())
    return curve(image, mean + gain * (_RAMP - mean))


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Raise values in [0, 1] to ``exponent``: below 1 brightens the shadows, above 1 darkens them."""
    return curve(image, 255 * (_RAMP / 255) ** exponent)


def exposure(image: np.ndarray, stops: float) -> np.ndarray:
    """Multiply the light by ``2^stops``, in linear sRGB, and clip: highlights burn out, or shadows sink into black."""
    return curve(image, 255 * _from_linear((_to_linear(_RAMP / 255) * 2.0**stops).clip(0, 1)))


def haze(image: np.ndarray, density: float) -> np.ndarray:
    """Mix with light grey air of value 220: ``(1 - density) image + density 220`` (homogeneous scattering)."""
    return curve(image, (1 - density) * _RAMP + density * 220)


def quantise(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel: posterisation."""
    steps = values - 1
    return curve(image, np.round(_RAMP / 255 * steps) * (255 / steps))


def banding(image: np.ndarray, step: float) -> np.ndarray:
    """Round the smooth part of the luma (a Gaussian of 2 px) to multiples of ``step`` grey levels; detail is kept.

    Skies and walls show contour lines, as in video of too few bits.
    """
    smooth = gaussian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), _BANDING_SIGMA)
    change = np.round(_RAMP / step) * step - _RAMP
    return _add_luma(image, cv2.LUT(smooth, change.round().astype(np.int16)))


def vignette(image: np.ndarray, loss: float) -> np.ndarray:
    """Darken towards the corners, which lose a share ``loss`` of their value; the loss grows as the squared radius."""
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32) if width > 1 else np.zeros(1, np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32) if height > 1 else np.zeros(1, np.float32)
    aspect = width**2 / (width**2 + height**2)
    loss_x = np.float32(loss * aspect) * x**2
    loss_y = np.float32(loss * (1 - aspect)) * y**2

    def darkened(part: np.ndarray, rows: slice) -> np.ndarray:
        factor = 1 - loss_x[None, :] - loss_y[rows, None]
        return cv2.multiply(part, cv2.merge([factor] * 3), dtype=cv2.CV_8U)

    return in_strips(image, darkened)


BANDING_REACH = gaussian_reach(_BANDING_SIGMA)


def _add_luma(image: np.ndarray, change: np.ndarray) -> np.ndarray:
    return cv2.add(image, cv2.merge([change] * 3), dtype=cv2.CV_8U)


def _to_linear(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _from_linear(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
