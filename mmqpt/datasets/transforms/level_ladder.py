"""Rungs of a ladder: one photo at several levels of one degradation, for a loss that needs no opinions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.errors import InputError
from mmqpt.core.photo import swap_channels
from mmqpt.core.view import View
from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, apply_region

TASTE = tuple(row.name for row in OPERATORS.values() if row.taste)
"""Operators of which more is not always worse: they can mend a photo, or change what it shows, not its quality."""


@TRANSFORMS.register_module()
class LevelLadder:
    """Adds ``ladder``: the same crop of the photo at several levels of one operator, drawn anew for every sample.

    Whoever rated the photo, a harsher level of a degradation that can only harm is worse: pairs of rungs are training
    data without opinions (RankIQA, Liu, van de Weijer and Bagdanov, ICCV 2017, does so with four distortions). It must
    come before the step that crops the photo. Everything here is a design choice.

    Args:
        crop: side of the crop in px.
        rungs: how many different levels out of 0 (the photo itself) to 5.
        leave_out: operators that are never drawn.
        view: arguments of :class:`View`: the size rule of the model, applied before the degradation.

    Raises:
        InputError: a value out of range, an operator that is not in the table, or none left.
    """

    def __init__(
        self,
        crop: int,
        rungs: int = 2,
        leave_out: Sequence[str] = TASTE,
        view: dict[str, Any] | None = None,
    ) -> None:
        if crop < 1:
            raise InputError(f'crop must be >= 1 px, got {crop}')
        if not 2 <= rungs <= 1 + len(LEVELS):
            raise InputError(f'rungs must be from 2 to {1 + len(LEVELS)}, got {rungs}')
        unknown = sorted(set(leave_out) - set(OPERATORS))
        if unknown:
            raise InputError(f'leave_out: unknown operator {unknown[0]!r}; there are: {", ".join(OPERATORS)}')
        self.operators = [name for name in OPERATORS if name not in set(leave_out)]
        if not self.operators:
            raise InputError('leave_out names all operators: none is left to draw')
        self.crop = crop
        self.rungs = rungs
        self.view = View.holding(crop, view)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """``img`` (uint8 BGR) stays; adds ``ladder``, uint8 BGR (rungs, crop, crop, 3), from mild to harsh, cut to the
        photo where the size rule leaves it smaller, and ``ladder_levels`` (rungs,)."""
        rng = results['rng']
        photo = swap_channels(self.view.resize_photo(results['img']))
        height, width = (min(self.crop, side) for side in photo.shape[:2])
        top = int(rng.integers(0, photo.shape[0] - height + 1))
        left = int(rng.integers(0, photo.shape[1] - width + 1))
        name = self.operators[rng.integers(len(self.operators))]
        sign = int(rng.choice(OPERATORS[name].signs))
        seed = int(rng.integers(0, 2**62))
        levels = np.sort(rng.choice(1 + len(LEVELS), self.rungs, replace=False))
        rungs = []
        for level in levels:
            steps = (Step(name, int(level), sign, seed),) if level else ()
            rungs.append(swap_channels(apply_region(Recipe(steps), photo, top, left, height, width)))
        results['ladder'] = np.stack(rungs)
        results['ladder_levels'] = levels
        results['ladder_operator'] = name
        return results
