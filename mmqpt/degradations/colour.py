"""Colour changes: pure functions on RGB uint8 images of shape (H, W, 3). Values are rounded and clipped to 0..255."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, cubic_weights, in_strips, product, shifted
from mmqpt.degradations._random import generator
from mmqpt.degradations._warp import KEPT, Origin, WarpFootprint, affine, warp
from mmqpt.degradations.frame import Frame, Region
from mmqpt.degradations.noise import CHROMA_TO_RGB, add
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, TID2013, row
from mmqpt.degradations.tone import curve

_LUMA = (0.299, 0.587, 0.114)
_RAMP = np.arange(256, dtype=np.float64)[:, None]
_BLOTCH = 48


@row(
    'colour',
    unit='1',
    levels=(1.4, 1.8, 2.4, 3.3, 4.6),
    source=f'{KADID_10K}: colour saturation 1',
    negative=(0.7, 0.5, 0.3, 0.14, 0.0),
    reach=0,
    taste=True,
)
def saturation(image: np.ndarray, gain: float) -> np.ndarray:
    """Scale the distance of each pixel to its own luma (BT.601) by ``gain``; 0 is grey."""
    return _mix(image, gain * np.eye(3) + (1 - gain) * np.tile(_LUMA, (3, 1)))


@row(
    'colour',
    unit='1',
    levels=(1.4, 1.8, 2.4, 3.3, 4.6),
    source=f'{KADID_10K}: colour saturation 2',
    negative=(0.7, 0.5, 0.3, 0.14, 0.0),
    reach=0,
    taste=True,
)
def saturation_lab(image: np.ndarray, gain: float) -> np.ndarray:
    """Scale a and b of CIE Lab (8 bit) by ``gain``: unlike :func:`saturation`, lightness as the eye sees it is kept."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    chroma = 128 + gain * (_RAMP - 128)
    return cv2.cvtColor(curve(lab, np.hstack([_RAMP, chroma, chroma])), cv2.COLOR_LAB2RGB)


