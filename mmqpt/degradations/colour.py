"""Colour changes: pure functions on RGB uint8 images of shape (H, W, 3). None moves a pixel but :func:`channel_shift`."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._random import generator

_LUMA = (0.299, 0.587, 0.114)
_RAMP = np.arange(256, dtype=np.float64)


def _lut(image: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Apply one tone ``curve`` of 256 values, or one a channel as (256, 3); values are rounded and clipped."""
    table = curve.round().clip(0, 255).astype(np.uint8)
    return cv2.LUT(image, table if table.ndim == 1 else table.reshape(1, 256, 3))


def _mix(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a 3x3 ``matrix`` to every RGB pixel; values are rounded and clipped."""
    return cv2.transform(image, matrix)


def brightness(image: np.ndarray, shift: float) -> np.ndarray:
    """Add ``shift`` (in units of the full range) to every value."""
    return _lut(image, _RAMP + 255 * shift)


def contrast(image: np.ndarray, gain: float) -> np.ndarray:
    """Scale the distance to the mean grey of the photo by ``gain``."""
    mean = float(image.mean())
    return _lut(image, mean + gain * (_RAMP - mean))


def gamma(image: np.ndarray, exponent: float) -> np.ndarray:
    """Raise values in [0, 1] to ``exponent``: below 1 brightens the shadows, above 1 darkens them."""
    return _lut(image, 255 * (_RAMP / 255) ** exponent)


def saturation(image: np.ndarray, gain: float) -> np.ndarray:
    """Scale the distance of each pixel to its own luma (BT.601) by ``gain``; 0 is grey."""
    return _mix(image, gain * np.eye(3) + (1 - gain) * np.tile(_LUMA, (3, 1)))


def hue(image: np.ndarray, degrees: float) -> np.ndarray:
    """Turn the chroma plane (YIQ) by ``degrees``; luma is kept but for clipping."""
    to_yiq = np.array([_LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
    angle = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return _mix(image, np.linalg.inv(to_yiq) @ turn @ to_yiq)


def temperature(image: np.ndarray, shift: float) -> np.ndarray:
    """Wrong white balance: multiply red by ``1 + shift`` and blue by ``1 - shift``; positive is warm."""
    return _lut(image, _RAMP[:, None] * np.array([1 + shift, 1, 1 - shift]))


def channel_shift(image: np.ndarray, pixels: float, seed: int) -> np.ndarray:
    """Lateral chromatic aberration: move red and blue by ``pixels`` px in opposite directions (angle drawn by ``seed``).

    Sub-pixel shifts are bilinear; the border is mirrored (reflect-101).
    """
    height, width = image.shape[:2]
    angle = generator(seed).uniform(0, 2 * np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * pixels
    out = image.copy()
    for channel, sign in ((0, 1.0), (2, -1.0)):
        matrix = np.array([[1, 0, sign * step[0]], [0, 1, sign * step[1]]])
        plane = np.ascontiguousarray(image[..., channel])
        out[..., channel] = cv2.warpAffine(
            plane, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    return out


def quantise(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel: banding."""
    steps = values - 1
    return _lut(image, np.round(_RAMP / 255 * steps) * (255 / steps))


def haze(image: np.ndarray, density: float) -> np.ndarray:
    """Mix with light grey air of value 220: ``(1 - density) image + density 220`` (homogeneous atmospheric scattering)."""
    return _lut(image, (1 - density) * _RAMP + density * 220)
