"""Lost, wrong or misplaced pixels: pure functions on RGB uint8 images of shape (H, W, 3)."""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER
from mmqpt.degradations._random import generator, whole_numbers
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, TID2013, row

_MACROBLOCK = 16
_TILE = 32


@row(
    'texture',
    unit='share of the area',
    levels=(0.02, 0.045, 0.09, 0.16, 0.28),
    source=f'{TID2013}: JPEG transmission errors',
)
def lost_blocks(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Lose runs of 1 to 6 macroblocks of 16 px, as a broken stream does.

    The runs make up about a ``share`` of the photo; there is at least one. A run is filled with the row of pixels
    above it, the first row of blocks with mid-grey.
    """
    height, width = image.shape[:2]
    rng = generator(seed)
    rows, columns = -(-height // _MACROBLOCK), -(-width // _MACROBLOCK)
    mean_run = 3.5
    count = max(1, round(share * rows * columns / mean_run))
    out = image.copy()
    for down, across, more in whole_numbers(rng, count, rows, columns, 6).tolist():
        y, x, end = _MACROBLOCK * down, _MACROBLOCK * across, _MACROBLOCK * (across + 1 + more)
        out[y : y + _MACROBLOCK, x:end] = image[y - 1, x:end] if y > 0 else 128
    return out


@row('texture', unit='share of the area', levels=(0.01, 0.025, 0.05, 0.09, 0.16), source=f'{KADID_10K}: colour block')
def colour_blocks(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Cover squares of 32 px, anywhere, with random colours; together a ``share`` of the photo, at least one square."""
    height, width = image.shape[:2]
    rng = generator(seed)
    side_y, side_x = min(_TILE, height), min(_TILE, width)
    count = max(1, round(share * height * width / (side_y * side_x)))
    out = image.copy()
    for y, x, *colour in whole_numbers(rng, count, height - side_y + 1, width - side_x + 1, 256, 256, 256).tolist():
        out[y : y + side_y, x : x + side_x] = colour
    return out


@row('texture', unit='share of the pixels', levels=(0.0008, 0.002, 0.005, 0.012, 0.03), source=DESIGN_CHOICE)
def dead_pixels(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Stuck sensor cells: a ``share`` of the pixels, at least one, has one channel at 0 or 255.

    Demosaicing spreads the fault: the four neighbours move half of the way in that channel.
    """
    height, width = image.shape[:2]
    rng = generator(seed)
    count = max(1, round(share * height * width))
    y, x, channel, bright = whole_numbers(rng, count, height, width, 3, 2).T
    value = (255 * bright).astype(np.uint8)
    flat, out = image.reshape(-1), image.flatten()
    for shift_y, shift_x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        at = ((y + shift_y).clip(0, height - 1) * width + (x + shift_x).clip(0, width - 1)) * 3 + channel
        out[at] = (flat[at] >> 1) + (value >> 1)
    out[(y * width + x) * 3 + channel] = value
    return out.reshape(image.shape)


@row('texture', unit='px', levels=(0.8, 1.6, 3, 5.5, 10), source=DESIGN_CHOICE)
def interlace(image: np.ndarray, pixels: float) -> np.ndarray:
    """Move every second row sideways by ``pixels`` px: two fields of a moving camera woven into one frame.

    Sub-pixel shifts are bilinear; the border is mirrored (reflect-101).
    """
    out = image.copy()
    field = np.ascontiguousarray(image[1::2])
    if field.size:
        matrix = np.array([[1.0, 0.0, pixels], [0.0, 1.0, 0.0]])
        size = (field.shape[1], field.shape[0])
        out[1::2] = cv2.warpAffine(field, matrix, size, flags=cv2.INTER_LINEAR, borderMode=BORDER)
    return out


@row('texture', unit='values a channel', levels=(9, 6, 4, 3, 2), source='Bayer, 1973')
def dither(image: np.ndarray, values: float) -> np.ndarray:
    """Keep ``values`` evenly spaced values per channel with ordered dithering (Bayer, 1973; 8 x 8 px)."""
    height, width = image.shape[:2]
    step = 255 / (values - 1)
    offset = np.rint((_bayer(3) - 0.5) * step).astype(np.int16)
    tiled = np.tile(offset, (-(-height // 8), -(-width // 8)))[:height, :width]
    moved = cv2.add(image, cv2.merge([tiled] * 3), dtype=cv2.CV_8U)
    return cv2.LUT(moved, np.rint(np.rint(np.arange(256) / step) * step).astype(np.uint8))


def _bayer(order: int) -> np.ndarray:
    """Thresholds of 2^order x 2^order px, evenly spaced inside (0, 1)."""
    ranks = np.zeros((1, 1))
    for _ in range(order):
        ranks = np.block([[4 * ranks, 4 * ranks + 2], [4 * ranks + 3, 4 * ranks + 1]])
    return (ranks + 0.5) / ranks.size
