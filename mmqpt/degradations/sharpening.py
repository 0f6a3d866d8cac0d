"""Halos: too much sharpening, and the ripples of a sharp cut in frequency.

Pure functions on RGB uint8 images of shape (H, W, 3); the border is mirrored (reflect-101).
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, gaussian, gaussian_reach
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

_MASK_SIGMA = 1.5
_BOX_SIDE = 31


@row(
    'texture',
    unit='1',
    levels=(0.6, 1.2, 2.2, 3.8, 6.5),
    source=f'{KADID_10K}: high sharpen',
    reach=gaussian_reach(_MASK_SIGMA),
    taste=True,
)
def sharpen(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask with sigma 1.5 px: ``image + amount (image - blurred)``; halos at edges."""
    return cv2.addWeighted(image, 1 + amount, gaussian(image, _MASK_SIGMA), -amount, 0)


@row('texture', unit='1', levels=(0.25, 0.5, 0.9, 1.5, 2.5), source=DESIGN_CHOICE, reach=_BOX_SIDE - 1, taste=True)
def local_contrast(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask with a box of 31 px applied twice: wide halos, as in photos with too much tone mapping."""
    blurred = cv2.blur(
        cv2.blur(image, (_BOX_SIDE, _BOX_SIDE), borderType=BORDER), (_BOX_SIDE, _BOX_SIDE), borderType=BORDER
    )
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def ringing_reach(cutoff: float) -> int:
    """The third zero of the sinc."""
    return int(np.ceil(3 / cutoff))


@row(
    'texture',
    unit='Nyquist frequency',
    levels=(0.7, 0.5, 0.36, 0.26, 0.18),
    source='Real-ESRGAN (Wang et al., ICCVW 2021)',
    reach=ringing_reach,
    ties=True,
)
def ringing(image: np.ndarray, cutoff: float) -> np.ndarray:
    """Ideal low-pass in x and in y at ``cutoff`` times the Nyquist frequency, a sinc cut after its second side lobe.

    After the sinc filter of Real-ESRGAN (Wang et al., ICCVW 2021), here separable.
    """
    reach = ringing_reach(cutoff)
    kernel = np.sinc(cutoff * np.arange(-reach, reach + 1))
    kernel /= kernel.sum()
    return cv2.sepFilter2D(image, -1, kernel, kernel, borderType=BORDER)
