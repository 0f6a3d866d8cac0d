"""Lossy compression, there and back: pure functions on RGB uint8 images of shape (H, W, 3).

The pixels of JPEG, WebP and AVIF depend on the version of the codec that OpenCV or Pillow carries.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmqpt.degradations._reduced import padded
from mmqpt.degradations._wavelet import through_wavelet
from mmqpt.degradations.rows import DESIGN_CHOICE, KADID_10K, row

_AT_ONCE = 1 << 14
"""Coefficients that are quantised at a time, so that they stay in the cache."""


@row('texture', unit='libjpeg quality', levels=(48, 30, 19, 12, 7), source=f'{KADID_10K}: JPEG', reach=2, grid=16)
def jpeg(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as baseline JPEG with 4:2:0 chroma at libjpeg's ``quality`` (0 to 100) and decode."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    coded, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    if not coded:
        raise RuntimeError(f'OpenCV could not encode an image of shape {image.shape} as JPEG')
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)


@row(
    'texture',
    unit='grey levels',
    levels=(14, 24, 40, 64, 100),
    source=f'{KADID_10K}: JPEG 2000',
    reach=8,
    grid=32,
    approximate=True,
    version=3,
)
def jpeg2000(image: np.ndarray, step: float) -> np.ndarray:
    """The loss of irreversible JPEG 2000: five levels of the 9/7 wavelet, quantised in steps of ``step``.

    Works on YCbCr in grey levels, with chroma at half the size (4:2:0), whose finest detail would hardly leave the dead
    zone: two steps wide. Other values go to the middle of their step.
    What a codec does besides (blocks of code, arithmetic coding) loses nothing but takes ten times as long; its rate
    control, which is left out too, truncates by block instead of using one step throughout.
    """

    spare = np.empty(_AT_ONCE, np.float32)

    def quantise(coefficients: np.ndarray) -> None:
        values = coefficients.reshape(-1)  # a view
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            half = spare[: len(part)]
            part *= np.float32(1 / step)
            np.trunc(part, out=part)
            np.minimum(part, np.float32(0.5), out=half)
            part += np.maximum(half, np.float32(-0.5), out=half)
            part *= np.float32(step)

    def coded(plane: np.ndarray, depth: int, gain: int) -> np.ndarray:
        values = _shifted(plane, gain, -128 * gain, cv2.CV_32F)
        return _shifted(through_wavelet(values[:, None], depth, quantise)[:, 0], 1 / gain, 128, cv2.CV_8U)

    luma, *chroma = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    height, width = luma.shape
    luma = coded(luma, 5, 1)
    for place, plane in enumerate(chroma):
        half = cv2.resize(padded(plane, 2), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        half = coded(half, 4, 2)  # twice a mean of 2 x 2 px is what a split would leave in the low band
        chroma[place] = cv2.resize(half, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:height, :width]
    return cv2.cvtColor(cv2.merge([luma, *chroma]), cv2.COLOR_YCrCb2RGB)


@row(
    'texture',
    unit='libwebp quality',
    levels=(40, 22, 11, 4, 0),
    source=DESIGN_CHOICE,
    reach=8,
    grid=16,
    approximate=True,
)
def webp(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as lossy WebP at libwebp's ``quality`` (0 to 100) with its fastest method, and decode."""
    data = _encoded(image, 'WEBP', quality=int(quality), method=0)
    # OpenCV gives the pixels that Pillow gives, without the canvas for the frames of an animation.
    return cv2.cvtColor(np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)


@row(
    'texture',
    unit='libavif quality',
    levels=(44, 36, 28, 20, 8),
    source=DESIGN_CHOICE,
    reach=8,
    grid=16,
    approximate=True,
    version=3,
)
def avif(image: np.ndarray, quality: float) -> np.ndarray:
    """Encode as AVIF with 4:2:0 chroma at libavif's ``quality`` (0 to 100) with its fastest speed, and decode.

    Tuned for PSNR, by which libaom decides a third faster than by its default, SSIM.

    Raises:
        RuntimeError: this Pillow was built without AVIF (its wheels have it from 11.3 on).
    """
    try:
        data = _encoded(
            image, 'AVIF', quality=int(quality), speed=10, max_threads=1, codec='aom', advanced={'tune': 'psnr'}
        )
    except KeyError:
        raise RuntimeError('operator avif needs a Pillow with AVIF (11.3 or newer)') from None
    with _one_thread(), Image.open(io.BytesIO(data), formats=['AVIF']) as coded:
        return np.array(coded)


def _shifted(plane: np.ndarray, gain: float, by: float, depth: int) -> np.ndarray:
    return cv2.addWeighted(plane, gain, plane, 0, by, dtype=depth)


def _encoded(image: np.ndarray, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, **options)
    return data.getvalue()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Inside, Pillow decodes AVIF with one thread. By itself it starts one a core, in every worker of a loader."""
    from PIL import AvifImagePlugin  # the Pillow that encoded has it

    before = AvifImagePlugin.DEFAULT_MAX_THREADS
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    try:
        yield
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = before
