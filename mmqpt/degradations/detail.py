"""Too much smoothing and too much sharpening: pure functions on RGB uint8 images of shape (H, W, 3).

The border is mirrored (reflect-101), but for medians, which repeat the last pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, gaussian, gaussian_reach

_MASK_SIGMA = 1.5
_WIENER_SIDE = 9
_KUWAHARA_SIDE = 5


def denoise(image: np.ndarray, size: float) -> np.ndarray:
    """Median filter of ``size`` x ``size`` px: the smeared look of too much noise reduction.

    Sizes are odd; above 5 px, where exact medians are slow, the photo is reduced until a 5 x 5 median covers the
    window, and enlarged again.
    """
    if size <= 5:
        return cv2.medianBlur(image, int(size))
    height, width = image.shape[:2]
    small = (max(1, round(width * 5 / size)), max(1, round(height * 5 / size)))
    reduced = cv2.medianBlur(cv2.resize(image, small, interpolation=cv2.INTER_AREA), 5)
    return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_CUBIC)


def over_smoothing(image: np.ndarray, noise: float) -> np.ndarray:
    """Local Wiener filter (Lee, IEEE TPAMI 1980) that takes all detail below ``noise`` grey levels for noise.

    Each pixel moves to the mean of its 9 x 9 px by the share ``noise^2 / (noise^2 + variance)``, the variance being
    that of the luma: flat texture turns to plastic while strong edges stay.
    """
    side = (_WIENER_SIDE, _WIENER_SIDE)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = cv2.boxFilter(luma, cv2.CV_32F, side, borderType=BORDER)
    variance = cv2.sqrBoxFilter(luma, cv2.CV_32F, side, borderType=BORDER) - mean * mean
    smooth = np.float32(noise**2) / (np.maximum(variance, 0) + np.float32(noise**2))
    return cv2.blendLinear(cv2.blur(image, side, borderType=BORDER), image, smooth, 1 - smooth)


def smear(image: np.ndarray, amount: float) -> np.ndarray:
    """Move by a share ``amount`` towards a Kuwahara filter: the painted look of strong noise reduction in phones.

    The filter takes the mean of whichever of four windows of 5 px with the pixel in their corner has the flattest luma.
    """
    side, reach = (_KUWAHARA_SIDE, _KUWAHARA_SIDE), _KUWAHARA_SIDE // 2
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    spread = _exact_spread(luma)
    means = cv2.blur(image, side, borderType=BORDER)
    means, spread = (cv2.copyMakeBorder(part, reach, reach, reach, reach, BORDER) for part in (means, spread))
    height, width = luma.shape
    corners = [(y, x) for y in (0, 2 * reach) for x in (0, 2 * reach)]
    windows = [tuple(part[y : y + height, x : x + width] for part in (means, spread)) for y, x in corners]
    out, best = (part.copy() for part in windows[0])
    for value, window in windows[1:]:
        out = cv2.copyTo(value, cv2.compare(window, best, cv2.CMP_LT), out)
        best = cv2.min(window, best)
    return cv2.addWeighted(image, 1 - amount, out, amount, 0)


def sharpen(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask with sigma 1.5 px: ``image + amount (image - blurred)``; halos at edges."""
    return cv2.addWeighted(image, 1 + amount, gaussian(image, _MASK_SIGMA), -amount, 0)


def local_contrast(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp mask with a box of 31 px applied twice: wide halos, as in photos with too much tone mapping."""
    blurred = cv2.blur(cv2.blur(image, (31, 31), borderType=BORDER), (31, 31), borderType=BORDER)
    return cv2.addWeighted(image, 1 + amount, blurred, -amount, 0)


def ringing(image: np.ndarray, cutoff: float) -> np.ndarray:
    """Ideal low-pass in x and in y at ``cutoff`` times the Nyquist frequency, a sinc cut after its second side lobe.

    After the sinc filter of Real-ESRGAN (Wang et al., ICCVW 2021), here separable.
    """
    reach = ringing_reach(cutoff)
    kernel = np.sinc(cutoff * np.arange(-reach, reach + 1))
    kernel /= kernel.sum()
    return cv2.sepFilter2D(image, -1, kernel, kernel, borderType=BORDER)


def ringing_reach(cutoff: float) -> int:
    """The third zero of the sinc."""
    return int(np.ceil(3 / cutoff))


SHARPEN_REACH = gaussian_reach(_MASK_SIGMA)
LOCAL_CONTRAST_REACH = 30
WIENER_REACH = _WIENER_SIDE // 2
SMEAR_REACH = _KUWAHARA_SIDE - 1


def _exact_spread(luma: np.ndarray) -> np.ndarray:
    """The variance in the windows of ``smear``, times their squared area; alike wherever a window stands in a photo.

    Sums of bytes are exact in float32. Means are not, and OpenCV rounds them by the place in the row.
    """
    side = (_KUWAHARA_SIDE, _KUWAHARA_SIDE)
    total = cv2.boxFilter(luma, cv2.CV_32F, side, normalize=False, borderType=BORDER)
    squares = cv2.sqrBoxFilter(luma, cv2.CV_32F, side, normalize=False, borderType=BORDER)
    np.multiply(squares, _KUWAHARA_SIDE**2, out=squares)
    np.multiply(total, total, out=total)
    return np.subtract(squares, total, out=squares)
