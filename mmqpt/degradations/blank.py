"""Frames without a picture: what a lens cap sees, an empty page, a few pixels enlarged."""

from __future__ import annotations

import cv2
import numpy as np

BLANK_KINDS = ('black', 'white', 'grey', 'colour', 'pixels')
"""Frames without a picture: near black, near white, one grey, one colour, or a few pixels enlarged."""


def blank_frame(photo: np.ndarray, rng: np.random.Generator, kind: str | None = None) -> np.ndarray:
    """A frame without a picture, with or without weak noise.

    Args:
        photo: uint8 (H, W, 3): the size, and what the few pixels show.
        rng: the only source of randomness.
        kind: one of :data:`BLANK_KINDS`; drawn by default.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = photo.shape[:2]
    kind = kind or BLANK_KINDS[rng.integers(len(BLANK_KINDS))]
    if kind == 'pixels':
        few = cv2.resize(photo, tuple(rng.integers(2, 7, 2).tolist()), interpolation=cv2.INTER_AREA)
        how = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_NEAREST
        return cv2.resize(few, (width, height), interpolation=how)
    colour = {'black': rng.integers(0, 6, 1), 'white': rng.integers(250, 256, 1), 'grey': rng.integers(6, 250, 1)}
    frame = np.full((height, width, 3), colour.get(kind, rng.integers(0, 256, 3)), np.float64)
    if rng.random() < 0.5:
        frame += rng.normal(0, rng.uniform(0.3, 2), (height, width, 1 if rng.random() < 0.5 else 3))
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)
