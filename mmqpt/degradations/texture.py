"""Texture adjustments (blur, sharpening, noise, compression): pure functions on RGB uint8 images of shape (H, W, 3).

Filters mirror the photo at its border (reflect-101).
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._random import generator

_BORDER = cv2.BORDER_REFLECT_101


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of standard deviation ``sigma`` px, cut at 3 sigma."""
    size = 2 * int(np.ceil(3 * sigma)) + 1
    return cv2.GaussianBlur(image, (size, size), sigmaX=sigma, sigmaY=sigma, borderType=_BORDER)


def defocus_blur(image: np.ndarray, radius: float) -> np.ndarray:
    """Blur with a disc of ``radius`` px, its rim antialiased: a lens out of focus."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=_BORDER)


def motion_blur(image: np.ndarray, length: float, seed: int) -> np.ndarray:
    """Blur along a straight line of ``length`` px at an angle drawn by ``seed``: a camera that moved."""
    reach = int(np.ceil(length / 2)) + 1
    angle = generator(seed).uniform(0, np.pi)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = x * np.sin(angle) - y * np.cos(angle)
    kernel = np.clip(1 - np.abs(across), 0, 1) * np.clip(length / 2 + 0.5 - np.abs(along), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=_BORDER)


def denoise(image: np.ndarray, size: float) -> np.ndarray:
    """Median filter of ``size`` x ``size`` px (odd): the smeared look of too much noise reduction."""
    return cv2.medianBlur(image, int(size))


def sharpen(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask with sigma 1.5 px: ``image + amount (image - blurred)``; halos at edges."""
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5, borderType=_BORDER)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def white_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add independent normal noise with standard deviation ``sigma`` (grey levels of 255) to every value."""
    noise = generator(seed).standard_normal(image.shape, dtype=np.float32) * np.float32(sigma)
    return _add(image, noise)


def sensor_noise(image: np.ndarray, gain: float, seed: int) -> np.ndarray:
    """Poisson-Gaussian noise of a sensor at high gain, in its normal approximation.

    The variance at value v is ``gain v + (2 gain)^2`` grey levels squared, as photon noise plus read noise
    (Foi et al., IEEE TIP 2008).
    """
    table = np.sqrt(gain * np.arange(256) + (2 * gain) ** 2).astype(np.float32)
    noise = generator(seed).standard_normal(image.shape, dtype=np.float32)
    return _add(image, noise * table[image])


def impulse_noise(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Salt and pepper: set a ``share`` of the pixels to black or white, evenly."""
    draw = generator(seed).random(image.shape[:2], dtype=np.float32)
    out = image.copy()
    out[draw < share / 2] = 0
    out[draw > 1 - share / 2] = 255
    return out


def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as baseline JPEG with 4:2:0 chroma at libjpeg's ``quality`` (0 to 100) and decode."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    coded, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not coded:
        raise RuntimeError(f'OpenCV could not encode an image of shape {image.shape} as JPEG')
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _add(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Add float noise to an image; rounded and clipped."""
    return np.rint(cv2.add(image, noise, dtype=cv2.CV_32F)).clip(0, 255).astype(np.uint8)
