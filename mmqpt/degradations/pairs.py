"""Several recipes of a space that differ, by as much as asked for: what the versions of a photo are degraded by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations.distance import LEVEL_COST, OPERATOR_COST, STEP_COST, recipe_distance, step_distance
from mmqpt.degradations.recipe import SEED_BITS, Recipe, Step
from mmqpt.degradations.space import DegradationSpace, check_rng

_EDITS = (('level', LEVEL_COST), ('replace', OPERATOR_COST), ('leave out', STEP_COST), ('put in', STEP_COST))
_MAX_EDITS = 40
_SLACK = 1e-9
_TRIES = 10_000
_BOUNDED_TRIES = 2_000
_PATIENCE = 50
"""Misses before the first of several recipes is drawn anew."""


def draw_different(
    space: DegradationSpace,
    count: int,
    rng: np.random.Generator,
    min_distance: float = 0.0,
    max_distance: float | None = None,
) -> list[Recipe]:
    """Draw ``count`` recipes of which no two have the same key.

    Args:
        space: what to draw from.
        count: how many.
        rng: the only source of randomness.
        min_distance: the least distance of two of them, see :func:`recipe_distance`.
        max_distance: the largest distance of two of them, or None for no bound. With a bound, the first recipe is
            drawn as by ``space.draw``, and the others are the first with randomly chosen steps changed, left out or
            put in; steps that stay keep their seeds, and so does one whose level or direction alone changes.

    Raises:
        InputError: the space holds fewer recipes, the bounds are no distances, or no such recipes turned up in
            10,000 draws in a row (2,000 in all where distances are bounded).
    """
    check_rng(rng)
    if count > space.size():
        raise InputError(f'{count} different recipes asked for, but the space holds {space.size()}')
    _check_distances(min_distance, max_distance)
    bounded = min_distance > 0 or max_distance is not None
    found: list[Recipe] = []
    misses = 0
    while len(found) < count:
        if found and max_distance is not None:
            recipe = _draw_near(space, found[0], min_distance, max_distance, rng)
        else:
            recipe = space.draw(rng)
        if all(_differ(recipe, other, min_distance, max_distance) for other in found):
            found.append(recipe)
            misses = misses if bounded else 0
            continue
        misses += 1
        if misses == (_BOUNDED_TRIES if bounded else _TRIES):
            bounds = f'{min_distance} or more' if max_distance is None else f'{min_distance} to {max_distance}'
            wanted = f'{count} recipes at distances of {bounds}' if bounded else f'{count} different recipes'
            raise InputError(f'could not find {wanted} in {misses} draws')
        if bounded and misses % _PATIENCE == 0:
            found = []  # the first may be one without such neighbours
    return found


def redraw_seeds(recipes: Sequence[Recipe], rng: np.random.Generator) -> list[Recipe]:
    """The same degradations with other noise: every seed is drawn anew, and steps that shared one go on to share one.

    Args:
        recipes: such as those of the versions of a photo.
        rng: the only source of randomness.
    """
    check_rng(rng)
    seeds = dict.fromkeys(step.seed for recipe in recipes for step in recipe.steps)
    new = {seed: int(rng.integers(1 << SEED_BITS)) for seed in seeds}
    return [Recipe(tuple(replace(step, seed=new[step.seed]) for step in recipe.steps)) for recipe in recipes]


def _check_distances(least: Any, most: Any) -> None:
    """Refuse bounds that no two different recipes can meet."""
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least < math.inf:
        raise InputError(f'min_distance must be a number >= 0, got {least!r}')
    if most is None:
        return
    if isinstance(most, bool) or not isinstance(most, (int, float)) or not max(least, LEVEL_COST) <= most:
        raise InputError(
            f'max_distance must be >= {LEVEL_COST} (one level) and >= min_distance ({least}), or None, got {most!r}'
        )


def _differ(one: Recipe, two: Recipe, least: float, most: float | None) -> bool:
    """Whether two recipes have different keys and a distance between the bounds."""
    if one.key == two.key:
        return False
    if least <= 0 and most is None:
        return True
    distance = recipe_distance(one, two)
    return distance >= least - _SLACK and (most is None or distance <= most + _SLACK)


def _draw_near(space: DegradationSpace, start: Recipe, least: float, most: float, rng: np.random.Generator) -> Recipe:
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
    places = len(steps) + 1 if edit == 'put in' else len(steps)
    place = int(rng.integers(places))
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
