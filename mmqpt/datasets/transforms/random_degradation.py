"""Random degradations in any OpenMMLab pipeline."""

from __future__ import annotations

from typing import Any

from mmpretrain.registry import TRANSFORMS

from mmqpt.core.photo import swap_channels
from mmqpt.datasets.transforms.rng import sample_rng
from mmqpt.degradations import DegradationSpace, apply


@TRANSFORMS.register_module()
class RandomDegradation:
    """Degrade ``img`` (uint8 BGR) by one recipe drawn from a space; for any OpenMMLab pipeline.

    Args:
        space: arguments of :class:`DegradationSpace`; ``preset`` may name those to start from.
    """

    def __init__(self, space: dict[str, Any] | None = None) -> None:
        self.space = DegradationSpace.from_config(space)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes ``img`` and adds ``recipe``."""
        recipe = self.space.draw(sample_rng(results))
        results['img'] = swap_channels(apply(recipe, swap_channels(results['img'])))
        results['recipe'] = recipe
        return results
