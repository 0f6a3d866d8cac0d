"""Warps of the whole photo: pure functions on RGB uint8 images of shape (H, W, 3).

Every warp keeps the size of the image, samples bilinearly, and mirrors the photo at its border (reflect-101), so that
no black wedge tells a network that a photo was warped.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from mmqpt.degradations._random import generator
from mmqpt.degradations._warp import KEPT, Origin, WarpFootprint, affine, warp
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import row

_AFFINE = 'common augmentation; design choice'


@functools.lru_cache(maxsize=KEPT)
def rotation(degrees: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of :func:`rotate`."""
    angle = np.deg2rad(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return affine(matrix, height, width)


@row(
    'geometry',
    unit='degrees',
    levels=(2, 4, 7, 11, 16),
    source=_AFFINE,
    mirrored=True,
    footprint=WarpFootprint(rotation),
    taste=True,
    version=2,
)
def rotate(image: np.ndarray, degrees: float, frame: Frame | None = None) -> np.ndarray:
    """Rotate about the centre; positive is anticlockwise."""
    frame = frame or Frame.of(image)
    return warp(image, rotation(degrees, 0, frame.height, frame.width), frame)


@functools.lru_cache(maxsize=KEPT)
def shearing(factor: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of :func:`shear`."""
    return affine(np.array([[1.0, factor], [0.0, 1.0]]), height, width)


@row(
    'geometry',
    unit='px/px',
    levels=(0.03, 0.07, 0.12, 0.19, 0.28),
    source=_AFFINE,
    mirrored=True,
    footprint=WarpFootprint(shearing),
    taste=True,
    version=2,
)
def shear(image: np.ndarray, factor: float, frame: Frame | None = None) -> np.ndarray:
    """Shift every row sideways by ``factor`` px per px of its distance from the middle row."""
    frame = frame or Frame.of(image)
    return warp(image, shearing(factor, 0, frame.height, frame.width), frame)


@functools.lru_cache(maxsize=KEPT)
def stretching(factor: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of :func:`stretch`."""
    return affine(np.diag([1 + factor, 1.0]) if factor >= 0 else np.diag([1.0, 1 - factor]), height, width)


@row(
    'geometry',
    unit='1',
    levels=(0.05, 0.11, 0.19, 0.3, 0.45),
    source=_AFFINE,
    mirrored=True,
    footprint=WarpFootprint(stretching),
    taste=True,
    version=2,
)
def stretch(image: np.ndarray, factor: float, frame: Frame | None = None) -> np.ndarray:
    """Change the aspect ratio: widen by ``1 + factor``, or with a negative factor make taller by ``1 - factor``.

    The other axis keeps its scale; what leaves the frame is cut off.
    """
    frame = frame or Frame.of(image)
    return warp(image, stretching(factor, 0, frame.height, frame.width), frame)


@functools.lru_cache(maxsize=KEPT)
def tilting(amount: float, seed: int, height: int, width: int) -> Origin:
    """The origins of :func:`perspective`."""
    if min(height, width) < 2:
        return affine(np.eye(2), height, width)
    phase = generator(seed).uniform(0, 2 * np.pi)
    tilt_x, tilt_y = amount * np.cos(phase), amount * np.sin(phase)
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    pull = 1 + unit[:, :1] * tilt_x + unit[:, 1:] * tilt_y
    half = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    target = (half + unit * half * pull).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(target, corners).astype(np.float32)

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from_x, from_y, depth = (one * x + (two * y + shift) for one, two, shift in matrix)
        return np.divide(from_x, depth, out=from_x), np.divide(from_y, depth, out=from_y)

    return origin


@row(
    'geometry',
    unit='share of half the side',
    levels=(0.03, 0.06, 0.1, 0.15, 0.22),
    source=_AFFINE,
    footprint=WarpFootprint(tilting),
    taste=True,
    version=2,
)
def perspective(image: np.ndarray, amount: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Tilt the camera: two corners move inwards and the two opposite them outwards, by the same shares.

    Each moves along its diagonal, by up to ``amount * sqrt(2)`` of half the diagonal; ``seed`` draws the axis of the
    tilt. The result is cut to the frame.
    """
    frame = frame or Frame.of(image)
    return warp(image, tilting(amount, seed, frame.height, frame.width), frame)


@functools.lru_cache(maxsize=KEPT)
def bending(strength: float, _seed: int, height: int, width: int) -> Origin:
    """The origins of :func:`lens`."""
    half_x, half_y = np.float32(max((width - 1) / 2, 0.5)), np.float32(max((height - 1) / 2, 0.5))
    half = np.hypot(half_x, half_y)

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = x - half_x, y - half_y
        factor = (np.float32(1) + np.float32(strength) * ((x / half) ** 2 + (y / half) ** 2)) / np.float32(1 + strength)
        return x * factor + half_x, y * factor + half_y

    return origin


@row(
    'geometry',
    unit='1',
    levels=(0.05, 0.1, 0.18, 0.3, 0.5),
    source="Brown's lens model",
    negative=(-0.04, -0.08, -0.13, -0.19, -0.27),
    footprint=WarpFootprint(bending),
    taste=True,
)
def lens(image: np.ndarray, strength: float, frame: Frame | None = None) -> np.ndarray:
    """Radial lens distortion: positive is barrel, negative is pincushion.

    A point at radius r (1 at the corners) shows what lay at ``r (1 + strength r^2) / (1 + strength)`` for a barrel, so
    that the corners stay in place; a pincushion uses the inverse sign (Brown's model with one coefficient).
    """
    frame = frame or Frame.of(image)
    return warp(image, bending(strength, 0, frame.height, frame.width), frame)