@row('colour', unit='degrees', levels=(10, 22, 40, 65, 100), source=DESIGN_CHOICE, mirrored=True, reach=0, taste=True)
def hue(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate all hues by ``degrees`` (in the chroma plane of YIQ); luma changes only by clipping."""
    to_yiq = np.array([_LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
    angle = np.deg2rad(degrees)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return _mix(image, np.linalg.inv(to_yiq) @ turn @ to_yiq)


@row('colour', unit='1', levels=(0.06, 0.12, 0.2, 0.3, 0.42), source=DESIGN_CHOICE, mirrored=True, reach=0, taste=True)
def temperature(image: np.ndarray, shift: float) -> np.ndarray:
    """Wrong white balance: multiply red by ``1 + shift`` and blue by ``1 - shift``; positive is warm."""
    return curve(image, _RAMP * np.array([1 + shift, 1, 1 - shift]))


@row('colour', unit='1', levels=(0.04, 0.08, 0.13, 0.2, 0.3), source=DESIGN_CHOICE, mirrored=True, reach=0, taste=True)
def tint(image: np.ndarray, shift: float) -> np.ndarray:
    """Wrong white balance: multiply green by ``1 - shift``, red and blue by ``1 + shift / 2``; positive is magenta."""
    return curve(image, _RAMP * np.array([1 + shift / 2, 1 - shift, 1 + shift / 2]))


@row('colour', unit='grey levels', levels=(6, 12, 20, 31, 46), source=DESIGN_CHOICE, reach=0)
def colour_cast(image: np.ndarray, chroma: float, seed: int) -> np.ndarray:
    """Tint the photo by ``chroma`` grey levels in Cb and Cr (BT.601), at constant luma, in a hue drawn by ``seed``."""
    angle = generator(seed).uniform(0, 2 * np.pi)
    return curve(image, _RAMP + chroma * CHROMA_TO_RGB @ np.array([np.cos(angle), np.sin(angle)]))


@row('colour', unit='1', levels=(0.12, 0.25, 0.4, 0.58, 0.8), source=DESIGN_CHOICE, reach=0, taste=True)
def fade(image: np.ndarray, amount: float) -> np.ndarray:
    """An old print: saturation falls by ``amount``, and colours move half that far towards yellowed paper."""
    grey = np.tile(_LUMA, (3, 1))
    matrix = (1 - amount / 2) * ((1 - amount) * np.eye(3) + amount * grey)
    return _mix(image, np.hstack([matrix, amount / 2 * np.array([[205.0], [190.0], [160.0]])]))


def channel_shift_reach(pixels: float) -> int:
    """The shift, and a px of interpolation."""
    return int(np.ceil(pixels)) + 1


@row(
    'colour', unit='px', levels=(0.7, 1.3, 2.1, 3.3, 5), source=f'{KADID_10K}: colour shift', reach=channel_shift_reach
)
def channel_shift(image: np.ndarray, pixels: float, seed: int) -> np.ndarray:
    """Misregistered colours: move red and blue by ``pixels`` px in opposite directions (angle drawn by ``seed``).

    Sub-pixel shifts are bilinear, in steps of 1/64 px; the border is mirrored (reflect-101).
    """
    x, y = _shift_of_red(pixels, seed).tolist()
    red, green, blue = cv2.split(image)
    return cv2.merge([shifted(red, x, y), green, shifted(blue, -x, -y)])


_MOST = 0.9
"""Of the distance between centre and corner: a channel that is reduced to a point, or beyond it, is none."""


@functools.lru_cache(maxsize=KEPT)
def _enlarging(pixels: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of one channel of :func:`chromatic_aberration`, enlarged by so many px in the corners."""
    radius = max(1.0, float(np.hypot((width - 1) / 2, (height - 1) / 2)))
    scale = min(max(pixels / radius, -_MOST), _MOST)
    return affine((1 + scale) * np.eye(2), height, width)


def aberration_footprint(asked: Region, pixels: float, seed: int, height: int, width: int) -> Region:
    """What the three channels are made of."""
    red, blue = (WarpFootprint(_enlarging)(asked, by, seed, height, width) for by in (pixels, -pixels))
    return red.joined(blue)


@row(
    'colour',
    unit='px in the corner',
    levels=(1.2, 2.4, 4, 6.5, 10),
    source=f'{TID2013}: chromatic aberrations',
    footprint=aberration_footprint,
    version=2,
)
def chromatic_aberration(image: np.ndarray, pixels: float, frame: Frame | None = None) -> np.ndarray:
    """Lateral chromatic aberration: red is enlarged and blue reduced about the centre, by ``pixels`` px in the corners.

    Bilinear; the border is mirrored (reflect-101). At most .9 of the way from the centre to a corner, which only photos
    of less than 24 px across reach.
    """
    frame = frame or Frame.of(image)
    red, green, blue = cv2.split(image)
    red, blue = (
        warp(plane, _enlarging(by, 0, frame.height, frame.width), frame)
        for plane, by in ((red, pixels), (blue, -pixels))
    )
    return cv2.merge([red, frame.cut(green), blue])


@row('colour', unit='grey levels', levels=(4, 7, 12, 19, 30), source=DESIGN_CHOICE, reach=0, ties=True)
def chroma_blotches(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Add smooth random clouds of ``sigma`` grey levels to Cb and Cr (BT.601); luma changes only by clipping.

    Normal noise on a grid of 48 px, interpolated bicubically: the colour stains of high sensitivity.
    """
    frame = frame or Frame.of(image)
    down, across = cubic_weights(frame.height, _BLOTCH), cubic_weights(frame.width, _BLOTCH)
    coarse = generator(seed).standard_normal((down.shape[1], across.shape[1], 2)).astype(np.float32) * np.float32(sigma)
    across = across[frame.shown.left : frame.shown.right]
    clouds = product(across, cv2.transform(coarse, CHROMA_TO_RGB)).reshape(len(coarse), -1)

    def blotched(part: np.ndarray, rows: slice) -> np.ndarray:
        top = frame.shown.top + rows.start
        bottom = top + len(part)
        knots = slice(top // _BLOTCH, (bottom - 1) // _BLOTCH + 4)  # the weights of all others are 0
        return add(part, product(down[top:bottom, knots], clouds[knots]).reshape(part.shape))

    return frame.cut(in_strips(image, blotched))


def diffusion_reach(radius: float) -> int:
    """Three boxes."""
    return 3 * int(radius)


@row('colour', unit='px', levels=(4, 8, 14, 24, 40), source=f'{KADID_10K}: colour diffusion', reach=diffusion_reach)
def colour_diffusion(image: np.ndarray, radius: float) -> np.ndarray:
    """Blur chroma (YCbCr) with a box of ``2 radius + 1`` px, three times, and leave luma alone: colours bleed.

    Three boxes come close to a Gaussian of ``radius`` px. The border is mirrored (reflect-101).
    """
    luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    side = (2 * int(radius) + 1,) * 2
    for _ in range(3):
        chroma = [cv2.blur(plane, side, borderType=BORDER) for plane in chroma]
    return cv2.cvtColor(cv2.merge([luma, *chroma]), cv2.COLOR_YCrCb2RGB)


def _mix(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Apply a 3x3 or 3x4 ``matrix`` to every RGB pixel; values are rounded and clipped."""
    return cv2.transform(image, matrix)


def _shift_of_red(pixels: float, seed: int) -> np.ndarray:
    """How far :func:`channel_shift` moves red, as x, y: in steps that a float32 coordinate holds at any place."""
    angle = generator(seed).uniform(0, 2 * np.pi)
    return np.rint(64 * pixels * np.array([np.cos(angle), np.sin(angle)])) / 64
