"""Too much smoothing: pure functions on RGB uint8 images of shape (H, W, 3).

The border is mirrored (reflect-101), except by medians, which repeat the last pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, in_strips
from mmqpt.degradations._reduced import enlarge, reduce, reduced_grid, reduced_reach
from mmqpt.degradations.frame import Frame
from mmqpt.degradations.noise import white_noise
from mmqpt.degradations.rows import KADID_10K, TID2013, row

_EXACT_MEDIAN = 5
_WIENER_SIDE = 9
_KUWAHARA_SIDE = 5


def denoise_reach(size: float) -> int:
    """Half the window; where the photo is reduced, also what the reduction and the enlargement look at."""
    return int(size) // 2 if size <= _EXACT_MEDIAN else reduced_reach(size / _EXACT_MEDIAN, 1, 2 + _EXACT_MEDIAN // 2)


def denoise_grid(size: float) -> int:
    """Whole pixels of the reduced photo."""
    return 1 if size <= _EXACT_MEDIAN else reduced_grid(size / _EXACT_MEDIAN)


@row(
    'texture',
    unit='px',
    levels=(3, 5, 7, 10, 14),
    source=f'{TID2013}: image denoising',
    reach=denoise_reach,
    grid=denoise_grid,
    ties=True,
    version=2,
)
def denoise(image: np.ndarray, size: float) -> np.ndarray:
    """Median filter of ``size`` x ``size`` px: the smeared look of too much noise reduction.

    Sizes are odd; above 5 px, where exact medians are slow, the photo is reduced until a 5 x 5 median covers the
    window, and enlarged again.
    """
    if size <= _EXACT_MEDIAN:
        return cv2.medianBlur(image, int(size))
    reduced = cv2.medianBlur(reduce(image, size / _EXACT_MEDIAN, cv2.INTER_AREA), _EXACT_MEDIAN)
    return enlarge(reduced, size / _EXACT_MEDIAN, cv2.INTER_CUBIC, image.shape)


@row(
    'texture',
    unit='grey levels',
    levels=(4, 8, 15, 28, 55),
    source='Lee, IEEE TPAMI 1980',
    reach=_WIENER_SIDE // 2,
    ties=True,
)
def over_smoothing(image: np.ndarray, noise: float) -> np.ndarray:
    """Local Wiener filter (Lee, IEEE TPAMI 1980) that takes all detail below ``noise`` grey levels for noise.

    Each pixel moves to the mean of its 9 x 9 px by the share ``noise^2 / (noise^2 + variance)``, the variance being
    that of the luma: flat texture turns to plastic while strong edges stay.
    """
    side = (_WIENER_SIDE, _WIENER_SIDE)
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean = cv2.boxFilter(luma, cv2.CV_32F, side, borderType=BORDER)
    squares = cv2.sqrBoxFilter(luma, cv2.CV_32F, side, borderType=BORDER)
    flat = cv2.blur(image, side, borderType=BORDER)

    def smoothed(part: np.ndarray, rows: slice) -> np.ndarray:
        middle, smooth = mean[rows], squares[rows]
        np.subtract(smooth, np.multiply(middle, middle, out=middle), out=smooth)  # the variance
        np.maximum(smooth, 0, out=smooth)
        np.divide(np.float32(noise**2), np.add(smooth, np.float32(noise**2), out=smooth), out=smooth)
        return cv2.blendLinear(flat[rows], part, smooth, np.subtract(1, smooth, out=middle))

    return in_strips(image, smoothed)


@row('texture', unit='1', levels=(0.2, 0.4, 0.6, 0.8, 1), source='Kuwahara et al., 1976', reach=_KUWAHARA_SIDE - 1)
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


@row(
    'texture',
    unit='grey levels',
    levels=(5, 10, 18, 30, 48),
    source=f'{KADID_10K}: denoise',
    reach=_WIENER_SIDE // 2,
    ties=True,
    version=3,
)
def denoised_noise(image: np.ndarray, sigma: float, seed: int, frame: Frame | None = None) -> np.ndarray:
    """Add white noise of ``sigma`` grey levels, then smooth away all detail below 1.5 times that.

    See :func:`over_smoothing`: flat parts lose their texture, blotches and the noise along edges remain.
    """
    frame = frame or Frame.of(image)
    noisy = white_noise(image, sigma, seed, frame._replace(asked=frame.shown))
    return frame.cut(over_smoothing(noisy, 1.5 * sigma))


def _exact_spread(luma: np.ndarray) -> np.ndarray:
    """The variance in the windows of ``smear``, times their squared area; the same wherever in the photo a window lies.

    Sums of bytes are exact in float32. Means are not, and OpenCV rounds them by the place in the row.
    """
    side = (_KUWAHARA_SIDE, _KUWAHARA_SIDE)
    total = cv2.boxFilter(luma, cv2.CV_32F, side, normalize=False, borderType=BORDER)
    squares = cv2.sqrBoxFilter(luma, cv2.CV_32F, side, normalize=False, borderType=BORDER)
    np.multiply(squares, _KUWAHARA_SIDE**2, out=squares)
    np.multiply(total, total, out=total)
    return np.subtract(squares, total, out=squares)
