"""Degradation on the model's device: loader workers only decode and cut windows."""

from __future__ import annotations

from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.degradations.batched import apply_batch
from mmqpt.models.preprocessor import PhotoPreprocessor


@MODELS.register_module()
class DegradingPreprocessor(PhotoPreprocessor):
    """Windows and recipes, as :class:`PhotoWindows` packs them -> the patches that ``QPT`` takes.

    Each window is repeated V times, each copy is degraded by its own recipe, and its patches are cut. Windows without
    recipes, for evaluation, and patches are treated as by :class:`PhotoPreprocessor`.

    Takes the arguments of :class:`PhotoPreprocessor`.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """``inputs``: N windows uint8 (3, W, W) of one size; gives (N, V, P, 3, S, S) in [0, 1]."""
        samples = data.get('data_samples')
        inputs = data['inputs']
        if not len(inputs) or inputs[0].dim() != 3 or not samples or 'recipes' not in samples[0]:
            return super().forward(data, training)
        data = self.cast_data(data)
        inputs, samples = data['inputs'], data['data_samples']
        if not isinstance(inputs, Tensor):
            shapes = {tuple(window.shape) for window in inputs}
            if len(shapes) > 1:
                raise InputError(f'windows of a batch must be of one size, got {sorted(shapes)}')
            inputs = torch.stack(list(inputs))
        if inputs.dtype != torch.uint8:
            raise InputError(f'windows to be degraded must be uint8, got {inputs.dtype}')
        recipes = [recipe for sample in samples for recipe in sample.recipes]
        windows = inputs.flip(1) if self.bgr_to_rgb else inputs
        degraded = apply_batch(recipes, windows.repeat_interleave(len(recipes) // len(samples), 0))
        return {**data, 'inputs': _cut(degraded, samples).float() / 255}


def _cut(degraded: Tensor, samples: list[Any]) -> Tensor:
    """Patches (N, V, P, 3, S, S) of N x V degraded windows."""
    size = samples[0].patch_size
    shape = (len(samples), *samples[0].positions.shape[:2])
    places = [version for sample in samples for version in sample.positions.tolist()]
    patches = [
        window[:, y : y + size, x : x + size]
        for window, version in zip(degraded, places, strict=True)
        for y, x in version
    ]
    return torch.stack(patches).view(*shape, 3, size, size)
