"""Noise: pure functions on RGB uint8 images of shape (H, W, 3). Values are rounded and clipped to 0..255."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import gaussian, gaussian_reach, in_strips
from mmqpt.degradations._random import ByteRows, NormalRows, generator, normal_field
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

CHROMA_TO_RGB = np.array([[0, 1.402], [-0.344136, -0.714136], [1.772, 0]])
"""What one unit of Cb and of Cr (BT.601) add to red, green and blue."""


def add(image: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Add int16 or float32 values to an image; a change of shape (H, W) goes to all three channels."""
    if change.ndim == 2:
        change = cv2.merge([change] * 3)
    return cv2.add(image, change, dtype=cv2.CV_8U)


@row('texture', unit='grey levels', levels=(5, 10, 18, 30, 50), source=f'{KADID_10K}: white noise', reach=0, version=3)
def white_noise(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Add independent normal noise with standard deviation ``sigma`` (grey levels of 255) to every value."""
    frame = frame or Frame.of(image)
    return frame.cut(add(image, normal_field(seed, frame, 3, sigma, depth=cv2.CV_16S)))


@row(
    'texture',
    unit='grey levels',
    levels=(6, 12, 21, 34, 55),
    source=f'{KADID_10K}: white noise in colour component',
    reach=0,
    version=3,
)
def colour_noise(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Add independent normal noise of ``sigma`` grey levels to Cb and Cr (BT.601); luma changes only by clipping."""
    frame = frame or Frame.of(image)
    noise = NormalRows(seed, frame, 2)
    (_, red), (to_green_blue, to_green_red), (blue, _) = CHROMA_TO_RGB

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        cb, cr = cv2.split(noise.read(len(part), sigma))
        of_red, of_blue = (_rounded(value, gain, value, 0) for value, gain in ((cr, red), (cb, blue)))
        of_green = _rounded(of_blue, to_green_blue / blue, of_red, to_green_red / red)
        return add(part, cv2.merge([of_red, of_green, of_blue]))

    return frame.cut(in_strips(image, noisy))


def _rounded(one: np.ndarray, gain: float, two: np.ndarray, other: float) -> np.ndarray:
    """``gain one + other two`` as int16."""
    return cv2.addWeighted(one, gain, two, other, 0, dtype=cv2.CV_16S)


@row(
    'texture', unit='grey levels', levels=(0.3, 0.9, 2.2, 5, 11), source='Foi et al., IEEE TIP 2008', reach=0, version=3
)
def sensor_noise(image: np.ndarray, gain: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Poisson-Gaussian noise of a sensor at high gain, in its normal approximation.

    The variance at value v is ``gain v + (2 gain)^2`` grey levels squared, as photon noise plus read noise
    (Foi et al., IEEE TIP 2008).
    """
    sigma = np.sqrt(gain * np.arange(256) + (2 * gain) ** 2).astype(np.float32)
    frame = frame or Frame.of(image)
    noise = NormalRows(seed, frame, 3)

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        return add(part, cv2.multiply(noise.read(len(part), 1.0), cv2.LUT(part, sigma)))

    return frame.cut(in_strips(image, noisy))


@row(
    'texture',
    unit='1',
    levels=(0.03, 0.06, 0.11, 0.18, 0.3),
    source=f'{KADID_10K}: multiplicative noise',
    reach=0,
    version=3,
)
def speckle_noise(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Multiply every value by normal noise of mean 1 and standard deviation ``sigma``."""
    frame = frame or Frame.of(image)
    noise = NormalRows(seed, frame, 3)

    def noisy(part: np.ndarray, _: slice) -> np.ndarray:
        return cv2.multiply(part, noise.read(len(part), sigma, mean=1.0), dtype=cv2.CV_8U)

    return frame.cut(in_strips(image, noisy))


_GRAIN_SIGMA = 0.9


def _grain_gain() -> float:
    """One over the standard deviation of white noise under the Gaussian of the grain."""
    impulse = np.zeros((15, 15), np.float32)
    impulse[7, 7] = 1
    return float(1 / np.linalg.norm(gaussian(impulse, _GRAIN_SIGMA)))


_GRAIN_GAIN = _grain_gain()


@row(
    'texture',
    unit='grey levels',
    levels=(4, 8, 13, 20, 31),
    source=DESIGN_CHOICE,
    reach=gaussian_reach(_GRAIN_SIGMA),
    ties=True,
    version=3,
)
def grain(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Film grain: grey noise of ``sigma`` grey levels in the mid-tones, correlated over about 2 px.

    White noise under a Gaussian of 0.9 px; it fades to a third of ``sigma`` towards black and white.
    """
    frame = frame or Frame.of(image)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    noise = gaussian(normal_field(seed, frame, 1, 1.0), _GRAIN_SIGMA)
    tone = np.linspace(-1, 1, 256)
    weight = (sigma * _GRAIN_GAIN * (1 - 2 / 3 * tone**2)).astype(np.float32)
    return frame.cut(add(image, cv2.multiply(noise, cv2.LUT(luma, weight), dst=noise)))


@row('texture', unit='grey levels', levels=(2.5, 5, 9, 15, 24), source=DESIGN_CHOICE, reach=0)
def line_noise(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Add one normal value of ``sigma`` grey levels to each row: the read-out stripes of a sensor."""
    frame = frame or Frame.of(image)
    rows = np.rint(generator(seed).standard_normal((frame.height, 1)) * sigma).astype(np.int16)
    shown = rows[frame.shown.top : frame.shown.bottom]
    return frame.cut(add(image, np.ascontiguousarray(np.broadcast_to(shown, image.shape[:2]))))


@row(
    'texture',
    unit='share of the pixels',
    levels=(0.003, 0.01, 0.03, 0.07, 0.15),
    source=f'{KADID_10K}: impulse noise',
    reach=0,
    version=2,
)
def impulse_noise(image: np.ndarray, share: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Salt and pepper: set a ``share`` of the pixels to black or white, evenly."""
    frame = frame or Frame.of(image)
    shown = frame.shown
    draw = ByteRows(seed, frame, 2).read(shown.height).view('<u2')[:, shown.left : shown.right]
    bound = round(share * 2**15)
    black, white = (
        cv2.merge([mask.view(np.uint8) * np.uint8(255)] * 3) for mask in (draw < bound, draw >= 2**16 - bound)
    )
    return frame.cut(cv2.add(cv2.subtract(image, black), white))
