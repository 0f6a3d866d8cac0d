"""Recipes at a given distance from another, found by changing it step by step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations.distance import LEVEL_COST, OPERATOR_COST, STEP_COST, recipe_distance, step_distance
from mmqpt.degradations.recipe import Recipe, Step

if TYPE_CHECKING:
    from mmqpt.degradations.space import DegradationSpace

_EDITS = (('level', LEVEL_COST), ('replace', OPERATOR_COST), ('leave out', STEP_COST), ('put in', STEP_COST))
_MAX_EDITS = 40
_SLACK = 1e-9


def check_distances(least: Any, most: Any) -> None:
    """Refuse bounds that no two different recipes can meet."""
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least < math.inf:
        raise InputError(f'min_distance must be a number >= 0, got {least!r}')
    if most is None:
        return
    if isinstance(most, bool) or not isinstance(most, (int, float)) or not max(least, LEVEL_COST) <= most:
        raise InputError(
            f'max_distance must be >= {LEVEL_COST} (one level) and >= min_distance ({least}), or None, got {most!r}'
        )


def differ(one: Recipe, two: Recipe, least: float, most: float | None) -> bool:
    """Whether two recipes have different keys and a distance between the bounds."""
    if one.key == two.key:
        return False
    if least <= 0 and most is None:
        return True
    distance = recipe_distance(one, two)
    return distance >= least - _SLACK and (most is None or distance <= most + _SLACK)


def draw_near(space: DegradationSpace, start: Recipe, least: float, most: float, rng: np.random.Generator) -> Recipe:
    """Change a recipe, one edit after the other, until it is a randomly drawn distance from ``start``.

    Returns:
        A recipe of the space, never farther than ``most``; nearer than ``least`` where no more edits were found.
    """
    target = rng.uniform(least, min(most, least + len(start.steps) + 2))
    recipe, distance = start, 0.0
    for _ in range(_MAX_EDITS):
        edited = _edit(space, recipe, most - distance + _SLACK, rng)
        if edited is not None:
            recipe, distance = edited, recipe_distance(start, edited)
            if distance >= max(target, LEVEL_COST) - _SLACK:
                break
    return recipe


def _edit(space: DegradationSpace, recipe: Recipe, budget: float, rng: np.random.Generator) -> Recipe | None:
    """One random edit that costs at most ``budget`` and stays in the space; None where the draw gave none."""
    edits = [edit for edit, cost in _EDITS if cost <= budget and (recipe.steps or edit == 'put in')]
    if not edits:
        return None
    edit = edits[rng.integers(len(edits))]
    steps = list(recipe.steps)
    place = int(rng.integers(len(steps) + (edit == 'put in')))
    if edit == 'put in':
        steps.insert(place, space.draw_step(rng))
    elif edit == 'leave out':
        del steps[place]
    else:
        old = steps[place]
        new = space.draw_step(rng) if edit == 'replace' else _other_level(space, old, budget, rng)
        if new is None or step_distance(old, new) > budget:
            return None
        steps[place] = new
    edited = Recipe(tuple(steps))
    return edited if edited in space else None


def _other_level(space: DegradationSpace, step: Step, budget: float, rng: np.random.Generator) -> Step | None:
    """The step at another level or in another direction, evenly out of those near enough."""
    others = [Step(*option, step.seed) for option in space.options if option[0] == step.operator]
    near = [other for other in others if 0 < step_distance(step, other) <= budget]
    return near[rng.integers(len(near))] if near else None
