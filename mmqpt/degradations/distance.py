"""How far apart two recipes are."""

from __future__ import annotations

from mmqpt.degradations.recipe import Recipe, Step
from mmqpt.degradations.registry import operator
from mmqpt.degradations.rows import LEVELS

LEVEL_COST = 1 / len(LEVELS)
"""Distance of two steps of one operator whose levels differ by one."""

OPERATOR_COST = 0.9
"""Distance of two steps with different operators of one kind, and the bound for two steps of one operator."""

STEP_COST = 1.0
"""Distance of two steps of different kinds, and the cost of a step that one recipe has and the other lacks."""


def recipe_distance(one: Recipe, two: Recipe) -> float:
    """The least sum of costs that turns one recipe into the other: an edit distance over steps.

    A step put in or left out costs 1, as does one replaced by a step of another kind. Replacing it by another operator
    of its kind costs 0.9, and by the same operator 0.2 a level, at most 0.9; the two directions of a signed operator
    are counted through the undegraded photo, so that brightness+ 1 is 0.4 from brightness- 1. Swapping two steps
    costs as much as replacing both. Seeds don't count.

    The costs are a design choice. The distance is symmetric, 0 for equal keys only, and obeys the triangle inequality.
    """
    before: list[float] = [STEP_COST * number for number in range(len(two.steps) + 1)]
    for row, step in enumerate(one.steps, 1):
        current = [STEP_COST * row]
        for column, other in enumerate(two.steps, 1):
            change = before[column - 1] + step_distance(step, other)
            current.append(min(change, before[column] + STEP_COST, current[-1] + STEP_COST))
        before = current
    return before[-1]


def step_distance(one: Step, two: Step) -> float:
    """The cost of replacing a step by another, from 0 to 1; see :func:`recipe_distance`."""
    if one.operator == two.operator:
        return min(OPERATOR_COST, LEVEL_COST * abs(one.sign * one.level - two.sign * two.level))
    return OPERATOR_COST if operator(one.operator).kind == operator(two.operator).kind else STEP_COST
