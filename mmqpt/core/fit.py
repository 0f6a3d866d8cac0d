"""Small copies of photos, to be looked at."""

from __future__ import annotations

import numpy as np
from PIL import Image


def fit_box(photo: np.ndarray, width: int, height: int) -> np.ndarray:
    """Reduce uint8 (H, W, 3) or (H, W) to at most ``width`` x ``height`` px; a smaller photo is given back as it is."""
    scale = min(width / photo.shape[1], height / photo.shape[0])
    if scale >= 1:
        return photo
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    return np.array(Image.fromarray(photo).resize(size, Image.Resampling.BOX))
