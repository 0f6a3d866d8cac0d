"""Lossy compression, there and back: pure functions on RGB uint8 images of shape (H, W, 3).

The pixels of JPEG, WebP and AVIF depend on the version of the codec that OpenCV or Pillow carries.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from mmqpt.degradations._wavelet import through_wavelet


def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as baseline JPEG with 4:2:0 chroma at libjpeg's ``quality`` (0 to 100) and decode."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    coded, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not coded:
        raise RuntimeError(f'OpenCV could not encode an image of shape {image.shape} as JPEG')
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def jpeg2000(image: np.ndarray, step: float) -> np.ndarray:
    """The loss of irreversible JPEG 2000: four levels of the 9/7 wavelet, quantised in steps of ``step`` grey levels.

    Works on YCbCr with twice the step for chroma; a dead zone of two steps, other values at the middle of their step.
    What a codec does besides (blocks of code, arithmetic coding) loses nothing but takes ten times as long; its rate
    control, which is left out too, truncates by block instead of using one step throughout.
    """
    steps = np.array([step, 2 * step, 2 * step], np.float32)

    def quantised(band: np.ndarray) -> np.ndarray:
        count = band * (1 / steps)
        np.trunc(count, out=count)
        count += 0.5 * np.sign(count)
        count *= steps
        return count

    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    planes -= 128
    planes = through_wavelet(planes, 4, quantised)
    planes += 128
    return cv2.cvtColor(np.rint(planes, out=planes).clip(0, 255).astype(np.uint8), cv2.COLOR_YCrCb2RGB)


def webp(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as lossy WebP at libwebp's ``quality`` (0 to 100) with its fastest method, and decode."""
    return _through_pillow(image, 'WEBP', quality=int(quality), method=0)


def avif(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as AVIF with 4:2:0 chroma at libavif's ``quality`` (0 to 100) with its fastest speed, and decode.

    Raises:
        RuntimeError: this Pillow was built without AVIF (its wheels have it from 11.3 on).
    """
    try:
        return _through_pillow(image, 'AVIF', quality=int(quality), speed=10, max_threads=1)
    except KeyError:
        raise RuntimeError('operator avif needs a Pillow with AVIF (11.3 or newer)') from None


def _through_pillow(image: np.ndarray, form: str, **options: int) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, **options)
    with Image.open(data) as coded:
        return np.array(coded.convert('RGB'))
