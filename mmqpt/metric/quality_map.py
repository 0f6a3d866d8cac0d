"""Where in a photo the quality is low: scores of a grid of patches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.photo_input import prepare_photo
from mmqpt.core.view import View
from mmqpt.metric.scorer import Scorer

MAX_SIDE = 1024
"""Larger photos are reduced to this long side (px) before they are cut into patches."""

PATCH = 128
STRIDE = 32

PLAIN = 3.0
"""Patches whose luma strays from a plane by less than this have no detail: clear sky, a wall, a blank frame. Root mean
square, in grey levels out of 255. A design choice; noise and texture that can be seen are above it."""

_AT_ONCE = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class QualityMap:
    """Local quality of a photo.

    Args:
        scores: (rows, columns) scores of the patches, in (0, 1), higher is better.
        tops: (rows,) first px row of the patches.
        lefts: (columns,) first px column of the patches.
        patch: height and width of a patch in px.
        photo: uint8 (H, W, 3) RGB, the photo that the patches were cut from.
    """

    scores: np.ndarray
    tops: np.ndarray
    lefts: np.ndarray
    patch: tuple[int, int]
    photo: np.ndarray

    def per_pixel(self) -> np.ndarray:
        """(H, W) scores: linear between the centres of the patches, constant beyond the outermost."""
        return self._spread(self.scores)

    def plain(self) -> np.ndarray:
        """(rows, columns), whether the patch has no detail to judge (see :data:`PLAIN`)."""
        luma = self.photo.astype(np.float32) @ _LUMA
        height, width = self.patch
        rests = [_rest(luma[y : y + height, x : x + width]) for y in self.tops for x in self.lefts]
        return np.array(rests).reshape(self.scores.shape) < PLAIN

    def plain_per_pixel(self) -> np.ndarray:
        """(H, W), whether most of what a px' score comes from are patches without detail."""
        found: np.ndarray = self._spread(self.plain().astype(np.float64)) > 0.5
        return found

    def _spread(self, values: np.ndarray) -> np.ndarray:
        height, width = self.photo.shape[:2]
        rows = _weights(self.tops + (self.patch[0] - 1) / 2, height)
        columns = _weights(self.lefts + (self.patch[1] - 1) / 2, width)
        spread: np.ndarray = rows @ values @ columns.T
        return spread


def quality_map(scorer: Scorer, photo: Any, patch: int = PATCH, stride: int = STRIDE) -> QualityMap:
    """Score patches of a photo by themselves.

    The patches skip the size rule of the weights (a design choice), which would enlarge a small patch to the size of a
    photo and blur it. Their scores compare places within one photo; they are not on the scale of scores of photos,
    unless the weights were trained on such crops.

    Args:
        scorer: the weights.
        photo: as for :meth:`Scorer.score`. First a larger one is reduced to a long side of :data:`MAX_SIDE` px, or a
            smaller one enlarged to a short side of ``patch`` px.
        patch: side of the square patches in px, at least 32; cut to the short side of a very long strip.
        stride: largest step in px from one patch to the next; they are evenly spaced, the outermost touch the edges.

    Raises:
        FileNotFoundError: no such file.
        InputError: a photo that can't be read, or patch or stride out of range.
    """
    if not 32 <= patch <= MAX_SIDE:
        raise InputError(f'patch must be from 32 to {MAX_SIDE} px, got {patch}')
    if not 1 <= stride <= patch:
        raise InputError(f'stride must be from 1 px to patch ({patch} px), got {stride}')
    pixels = prepare_photo(photo, View(min_side=patch, max_side=MAX_SIDE))
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32) / 255
    height, width = min(patch, pixels.shape[1]), min(patch, pixels.shape[2])
    tops, lefts = _starts(pixels.shape[1], height, stride), _starts(pixels.shape[2], width, stride)
    places = [(top, left) for top in tops for left in lefts]
    scores: list[float] = []
    for first in range(0, len(places), _AT_ONCE):
        cut = [pixels[:, y : y + height, x : x + width] for y, x in places[first : first + _AT_ONCE]]
        scores += scorer.score_view(np.stack(cut)).tolist()
    shown = (pixels * 255).round().astype(np.uint8).transpose(1, 2, 0)
    return QualityMap(np.array(scores).reshape(len(tops), len(lefts)), tops, lefts, (height, width), shown)


def _rest(luma: np.ndarray) -> float:
    """Root mean square of what the best plane leaves of (H, W)."""
    rest = luma - luma.mean()
    for axis, length in enumerate(luma.shape):  # the ramps are orthogonal to each other and to the mean
        ramp = np.arange(length) - (length - 1) / 2
        along = rest.mean(axis=1 - axis)
        slope = (along @ ramp) / max(1e-12, ramp @ ramp)
        rest = rest - np.expand_dims(slope * ramp, 1 - axis)
    return float(np.sqrt(np.mean(rest**2)))


def _starts(length: int, size: int, stride: int) -> np.ndarray:
    """Start of each of the fewest evenly spaced intervals that are at most ``stride`` apart and reach both ends."""
    count = 1 + -(-(length - size) // stride)
    return np.linspace(0, length - size, count).round().astype(np.int64)


def _weights(centres: np.ndarray, length: int) -> np.ndarray:
    """(length, len(centres)) weights of linear interpolation at every px."""
    at = np.arange(length)
    return np.stack([np.interp(at, centres, one) for one in np.eye(len(centres))], axis=1)
