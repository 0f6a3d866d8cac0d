"""Warps of the whole photo: pure functions on RGB uint8 images of shape (H, W, 3).

Every warp keeps the size of the image, samples bilinearly, and mirrors the photo at its border (reflect-101), so that
no black wedge tells a network that a photo was warped.
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, warp, with_fourth, without_fourth
from mmqpt.degradations._random import generator
from mmqpt.degradations.rows import row

_AFFINE = 'common augmentation; design choice'


@row('geometry', unit='degrees', levels=(2, 4, 7, 11, 16), source=_AFFINE, mirrored=True, taste=True)
def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate about the centre; positive is anticlockwise."""
    angle = np.deg2rad(degrees)
    return _affine(image, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


@row('geometry', unit='px/px', levels=(0.03, 0.07, 0.12, 0.19, 0.28), source=_AFFINE, mirrored=True, taste=True)
def shear(image: np.ndarray, factor: float) -> np.ndarray:
    """Shift every row sideways by ``factor`` px per px of its distance from the middle row."""
    return _affine(image, np.array([[1.0, factor], [0.0, 1.0]]))


@row('geometry', unit='1', levels=(0.05, 0.11, 0.19, 0.3, 0.45), source=_AFFINE, mirrored=True, taste=True)
def stretch(image: np.ndarray, factor: float) -> np.ndarray:
    """Change the aspect ratio: widen by ``1 + factor``, or with a negative factor make taller by ``1 - factor``.

    The other axis keeps its scale; what leaves the frame is cut off.
    """
    return _affine(image, np.diag([1 + factor, 1.0]) if factor >= 0 else np.diag([1.0, 1 - factor]))


@row('geometry', unit='share of half the side', levels=(0.03, 0.06, 0.1, 0.15, 0.22), source=_AFFINE, taste=True)
def perspective(image: np.ndarray, amount: float, seed: int) -> np.ndarray:
    """Tilt the camera: two corners move inwards and the two opposite them outwards, by the same shares.

    Each moves along its diagonal, by up to ``amount * sqrt(2)`` of half the diagonal; ``seed`` draws the axis of the
    tilt. The result is cut to the frame.
    """
    height, width = image.shape[:2]
    if min(height, width) < 2:
        return image.copy()
    phase = generator(seed).uniform(0, 2 * np.pi)
    tilt_x, tilt_y = amount * np.cos(phase), amount * np.sin(phase)
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    pull = 1 + unit[:, :1] * tilt_x + unit[:, 1:] * tilt_y
    half = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    target = (half + unit * half * pull).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, target)
    out = cv2.warpPerspective(with_fourth(image), matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=BORDER)
    return without_fourth(out)


@row(
    'geometry',
    unit='1',
    levels=(0.05, 0.1, 0.18, 0.3, 0.5),
    source="Brown's lens model",
    negative=(-0.04, -0.08, -0.13, -0.19, -0.27),
    taste=True,
)
def lens(image: np.ndarray, strength: float) -> np.ndarray:
    """Radial lens distortion: positive is barrel, negative is pincushion.

    A point at radius r (1 at the corners) shows what lay at ``r (1 + strength r^2) / (1 + strength)`` for a barrel, so
    that the corners stay in place; a pincushion uses the inverse sign (Brown's model with one coefficient).
    """
    height, width = image.shape[:2]
    half_x, half_y = np.float32(max((width - 1) / 2, 0.5)), np.float32(max((height - 1) / 2, 0.5))
    half = np.hypot(half_x, half_y)

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = x - half_x, y - half_y
        factor = (np.float32(1) + np.float32(strength) * ((x / half) ** 2 + (y / half) ** 2)) / np.float32(1 + strength)
        return x * factor + half_x, y * factor + half_y

    return warp(image, origin)


def _affine(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp by a 2x2 ``matrix`` about the centre of the image."""
    height, width = image.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = centre - matrix @ centre
    full = np.hstack([matrix, shift[:, None]])
    padded = with_fourth(image)
    return without_fourth(cv2.warpAffine(padded, full, (width, height), flags=cv2.INTER_LINEAR, borderMode=BORDER))
