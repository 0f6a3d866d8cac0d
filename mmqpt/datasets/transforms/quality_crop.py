"""Random crops of a rated photo, at its own scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.errors import InputError
from mmqpt.core.settings_repr import SettingsRepr
from mmqpt.core.view import View
from mmqpt.datasets.transforms.mirrored import mirrored_to


@TRANSFORMS.register_module()
class RandomQualityCrop(SettingsRepr):
    """Random crops at the photo's own scale, mirrored at random; unlike resizing, neither changes the quality.

    Args:
        crop: side in px; where the size rule leaves a very long photo smaller, its mirror image fills the rest.
        flip: probability that a crop is mirrored left to right.
        view: arguments of :class:`View`: the size rule of the model. Its bounds are applied before the crop.
        crops: N crops of every photo, each a sample with the photo's score: a batch of B photos is B N images to the
            network and to the loss.
    """

    def __init__(self, crop: int, flip: float = 0.5, view: dict[str, Any] | None = None, crops: int = 1) -> None:
        if crop < 1 or not 0 <= flip <= 1:
            raise InputError(f'crop must be >= 1 px and flip a probability, got {crop} and {flip}')
        if crops < 1:
            raise InputError(f'crops must be >= 1, got {crops}')
        self.crop = crop
        self.crops = crops
        self.flip = flip
        self.view = View.holding(crop, view)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes ``img``: (H, W, 3), or (N, H, W, 3) of N > 1 crops; uint8, or float32 in [0, 255] where the size rule
        resized the photo."""
        image, rng = results['img'], results['rng']
        if self.view.target_size(*image.shape[:2]) != image.shape[:2]:
            image = self.view.resize(image.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0) * 255
        found = [self._cut(image, rng) for _ in range(self.crops)]
        results['img'] = found[0] if self.crops == 1 else np.stack(found)
        return results

    def _cut(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        top = rng.integers(0, max(0, height - self.crop) + 1)
        left = rng.integers(0, max(0, width - self.crop) + 1)
        image = mirrored_to(image[top : top + self.crop, left : left + self.crop], self.crop)
        return image[:, ::-1] if rng.random() < self.flip else image
