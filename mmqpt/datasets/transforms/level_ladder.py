"""Rungs of a ladder: one photo at several levels of one degradation, for a loss that needs no opinions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError
from mmqpt.core.settings_repr import SettingsRepr
from mmqpt.core.view import View
from mmqpt.datasets.transforms.mirrored import mirrored_to
from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, apply_region
from mmqpt.degradations.blank import blank_frame

TASTE = tuple(row.name for row in OPERATORS.values() if row.taste)
"""Operators of which more is not always worse: they can improve a photo, or change its content but not its quality."""


BLANK_LEVEL = np.inf
"""Level of a frame without a picture: beyond all that a photo can be degraded; see :func:`ladder_loss`."""


@TRANSFORMS.register_module()
class LevelLadder(SettingsRepr):
    """Adds ``ladder``: the same crop of the photo at several levels of one operator, drawn for every sample.

    A harsher level of a degradation that can only harm is worse, whatever the photo's score, so pairs of rungs are
    training data without opinions (RankIQA, Liu, van de Weijer and Bagdanov, ICCV 2017, does so with four distortions).
    It must come before the step that crops the photo. Everything here is a design choice.

    Args:
        crop: side of the crop in px.
        rungs: how many different levels out of 0 (the photo itself) to 5.
        leave_out: operators that are never drawn.
        from_level: operators that are drawn although ``leave_out`` names them, but at no level below this one (0, the
            photo itself, stays): little of them is a matter of taste, much of them harms, such as ``{'sharpen': 3}``.
        blank: share of the samples, 0 to 1, whose harshest rung is a frame without a picture instead, see
            :func:`blank_frame`, as level :data:`BLANK_LEVEL`: what the lens cap sees is worse than any photo.
        view: arguments of :class:`View`: the size rule of the model, applied before the degradation.
        shrink: smallest factor, over 0 to 1, that a photo is reduced by before it is degraded, drawn evenly from
            ``shrink`` to 1 but never to less than the crop. Photos of most rated sets are JPEG files, so their ladders
            begin at one; reducing takes its traces away, and a network learns what compression does to a photo that
            was never compressed.
        weights: how often an operator is drawn relative to the others, such as ``{'jpeg': 4}``; 1 where not named.

    Raises:
        InputError: a value out of range, an operator that is not in the table, or none left.
    """

    def __init__(
        self,
        crop: int,
        rungs: int = 2,
        leave_out: Sequence[str] = TASTE,
        view: dict[str, Any] | None = None,
        from_level: Mapping[str, int] | None = None,
        blank: float = 0.0,
        shrink: float = 1.0,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if crop < 1:
            raise InputError(f'crop must be >= 1 px, got {crop}')
        if not 2 <= rungs <= 1 + len(LEVELS):
            raise InputError(f'rungs must be from 2 to {1 + len(LEVELS)}, got {rungs}')
        if not 0 <= blank <= 1:
            raise InputError(f'blank must be a share from 0 to 1, got {blank}')
        if not 0 < shrink <= 1:
            raise InputError(f'shrink must be a factor over 0 and up to 1, got {shrink}')
        self.from_level = dict(from_level or {})
        self.weights = weights = dict(weights or {})
        for name, value in (('leave_out', leave_out), ('from_level', self.from_level), ('weights', weights)):
            unknown = sorted(set(value) - set(OPERATORS))
            if unknown:
                raise InputError(f'{name}: unknown operator {unknown[0]!r}; there are: {", ".join(OPERATORS)}')
        self.leave_out = tuple(leave_out)
        for name, level in self.from_level.items():
            if level not in LEVELS or 2 + LEVELS[-1] - level < rungs:
                raise InputError(
                    f'from_level of {name} must be a level from 1 to {2 + LEVELS[-1] - rungs}, so that there are '
                    f'{rungs} rungs, got {level!r}'
                )
        self.operators = [name for name in OPERATORS if name in self.from_level or name not in set(leave_out)]
        if not self.operators:
            raise InputError('leave_out names all operators: none is left to draw')
        for name, weight in weights.items():
            if not 0 < weight < np.inf:
                raise InputError(f'weights must be > 0 and finite, got {weight} of {name}; leave_out keeps one out')
            if name not in self.operators:
                raise InputError(f'weights names {name}, which leave_out keeps out')
        shares = np.array([weights.get(name, 1.0) for name in self.operators], np.float64)
        self.shares = shares / shares.sum() if weights else None
        self.blank = blank
        self.shrink = shrink
        self.crop = crop
        self.rungs = rungs
        self.view = View.holding(crop, view)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """``img`` (uint8 BGR) stays; adds ``ladder``, uint8 BGR (rungs, crop, crop, 3), from mild to harsh, and
        ``ladder_levels``, float32 (rungs,). Where the size rule leaves a very long photo smaller than the crop, its
        mirror image fills the rest."""
        rng = results['rng']
        photo = swap_channels(self.view.resize_photo(results['img']))
        if self.shrink < 1:
            photo = _reduce(photo, rng.uniform(self.shrink, 1), self.crop)
        height, width = (min(self.crop, side) for side in photo.shape[:2])
        top = int(rng.integers(0, photo.shape[0] - height + 1))
        left = int(rng.integers(0, photo.shape[1] - width + 1))
        if self.shares is None:
            name = self.operators[rng.integers(len(self.operators))]
        else:
            name = self.operators[rng.choice(len(self.operators), p=self.shares)]
        sign = int(rng.choice(OPERATORS[name].signs))
        seed = int(rng.integers(0, 2**62))
        if name in self.from_level:
            levels = np.sort(rng.choice([0, *range(self.from_level[name], 1 + len(LEVELS))], self.rungs, replace=False))
        else:
            levels = np.sort(rng.choice(1 + len(LEVELS), self.rungs, replace=False))
        rungs = []
        for level in levels:
            steps = (Step(name, int(level), sign, seed),) if level else ()
            rungs.append(swap_channels(apply_region(Recipe(steps), photo, top, left, height, width)))
        harshness = levels.astype(np.float32)
        if self.blank and rng.random() < self.blank:
            rungs[-1] = blank_frame(swap_channels(rungs[-1]), rng)
            harshness[-1] = BLANK_LEVEL
        results['ladder'] = mirrored_to(np.stack(rungs), self.crop)
        results['ladder_levels'] = harshness
        results['ladder_operator'] = name
        return results


def _reduce(photo: np.ndarray, factor: float, smallest: int) -> np.ndarray:
    """``photo`` (H, W, 3) at ``factor`` times its size, but its short side not below ``smallest``."""
    height, width = photo.shape[:2]
    factor = min(1.0, max(factor, smallest / min(height, width)))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return photo if size == (width, height) else cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
