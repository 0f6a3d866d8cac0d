"""Blurs: pure functions on RGB uint8 images of shape (H, W, 3).

The border is mirrored (reflect-101), except by ``zoom_blur``, which only looks towards the centre.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, average_along, exact_weights, gaussian, gaussian_reach, spread_filter
from mmqpt.degradations._random import LARGEST_NORMAL, generator, normal_field
from mmqpt.degradations._warp import KEPT, Origin, WarpFootprint, affine, four_channels, three_channels, warp
from mmqpt.degradations.frame import Frame, Region
from mmqpt.degradations.rows import KADID_10K, row

_NO_MAP = np.empty(0)
_GLASS_SIGMA = 0.8
_SMALL = 1.3
_WIDE = 0.9
_DENSE = 1.25
_WIDE_DISC = 4


@row('texture', unit='px', levels=(0.7, 1.1, 1.8, 2.9, 4.8), source=f'{KADID_10K}: Gaussian blur', reach=gaussian_reach)
def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Blur with a Gaussian of standard deviation ``sigma`` px, cut at 3 sigma."""
    return gaussian(image, sigma)


def anisotropic_reach(sigma: float) -> int:
    """Half the kernel and half the longest triangle."""
    wide = sigma / 4 >= _WIDE
    passes, spacing = _triangle(sigma, sigma / 4 if wide else min(sigma, _SMALL), _DENSE if wide else 1)
    return (gaussian_reach(sigma / 4) if wide else 4) + int(np.ceil((spacing * (2**passes - 1)) + passes + 1))


def _triangle(sigma: float, small: float, density: float) -> tuple[int, float]:
    """How often to double, and how far apart places lie, to widen a Gaussian of ``small`` px to ``sigma``."""
    passes = _doublings(sigma, small / density)
    return passes, float(np.sqrt(6 * (sigma**2 - small**2) / max(4**passes - 1, 1)))


@row('texture', unit='px', levels=(1, 1.6, 2.5, 3.9, 6), source='Real-ESRGAN', reach=anisotropic_reach, version=2)
def anisotropic_blur(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """Blur with a Gaussian of ``sigma`` px along a line at an angle drawn by ``seed``, and a quarter of that across it.

    Beyond 1.3 px the Gaussian along the line is built from a small one at evenly spaced places under a triangle; from
    0.9 px across it on, that small one is round.
    """
    direction = _direction(seed)
    wide = sigma / 4 >= _WIDE
    along = sigma / 4 if wide else min(sigma, _SMALL)
    passes, spacing = _triangle(sigma, along, _DENSE if wide else 1)
    shifts = 2 * [_whole(spacing * 2**i * direction) for i in range(passes)]
    if wide:
        return average_along(image, along, shifts)
    y, x = np.mgrid[-4:5, -4:5] + 0.0
    u, v = x * direction[0] + y * direction[1], x * direction[1] - y * direction[0]
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / max(sigma / 4, 0.35)) ** 2))
    return average_along(image, _trim(kernel), shifts)


def defocus_reach(radius: float) -> int:
    """The disc and its rim."""
    return int(np.ceil(radius)) + 3


@row('texture', unit='px', levels=(1, 1.8, 3, 4.6, 7), source=f'{KADID_10K}: lens blur', reach=defocus_reach)
def defocus_blur(image: np.ndarray, radius: float) -> np.ndarray:
    """Blur with a disc of ``radius`` px, its rim antialiased: a lens out of focus.

    From 4 px on the disc is drawn at half the resolution and interpolated, which softens its rim to 2 px.
    """
    if radius < _WIDE_DISC:
        return cv2.filter2D(image, -1, _disc(radius), borderType=BORDER)
    soft = cv2.GaussianBlur(image, (3, 3), 0, borderType=BORDER)  # weights 1/4, 1/2, 1/4, halves rounded up
    return spread_filter(soft, _disc(radius / 2), 2)


def motion_reach(length: float) -> int:
    """Half the line, and the rounding of its pieces."""
    return int(np.ceil(length / 2)) + 4


@row('texture', unit='px', levels=(3, 5.5, 9, 14, 22), source=f'{KADID_10K}: motion blur', reach=motion_reach)
def motion_blur(image: np.ndarray, length: float, seed: int) -> np.ndarray:
    """Blur along a straight line of ``length`` px at an angle drawn by ``seed``: a camera that moved.

    A line longer than 6 px is built from shorter ones put end to end at whole px.
    """
    direction = _direction(seed)
    passes = _doublings(length, 6)
    piece = length / 2**passes
    shifts = [_whole(piece * 2**i * direction) for i in range(passes)]
    y, x = np.mgrid[-4:5, -4:5] + 0.0
    x += 0.5 * (sum(shift[0] for shift in shifts) % 2)
    y += 0.5 * (sum(shift[1] for shift in shifts) % 2)
    along, across = x * direction[0] + y * direction[1], x * direction[1] - y * direction[0]
    kernel = np.clip(1 - np.abs(across), 0, 1) * np.clip(piece / 2 + 0.5 - np.abs(along), 0, 1)
    return average_along(image, _trim(kernel), shifts)


