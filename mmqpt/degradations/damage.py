"""Lost, wrong or misplaced pixels: pure functions on RGB uint8 images of shape (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import STRIP, covered, in_strips, shifted
from mmqpt.degradations._random import generator, whole_numbers
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, TID2013, row

_MACROBLOCK = 16
_TILE = 32
_BAYER = 8


@row(
    'texture',
    unit='share of the area',
    levels=(0.02, 0.045, 0.09, 0.16, 0.28),
    source=f'{TID2013}: JPEG transmission errors',
    scattered=True,
    reach=_MACROBLOCK,
)
def lost_blocks(image: np.ndarray, share: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Lose runs of 1 to 6 macroblocks of 16 px, as a broken stream does.

    The runs make up about a ``share`` of the photo; there is at least one. A run is filled with the row of pixels
    above it, the first row of blocks with mid-grey.
    """
    frame = frame or Frame.of(image)
    height, width, shown, asked = frame
    rows, columns = -(-height // _MACROBLOCK), -(-width // _MACROBLOCK)
    mean_run = 3.5
    count = max(1, round(share * rows * columns / mean_run))
    down, across, more = whole_numbers(generator(seed), count, rows, columns, 6).T
    top, left = _MACROBLOCK * down, _MACROBLOCK * across
    out = frame.cut(image).copy()
    for area, first in zip(*covered(top, left, _MACROBLOCK, _MACROBLOCK * (1 + more), asked, top), strict=True):
        columns_ = slice(area.left - shown.left, area.right - shown.left)
        area.cut(out, asked)[...] = image[first - 1 - shown.top, columns_] if first > 0 else 128
    return out


@row(
    'texture',
    unit='share of the area',
    levels=(0.01, 0.025, 0.05, 0.09, 0.16),
    source=f'{KADID_10K}: colour block',
    scattered=True,
    reach=0,
)
def colour_blocks(image: np.ndarray, share: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Cover squares of 32 px, anywhere, with random colours; together a ``share`` of the photo, at least one square."""
    frame = frame or Frame.of(image)
    height, width, _, asked = frame
    side_y, side_x = min(_TILE, height), min(_TILE, width)
    count = max(1, round(share * height * width / (side_y * side_x)))
    top, left, *colour = whole_numbers(generator(seed), count, height - side_y + 1, width - side_x + 1, 256, 256, 256).T
    out = frame.cut(image).copy()
    for area, *value in zip(*covered(top, left, side_y, side_x, asked, *colour), strict=True):
        area.cut(out, asked)[...] = value
    return out


@row('texture', unit='share of the pixels', levels=(0.0008, 0.002, 0.005, 0.012, 0.03), source=DESIGN_CHOICE, reach=0)
def dead_pixels(image: np.ndarray, share: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Stuck sensor cells: a ``share`` of the pixels, at least one, has one channel at 0 or 255.

    Demosaicing spreads the fault: the four neighbours move half of the way in that channel.
    """
    frame = frame or Frame.of(image)
    height, width, _, asked = frame
    count = max(1, round(share * height * width))
    y, x, channel, bright = whole_numbers(generator(seed), count, height, width, 3, 2).T
    near = (y >= asked.top - 1) & (y <= asked.bottom) & (x >= asked.left - 1) & (x <= asked.right)
    y, x, channel, value = (part[near] for part in (y, x, channel, (255 * bright).astype(np.uint8)))
    image = np.ascontiguousarray(frame.cut(image))
    flat, out = image.reshape(-1), image.flatten()

    def inside(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in ``flat``, and which of the pixels lie there."""
        here = (y >= asked.top) & (y < asked.bottom) & (x >= asked.left) & (x < asked.right)
        return (((y - asked.top) * asked.width + x - asked.left) * 3 + channel)[here], here

    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        at, here = inside((y + down).clip(0, height - 1), (x + right).clip(0, width - 1))
        out[at] = (flat[at] >> 1) + (value[here] >> 1)
    at, here = inside(y, x)
    out[at] = value[here]
    return out.reshape(image.shape)


def interlace_reach(pixels: float) -> int:
    """The shift, and a px of interpolation."""
    return int(np.ceil(pixels)) + 1


@row(
    'texture',
    unit='px',
    levels=(0.8, 1.6, 3, 5.5, 10),
    source=DESIGN_CHOICE,
    reach=interlace_reach,
    grid=2,
    version=2,
)
def interlace(image: np.ndarray, pixels: float) -> np.ndarray:
    """Move every second row sideways by ``pixels`` px: two fields of a moving camera woven into one frame.

    Sub-pixel shifts are bilinear, in steps of 1/64 px; the border is mirrored (reflect-101).
    """
    out = image.copy()
    if len(image) > 1:
        out[1::2] = shifted(image[1::2], float(np.rint(64 * pixels) / 64), 0)
    return out


@row('texture', unit='values a channel', levels=(9, 6, 4, 3, 2), source='Bayer, 1973', reach=0, grid=_BAYER)
def dither(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel with ordered dithering (Bayer, 1973; 8 x 8 px)."""
    step = 255 / (values - 1)
    offset = np.rint((_bayer(3) - 0.5) * step)
    more, less = (_repeated(part.clip(0).astype(np.uint8), image.shape[1]) for part in (offset, -offset))
    nearest = np.rint(np.rint(np.arange(256) / step) * step).astype(np.uint8)

    def dithered(part: np.ndarray, _: slice) -> np.ndarray:
        return cv2.LUT(cv2.subtract(cv2.add(part, more[: len(part)]), less[: len(part)]), nearest)

    return in_strips(image, dithered)


def _repeated(tile: np.ndarray, width: int) -> np.ndarray:
    """A square tile over a strip of ``width`` px, in three channels."""
    tiled = np.tile(tile, (STRIP // len(tile), -(-width // len(tile))))
    return cv2.cvtColor(tiled, cv2.COLOR_GRAY2RGB)[:, :width]


def _bayer(order: int) -> np.ndarray:
    """Thresholds of 2^order x 2^order px, evenly spaced inside (0, 1)."""
    ranks = np.zeros((1, 1))
    for _ in range(order):
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return (ranks + 0.5) / ranks.size
