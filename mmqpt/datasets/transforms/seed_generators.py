"""Other libraries' transforms, repeatable."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.settings_repr import SettingsRepr


@TRANSFORMS.register_module()
class SeedGenerators(SettingsRepr):
    """Seeds the global generators of Python, NumPy and PyTorch by the sample.

    Transforms of mmqpt draw from the sample's own generator, ``rng``, so that a resumed run sees the same patches, and
    ``mmqpt replay-batch`` loads a batch again. Those of torchvision, mmcv and mmpretrain draw from the global ones:
    put this step before them. ``ResumableTrainLoop`` seeds PyTorch anew before each step, so that the network's dropout
    does not depend on it.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Takes 64 bits from ``rng``; changes nothing in ``results``."""
        seed = int(results['rng'].integers(2**63))
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 (the legacy generator is what others draw from)
        torch.manual_seed(seed)
        return results
