"""Windows of photos and what to do with them: for degradation on the model's device instead of in the loader."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmpretrain.registry import TRANSFORMS
from mmpretrain.structures import DataSample

from mmqpt.core.errors import InputError
from mmqpt.datasets.patch_pairs import ORIGIN, PatchPairs, enlarged


@TRANSFORMS.register_module()
class PhotoWindows(PatchPairs):
    """One photo -> a window, V recipes, and the places of P patches of each version.

    ``DegradingPreprocessor`` makes patches of them. The draws are those of :class:`PatchPairs`, in the same order, but
    windows of all photos have the same size. A photo smaller than the window is enlarged (bicubic) until it covers it.

    Args:
        window: side of the window in px.
        options: the other arguments of :class:`PatchPairs`.

    Raises:
        InputError: as :class:`PatchPairs`, or a window that is no integer.
    """

    def __init__(self, window: int = 512, **options: Any) -> None:
        if isinstance(window, bool) or not isinstance(window, int):
            raise InputError(f'window must be an integer, got {window!r}')
        super().__init__(window=window, **options)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """``img`` (uint8 BGR) -> ``inputs`` uint8 (3, W, W) BGR, and a ``DataSample`` with the rest.

        Metainfo: ``recipes`` (V), ``positions`` (V, P, 2) as y, x, ``patch_size``, and what ``ORIGIN`` names.
        """
        image, recipes, positions = self.draw(results)
        info = {'recipes': recipes, 'positions': positions, 'patch_size': self.patch_size}
        info |= {key: results[key] for key in ORIGIN if key in results}
        inputs = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        return {'inputs': inputs, 'data_samples': DataSample(metainfo=info)}

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The size in px to which a photo must be enlarged to cover the window; its own size when it does."""
        return enlarged(height, width, self.window / min(height, width))
