"""Noise: pure functions on RGB uint8 images of shape (H, W, 3). Values are rounded and clipped to 0..255."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import gaussian, in_strips
from mmqpt.degradations._random import generator, normal_field, raw_bytes
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

CHROMA_TO_RGB = np.array([[0, 1.402], [-0.344136, -0.714136], [1.772, 0]])
"""What one unit of Cb and of Cr (BT.601) add to red, green and blue."""


def add(image: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Add int16 or float32 values to an image; a change of shape (H, W) goes to all three channels."""
    if change.ndim == 2:
        change = cv2.merge([change] * 3)
    return cv2.add(image, change, dtype=cv2.CV_8U)


@row('texture', unit='grey levels', levels=(5, 10, 18, 30, 50), source=f'{KADID_10K}: white noise')
def white_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add independent normal noise with standard deviation ``sigma`` (grey levels of 255) to every value."""
    return add(image, normal_field(generator(seed), image.shape, sigma, depth=cv2.CV_16S))


@row('texture', unit='grey levels', levels=(6, 12, 21, 34, 55), source=f'{KADID_10K}: white noise in colour component')
def colour_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add independent normal noise of ``sigma`` grey levels to Cb and Cr (BT.601); luma changes only by clipping."""
    rng = generator(seed)

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        return add(part, cv2.transform(normal_field(rng, (*part.shape[:2], 2), sigma), CHROMA_TO_RGB))

    return in_strips(image, noisy)


@row('texture', unit='grey levels', levels=(0.3, 0.9, 2.2, 5, 11), source='Foi et al., IEEE TIP 2008')
def sensor_noise(image: np.ndarray, gain: float, seed: int) -> np.ndarray:
    """Poisson-Gaussian noise of a sensor at high gain, in its normal approximation.

    The variance at value v is ``gain v + (2 gain)^2`` grey levels squared, as photon noise plus read noise
    (Foi et al., IEEE TIP 2008).
    """
    sigma = np.sqrt(gain * np.arange(256) + (2 * gain) ** 2).astype(np.float32)
    rng = generator(seed)

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        return add(part, cv2.multiply(normal_field(rng, part.shape, 1.0), cv2.LUT(part, sigma)))

    return in_strips(image, noisy)


@row('texture', unit='1', levels=(0.03, 0.06, 0.11, 0.18, 0.3), source=f'{KADID_10K}: multiplicative noise')
def speckle_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Multiply every value by normal noise of mean 1 and standard deviation ``sigma``."""
    rng = generator(seed)

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        return cv2.multiply(part, normal_field(rng, part.shape, sigma, mean=1.0), dtype=cv2.CV_8U)

    return in_strips(image, noisy)


def _grain_gain() -> float:
    """One over the standard deviation of white noise under the Gaussian of the grain."""
    impulse = np.zeros((15, 15), np.float32)
    impulse[7, 7] = 1
    return float(1 / np.linalg.norm(gaussian(impulse, 0.9)))


_GRAIN_GAIN = _grain_gain()


@row('texture', unit='grey levels', levels=(4, 8, 13, 20, 31), source=DESIGN_CHOICE)
def grain(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Film grain: grey noise of ``sigma`` grey levels in the mid-tones, correlated over about 2 px.

    White noise under a Gaussian of 0.9 px; it fades to a third of ``sigma`` towards black and white.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    noise = gaussian(normal_field(generator(seed), luma.shape, 1.0), 0.9)
    tone = np.linspace(-1, 1, 256)
    weight = (sigma * _GRAIN_GAIN * (1 - 2 / 3 * tone**2)).astype(np.float32)
    return add(image, cv2.multiply(noise, cv2.LUT(luma, weight), dst=noise))


@row('texture', unit='grey levels', levels=(2.5, 5, 9, 15, 24), source=DESIGN_CHOICE)
def line_noise(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Add one normal value of ``sigma`` grey levels to each row: the read-out stripes of a sensor."""
    rows = generator(seed).standard_normal((len(image), 1)) * sigma
    return add(image, np.ascontiguousarray(np.broadcast_to(np.rint(rows).astype(np.int16), image.shape[:2])))


@row(
    'texture', unit='share of the pixels', levels=(0.003, 0.01, 0.03, 0.07, 0.15), source=f'{KADID_10K}: impulse noise'
)
def impulse_noise(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Salt and pepper: set a ``share`` of the pixels to black or white, evenly."""
    height, width = image.shape[:2]
    draw = raw_bytes(generator(seed), 2 * height * width).view('<u2').reshape(height, width)
    bound = round(share * 2**15)
    out = image.copy()
    out[draw < bound] = 0
    out[draw >= 2**16 - bound] = 255
    return out
