"""Random degradations in any OpenMMLab pipeline."""

from __future__ import annotations

from typing import Any

from mmpretrain.registry import TRANSFORMS

from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError
from mmqpt.core.settings_repr import SettingsRepr
from mmqpt.datasets.transforms.rng import sample_rng
from mmqpt.degradations import DegradationSpace, Recipe, apply


@TRANSFORMS.register_module()
class RandomDegradation(SettingsRepr):
    """Degrade ``img`` (uint8 BGR) by one recipe drawn from a space; for any OpenMMLab pipeline.

    Args:
        space: arguments of :class:`DegradationSpace`; ``preset`` may name those to start from.
        prob: probability to degrade at all, 0 to 1.

    Raises:
        InputError: a bad space or ``prob``.
    """

    def __init__(self, space: dict[str, Any] | None = None, prob: float = 1.0) -> None:
        if isinstance(prob, bool) or not isinstance(prob, (int, float)) or not 0 <= prob <= 1:
            raise InputError(f'prob must be a probability from 0 to 1, got {prob!r}')
        self.space = DegradationSpace.from_config(space)
        self.prob = float(prob)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Changes ``img`` and adds ``recipe``; of a photo that is left alone, the one without steps."""
        rng = sample_rng(results)
        recipe = self.space.draw(rng)
        if self.prob < 1 and rng.random() >= self.prob:
            recipe = Recipe()
        else:
            results['img'] = swap_channels(apply(recipe, swap_channels(results['img'])))
        results['recipe'] = recipe
        return results
