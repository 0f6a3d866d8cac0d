"""Is this a photo that can be degraded, and if not, what would make it one?"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError


def check_image(image: Any) -> None:
    """Raise InputError for what is not a uint8 array of shape (H, W, 3) with pixels."""
    if not isinstance(image, np.ndarray):
        raise InputError(f'{_RULE}, got {type(image).__name__}{_hint_for_object(image)}')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f'{_RULE}, got {image.dtype} {image.shape}{_hint_for_array(image)}')
    if 0 in image.shape:
        raise InputError(f'image must have pixels, got shape {image.shape}')


_RULE = 'image must be an RGB uint8 array of shape (H, W, 3)'


def _hint_for_object(image: Any) -> str:
    if isinstance(image, (str, os.PathLike)):
        return ': mmqpt.core.photo.read_photo reads a file'
    if hasattr(image, 'convert') and hasattr(image, 'getbands'):  # of Pillow
        return ": np.asarray(image.convert('RGB')) makes one of it"
    if hasattr(image, 'permute') and hasattr(image, 'numpy'):  # of PyTorch
        return ': image.permute(1, 2, 0).cpu().numpy() makes one of a uint8 tensor of shape (3, H, W)'
    return ''


def _hint_for_array(image: np.ndarray) -> str:
    if image.ndim == 2:
        return ': np.stack([image] * 3, axis=2) makes one of a grey photo'
    if image.ndim != 3:
        return ''
    if image.shape[2] == 3 and np.issubdtype(image.dtype, np.floating):
        return ': (255 * image).round().astype(np.uint8) makes one of values from 0 to 1'
    if image.shape[2] == 1:
        return ': image.repeat(3, axis=2) makes one of a grey photo'
    if image.shape[2] == 4:
        return ': image[..., :3] leaves the alpha channel out'
    return ': image.transpose(1, 2, 0) puts the channels last' if image.shape[0] == 3 else ''
