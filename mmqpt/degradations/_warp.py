"""Warps: every pixel comes from another place of the photo. Bilinear; the border is mirrored (reflect-101).

Places are computed in px of the photo, whatever region of it is at hand, and rounded alike, so that a region warps to
the pixels that the whole photo would show there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER
from mmqpt.degradations.frame import Frame, Region

Origin = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From float32 x of shape (1, W) and y of shape (h, 1) to where each pixel comes from: two float32 arrays (h, W)."""

KEPT = 64
"""Warps whose numbers are kept: a step asks for them for each patch, first where it looks and then to move pixels."""

_STRIP = 128
"""Rows at a time, so that places stay in the cache."""


def warp(image: np.ndarray, origin: Origin, frame: Frame) -> np.ndarray:
    """Move pixels: ``origin`` says from where each comes.

    Args:
        image: uint8 array of what the frame shows: RGB (H, W, 3), of :func:`four_channels` or a plane (H, W).
        origin: in px of the photo.
        frame: the place of the image in the photo.

    Returns:
        What the frame asks for, with as many channels.
    """
    asked, shown = frame.asked, frame.shown
    x, y = places(asked)
    rgb = image.shape[2:] == (3,)
    image = four_channels(image) if rgb else image
    out = np.empty((asked.height, asked.width, *((3,) if rgb else image.shape[2:])), np.uint8)
    for top in range(0, asked.height, _STRIP):
        strip = out[top : top + _STRIP]
        from_x, from_y = origin(x, y[top : top + _STRIP])
        if shown.left:
            from_x -= np.float32(shown.left)
        if shown.top:
            from_y -= np.float32(shown.top)
        moved = cv2.remap(image, from_x, from_y, cv2.INTER_LINEAR, dst=None if rgb else strip, borderMode=BORDER)
        if rgb:
            three_channels(moved, out=strip)
    return out


def four_channels(image: np.ndarray) -> np.ndarray:
    """RGB -> RGBA: OpenCV warps four bytes a pixel in half the time of three, to the same values."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)


def three_channels(image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """RGBA -> RGB."""
    return cv2.cvtColor(image, cv2.COLOR_RGBA2RGB, dst=out)


def places(region: Region) -> tuple[np.ndarray, np.ndarray]:
    """The columns (1, W) and rows (H, 1) of a region in the photo, float32."""
    x = np.arange(region.left, region.right, dtype=np.float32)[None, :]
    y = np.arange(region.top, region.bottom, dtype=np.float32)[:, None]
    return x, y


def affine(matrix: np.ndarray, height: int, width: int) -> Origin:
    """The origins of a warp by a 2x2 ``matrix`` about the centre of the photo; it maps the photo to the result."""
    inverse = np.linalg.inv(matrix)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = centre - inverse @ centre
    return linear(np.hstack([inverse, shift[:, None]]))


def linear(matrix: np.ndarray) -> Origin:
    """Origins that a 2x3 ``matrix`` gives as functions of x and y."""
    (xx, xy, x0), (yx, yy, y0) = matrix

    def origin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = x.astype(np.float64), y.astype(np.float64)
        columns = [(factor * x + shift).astype(np.float32) for factor, shift in ((xx, x0), (yx, y0))]
        rows = [(factor * y).astype(np.float32) for factor in (xy, yy)]
        return columns[0] + rows[0], columns[1] + rows[1]

    return origin


@dataclass(frozen=True)
class WarpFootprint:
    """What a region of the warped photo is made of, for warps whose places are farthest out at the corners of a region,
    or where it crosses the middle of the photo.

    Args:
        origin_of: ``origin_of(value, seed, height, width)`` gives the origins of the operator.
    """

    origin_of: Callable[[float, int, int, int], Origin]

    def __call__(self, asked: Region, value: float, seed: int, height: int, width: int) -> Region:
        """The region of a photo of ``height`` x ``width`` px that ``asked`` of the result depends on."""
        middle_x = min(max((width - 1) / 2, asked.left), asked.right - 1)
        middle_y = min(max((height - 1) / 2, asked.top), asked.bottom - 1)
        x = np.array([[asked.left, middle_x, asked.right - 1]], np.float32)
        y = np.array([[asked.top], [middle_y], [asked.bottom - 1]], np.float32)
        from_x, from_y = self.origin_of(value, seed, height, width)(x, y)
        left, right = mirrored(float(from_x.min()), float(from_x.max()), width)
        top, bottom = mirrored(float(from_y.min()), float(from_y.max()), height)
        return Region(top, left, bottom, right)


def mirrored(low: float, high: float, size: int) -> tuple[int, int]:
    """First and beyond the last of the ``size`` px that bilinear sampling from ``low`` to ``high`` looks at."""
    first, last = math.floor(low), math.floor(high) + 1
    if first <= -size or last >= 2 * size - 1:
        return 0, size
    start, end = max(0, first), min(size - 1, last)
    if first < 0:
        start, end = 0, max(end, -first)
    if last > size - 1:
        start, end = min(start, 2 * (size - 1) - last), size - 1
    return max(0, min(start, size - 1)), min(size, max(end, 0) + 1)
