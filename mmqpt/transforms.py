"""Degradations in anybody's pipeline: a transform as those of ``torchvision.transforms.v2``.

Needs nothing of OpenMMLab. Example:
    >>> import numpy as np
    >>> from mmqpt.transforms import Degrade
    >>> degraded = Degrade('qpt-paper')(np.zeros((32, 32, 3), np.uint8))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from mmqpt.core.errors import InputError
from mmqpt.degradations import DegradationSpace, Recipe, apply

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_COLOUR = ('RGB', 'RGBA', 'RGBX')
_GREY = ('L', 'LA')


class Degrade(v2.Transform):
    """Degrade photos by a recipe drawn from a space.

    As in torchvision, all photos of one call, and all of a batch, get the same recipe; what is no photo, such as a
    label, comes back as it was. **So do boxes and masks**, which operators of geometry would move: leave these out
    (``skip={'geometry': 1}``) where places matter. A recipe is drawn from torch's global random numbers, so
    ``torch.manual_seed`` repeats it, and workers of a DataLoader differ.

    Photos are: Pillow images (RGB or grey; transparency is kept), NumPy arrays (H, W, 3) or (H, W), and tensors
    (..., 3, H, W) or (..., 1, H, W) on any device, of uint8 or floating point in [0, 1]. Each comes back as it came:
    same type, shape, dtype and device. Operators work on 8 bits, on the CPU; grey photos are degraded as RGB, and their
    luma is kept. Gradients end here.

    Args:
        space: a :class:`DegradationSpace`, the name of a preset, or arguments of which ``preset`` may name one.
        p: probability to degrade at all, 0 to 1.

    Attributes:
        last: the recipe of the last call; None where it left the photos alone.

    Raises:
        InputError: a bad space or ``p``; when it is called, a photo of another type, shape or range.
    """

    _transformed_types = (tv_tensors.Image, v2._utils.is_pure_tensor, Image.Image, np.ndarray)

    def __init__(self, space: DegradationSpace | Mapping[str, Any] | str | None = None, p: float = 1.0) -> None:
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 <= p <= 1:
            raise InputError(f'p must be a probability from 0 to 1, got {p!r}')
        self.space = DegradationSpace.from_config(space)
        self.p = float(p)
        self.last: Recipe | None = None

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the recipe of a call."""
        rng = np.random.default_rng(int(torch.randint(1 << 62, ()).item()))
        self.last = self.space.draw(rng) if rng.random() < self.p else None
        return {'recipe': self.last}

    def transform(self, photo: Any, params: dict[str, Any]) -> Any:
        """One photo or batch, degraded."""
        recipe: Recipe | None = params['recipe']
        if recipe is None:
            return photo
        if isinstance(photo, Image.Image):
            return _of_pillow(photo, recipe)
        if isinstance(photo, np.ndarray):
            return _of_array(photo, recipe, 'an array (H, W, 3) or (H, W)')
        return _of_tensor(photo, recipe)

    def extra_repr(self) -> str:
        """What differs between two of them."""
        return f'{self.space!r}, p={self.p:g}'


def _of_pillow(image: Image.Image, recipe: Recipe) -> Image.Image:
    if image.mode not in (*_COLOUR, *_GREY):
        raise InputError(f"a Pillow image must be RGB or grey, got mode {image.mode}: image.convert('RGB') makes one")
    bands = np.asarray(image)
    if image.mode in _COLOUR:
        out = apply(recipe, bands[..., :3])
        rest = bands[..., 3:]
    else:
        out = _of_array(bands if bands.ndim == 2 else bands[..., 0], recipe, '')[..., None]
        rest = bands[..., 1:] if bands.ndim == 3 else bands[..., None, :0].reshape(*bands.shape, 0)
    made = Image.fromarray(np.concatenate([out, rest], axis=-1).squeeze(-1 if image.mode == 'L' else ()), image.mode)
    made.info = dict(image.info)
    return made


def _of_tensor(tensor: Tensor, recipe: Recipe) -> Tensor:
    if tensor.ndim < 3 or tensor.shape[-3] not in (1, 3):
        raise InputError(f'a tensor must have shape (..., 3, H, W) or (..., 1, H, W), got {tuple(tensor.shape)}')
    pixels = tensor.detach().cpu()
    if pixels.dtype in (torch.float16, torch.bfloat16):
        pixels = pixels.float()
    photos = pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 2, 3, 1).numpy()
    made = [_of_array(photo, recipe, 'a tensor') for photo in photos]
    out = torch.from_numpy(np.stack(made)) if made else pixels.reshape(-1, *pixels.shape[-3:]).permute(0, 2, 3, 1)
    out = out.permute(0, 3, 1, 2).reshape(tensor.shape).to(tensor.device, tensor.dtype)
    return tv_tensors.wrap(out, like=tensor) if isinstance(tensor, tv_tensors.Image) else out


def _of_array(array: np.ndarray, recipe: Recipe, what: str) -> np.ndarray:
    """(H, W), (H, W, 1) or (H, W, 3), uint8 or floating point in [0, 1]; gives the same."""
    floating = np.issubdtype(array.dtype, np.floating)
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))):
        raise InputError(f'a photo must be {what}, got {array.shape}')
    if array.dtype != np.uint8 and not floating:
        raise InputError(f'{what} must hold uint8, or floats in [0, 1], got {array.dtype}')
    if floating:
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise InputError(f'{what} of floats must be in [0, 1], got {array.min():g} to {array.max():g}')
        pixels = np.round(array * np.float32(255)).astype(np.uint8)
    else:
        pixels = array
    grey = array.ndim == 2 or array.shape[2] == 1
    if grey:
        pixels = np.repeat(pixels.reshape(*array.shape[:2], 1), 3, axis=2)
    out = apply(recipe, pixels)
    if grey:
        out = np.round(out @ _LUMA).astype(np.uint8).reshape(array.shape)
    return (out / np.float32(255)).astype(array.dtype) if floating else out
