"""From a photo in any form to the array that the network is given. Needs no torch, unless the photo is a tensor."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from PIL import Image

from mmqpt.core.errors import InputError, PhotoError, first_line
from mmqpt.core.limits import MAX_PIXELS
from mmqpt.core.photo import BACKGROUND, blend, image_pixels, read_photo
from mmqpt.core.photo_limits import check_pixels
from mmqpt.core.view import View

if TYPE_CHECKING:
    from torch import Tensor

Photo: TypeAlias = 'str | os.PathLike[str] | bytes | bytearray | Image.Image | np.ndarray | Tensor'
"""What :func:`prepare_photo` takes."""

ARRAY_RULE = 'an array must have shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA'
_ROUNDING = 1e-5
"""Floats may be below 0 or above 1 by this much, or by two steps of their type, and are clipped."""

TENSOR_RULE = 'a tensor must have shape (3, H, W), (1, H, W), (1, 3, H, W) or (1, 1, H, W)'


def prepare_photo(photo: Photo, view: View, name: str | None = None) -> np.ndarray:
    """One photo within the size bounds of ``view``, from whatever holds it.

    A file, its bytes, its Pillow image and its array of pixels give the same result. Files and Pillow images follow the
    rules of :func:`mmqpt.core.photo.read_photo`; of an animation, the current frame counts. Arrays and
    tensors are taken as RGB without EXIF: uint8, uint16 (arrays only; the high byte counts, as in files), or
    floating-point in [0, 1]. Transparency of arrays is composited on white.

    Args:
        photo: path of a file, the bytes of one, Pillow image, array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or
            tensor (3, H, W), (1, H, W), (1, 3, H, W) or (1, 1, H, W) on any device.
        view: the size rule of the weights.
        name: what to call the photo in an error; a path, ``<bytes>``, ``<array>`` and the like by default.

    Returns:
        (3, H', W'): uint8 when the photo has 8 bits and is within the bounds, else float32 in [0, 1]. It may
        not be contiguous or writable, and may share memory with the array or tensor that was given.

    Raises:
        FileNotFoundError: there is no such file.
        PhotoError: can't be read, or has a shape, type or range that is ambiguous; names the photo.
        InputError: not a photo at all.
    """
    return fit_photo(photo_pixels(photo, name), view, photo, name)


def photo_pixels(photo: Photo, name: str | None = None) -> np.ndarray:
    """The photo as it is stored: (3, H, W), uint8 or float32 in [0, 1]; see :func:`prepare_photo`, also for errors."""
    if isinstance(photo, np.ndarray):
        return _from_array(photo, name or '<array>').transpose(2, 0, 1)
    if isinstance(photo, Image.Image):
        named = name or str(getattr(photo, 'filename', '') or '<image>')
        return image_pixels(photo, named).transpose(2, 0, 1)
    if isinstance(photo, (str, os.PathLike, bytes, bytearray)):
        return read_photo(photo, name).transpose(2, 0, 1)
    if is_tensor(photo):
        return _from_tensor(photo, name or '<tensor>')
    raise InputError(f'photo must be a path, bytes, a Pillow image, an array or a tensor, got {type(photo)}')


def fit_photo(pixels: np.ndarray, view: View, photo: Photo, name: str | None = None) -> np.ndarray:
    """What :func:`photo_pixels` gave, within the size bounds of ``view``; ``photo`` and ``name`` are for the error."""
    height, width = view.target_size(*pixels.shape[-2:])
    if height * width > MAX_PIXELS:
        size = f'{pixels.shape[-1]}x{pixels.shape[-2]}'
        what = name or (os.fspath(photo) if isinstance(photo, (str, os.PathLike)) else f'a {type(photo).__name__}')
        raise PhotoError(
            f'{what}: refused, {size} would be enlarged to {width}x{height}, more than {MAX_PIXELS} pixels'
        )
    return view.resize(pixels[None])[0]


def is_tensor(value: Any) -> TypeGuard[Tensor]:
    """Whether something is a tensor of torch, which is not imported for the answer."""
    torch = sys.modules.get('torch')
    return torch is not None and isinstance(value, torch.Tensor)


def _from_array(array: np.ndarray, name: str) -> np.ndarray:
    """uint8 or float32 (H, W, 3); a view of the array where possible."""
    if np.ma.is_masked(array):
        raise PhotoError(f'{name}: a masked array has pixels without a value; fill them first')
    array = np.asarray(array)  # no np.matrix, whose slices have two dimensions
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (1, 3, 4)):
        raise PhotoError(f'{name}: {ARRAY_RULE}, got {array.shape}')
    check_pixels(array.shape[1], array.shape[0], name)
    if array.dtype.kind == 'u' and array.dtype.itemsize == 2:
        array = (array >> 8).astype(np.uint8)
    if np.issubdtype(array.dtype, np.floating):
        _check_range(float(array.min()), float(array.max()), float(np.finfo(array.dtype).eps), name)
        array = _clipped(array.astype(np.float32))
    elif array.dtype != np.uint8:
        raise PhotoError(f'{name}: an array must hold uint8, uint16, or floats in [0, 1], got {array.dtype}')
    if array.ndim == 2:
        array = array[..., None]
    if array.shape[-1] == 1:
        array = np.repeat(array, 3, axis=-1)
    elif array.shape[-1] == 4:
        pixels, alpha = array[..., :3], array[..., 3:]
        white = np.array(BACKGROUND, np.float32) / 255
        array = blend(pixels, alpha) if array.dtype == np.uint8 else pixels * alpha + white * (1 - alpha)
    return array


def _from_tensor(tensor: Tensor, name: str) -> np.ndarray:
    """uint8 or float32 (3, H, W); a view of the tensor where possible."""
    import torch  # is imported already, or there would be no tensor

    if tensor.is_nested or tensor.layout != torch.strided:
        layout = 'a nested tensor' if tensor.is_nested else tensor.layout
        raise PhotoError(f'{name}: a tensor must be dense (to_dense() makes one), got {layout}')
    if tensor.is_meta:
        raise PhotoError(f'{name}: a tensor on the meta device has no values')
    pixels = tensor.detach()
    if pixels.ndim == 4 and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3):
        raise PhotoError(f'{name}: {TENSOR_RULE}, got {tuple(tensor.shape)}')
    check_pixels(pixels.shape[2], pixels.shape[1], name)
    if not pixels.is_floating_point() and pixels.dtype != torch.uint8:
        raise PhotoError(f'{name}: a tensor must hold uint8, or floats in [0, 1], got {tensor.dtype}')
    try:
        found: np.ndarray = (pixels.float() if pixels.is_floating_point() else pixels).cpu().numpy()
    except Exception as error:  # tensors of tracers and of other libraries
        raise PhotoError(f"{name}: the values of this tensor can't be read ({first_line(error)})") from error
    if pixels.is_floating_point():
        _check_range(float(found.min()), float(found.max()), torch.finfo(pixels.dtype).eps, name)
        found = _clipped(found)
    return np.broadcast_to(found, (3, *found.shape[1:]))


def _clipped(floats: np.ndarray) -> np.ndarray:
    return floats.clip(0, 1) if floats.min() < 0 or floats.max() > 1 else floats


def _check_range(low: float, high: float, step: float, name: str) -> None:
    """``step``: from 1 to the next number of its type; values may overshoot by rounding."""
    room = max(_ROUNDING, 2 * step)
    if not (low >= -room and high <= 1 + room):  # NaN is neither
        raise PhotoError(f'{name}: floats must be in [0, 1] (divide by 255?), got {low:.9g} to {high:.9g}')
