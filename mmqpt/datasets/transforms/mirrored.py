"""Crops of photos that are smaller than the crop."""

from __future__ import annotations

import numpy as np


def mirrored_to(image: np.ndarray, side: int) -> np.ndarray:
    """The image, continued by its mirror image to the right and below until it has ``side`` px both ways.

    Very long photos are smaller than a training crop under a size rule that bounds the long side; batches need crops of
    one size. Mirroring invents no edge and no texture that the photo lacks.

    Args:
        image: (..., H, W, C).
        side: px.

    Returns:
        (..., max(H, side), max(W, side), C); the very same array where it is large enough.
    """
    height, width = image.shape[-3:-1]
    missing = (max(0, side - height), max(0, side - width))
    if missing == (0, 0):
        return image
    pads = [(0, 0)] * (image.ndim - 3) + [(0, missing[0]), (0, missing[1]), (0, 0)]
    return np.pad(image, pads, mode='symmetric')