def _zooms(amount: float, height: int, width: int) -> list[float]:
    """What each pass of :func:`zoom_blur` multiplies distances to the centre by."""
    passes = max(1, int(np.ceil(np.log2(max(amount * max(height, width) / 3, 1.0)))))
    return [1 - amount * 2**i / (2**passes - 1) for i in range(passes)]


def zoom_footprint(asked: Region, amount: float, _seed: int, height: int, width: int) -> Region:
    """All on the way towards the centre, and a px of interpolation a pass."""
    zooms = _zooms(amount, height, width)
    scale, centre_y, centre_x = float(np.prod(zooms)), (height - 1) / 2, (width - 1) / 2
    top, bottom = (math.floor(centre_y + scale * (y - centre_y)) for y in (asked.top, asked.bottom - 1))
    left, right = (math.floor(centre_x + scale * (x - centre_x)) for x in (asked.left, asked.right - 1))
    return asked.joined(Region(top, left, bottom + 2, right + 2)).grown(len(zooms), height, width)


@row(
    'texture',
    unit='share of the radius',
    levels=(0.015, 0.03, 0.055, 0.09, 0.14),
    source='Hendrycks and Dietterich, ICLR 2019',
    footprint=zoom_footprint,
    version=2,
)
def zoom_blur(image: np.ndarray, amount: float, frame: Frame | None = None) -> np.ndarray:
    """Blur along lines through the centre: a zoom moved during the exposure.

    ``amount`` is the length of the streak in the corner as a share of the distance to the centre. The photo is averaged
    with itself enlarged about the centre (bilinear), by steps that double.
    """
    height, width, shown, asked = frame or Frame.of(image)
    zooms = _zooms(amount, height, width)
    needed = [asked]
    for scale in zooms[:0:-1]:
        needed.append(needed[-1].joined(WarpFootprint(_enlarging)(needed[-1], scale, 0, height, width)))
    out = four_channels(image)
    for scale, region in zip(zooms, needed[::-1], strict=True):
        enlarged = warp(out, _enlarging(scale, 0, height, width), Frame(height, width, shown, region))
        out, shown = cv2.addWeighted(region.cut(out, shown), 0.5, enlarged, 0.5, 0), region
    return three_channels(out)


@functools.lru_cache(maxsize=KEPT)
def _enlarging(scale: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of one pass of :func:`zoom_blur`."""
    return affine(np.eye(2) / scale, height, width)


def scatter_reach(sigma: float) -> int:
    """The farthest place of a normal field."""
    return int(np.rint(LARGEST_NORMAL * sigma))


def glass_reach(sigma: float) -> int:
    """The farthest place, and a Gaussian around it."""
    return scatter_reach(sigma) + gaussian_reach(_GLASS_SIGMA)


@row(
    'texture',
    unit='px',
    levels=(0.45, 0.75, 1.2, 1.9, 3),
    source='Hendrycks and Dietterich, ICLR 2019',
    reach=glass_reach,
    version=3,
)
def glass_blur(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Frosted glass: every pixel comes from a place ``sigma`` px off (standard deviation), then a Gaussian of 0.8 px.

    After the glass blur of Hendrycks and Dietterich, ICLR 2019.
    """
    frame = frame or Frame.of(image)
    return frame.cut(gaussian(scatter(image, sigma, seed, frame), _GLASS_SIGMA))


def scatter(image: np.ndarray, sigma: float, seed: int, frame: Frame) -> np.ndarray:
    """Take every pixel from a place a normal distance (``sigma`` px, rounded to whole px) off in x and in y."""
    moves = normal_field(seed, frame, 2, sigma, depth=cv2.CV_16S)
    flags = cv2.INTER_NEAREST | cv2.WARP_RELATIVE_MAP
    return cv2.remap(image, moves, _NO_MAP, flags, borderMode=BORDER)


def _disc(radius: float) -> np.ndarray:
    reach = int(np.ceil(radius + 0.5)) - 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return exact_weights(np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


def _direction(seed: int) -> np.ndarray:
    angle = generator(seed).uniform(0, np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _doublings(length: float, short: float) -> int:
    return max(0, int(np.ceil(np.log2(length / short))))


def _whole(vector: np.ndarray) -> tuple[int, int]:
    return int(np.rint(vector[0])), int(np.rint(vector[1]))


def _trim(kernel: np.ndarray) -> np.ndarray:
    """Trim negligible rows and columns off a centred kernel, evenly, and scale it to a sum of 1."""
    shown = kernel > kernel.max() * 1e-3
    y, x = (int(np.abs(np.flatnonzero(shown.any(axis)) - kernel.shape[0] // 2).max()) for axis in (1, 0))
    middle = kernel.shape[0] // 2
    return exact_weights(kernel[middle - y : middle + y + 1, middle - x : middle + x + 1])
