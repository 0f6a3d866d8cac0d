"""The distance of two recipes: closed forms, the rules of a metric, and a slow search as reference."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, recipe_distance
from mmqpt.degradations.distance import step_distance

seeded = settings(derandomize=True, deadline=None, database=None, max_examples=100)
KEYS = [
    (name, level, sign)
    for name in ('rotate', 'pixelate', 'hue', 'quantise', 'jpeg', 'ringing')
    for level in LEVELS
    for sign in OPERATORS[name].signs
]
steps = st.sampled_from(KEYS).map(lambda key: Step(*key))
recipes = st.lists(steps, max_size=5).map(lambda some: Recipe(tuple(some)))


def recipe(*some: tuple) -> Recipe:
    return Recipe(tuple(Step(*step) for step in some))


@pytest.mark.parametrize(
    ('one', 'two', 'expected'),
    [
        ((), (), 0),
        ((), (('jpeg', 1),), 1),
        ((('jpeg', 1, 1, 5),), (('jpeg', 1, 1, 6),), 0),
        ((('jpeg', 1),), (('jpeg', 2),), 0.2),
        ((('jpeg', 1),), (('jpeg', 5),), 0.8),
        ((('hue', 1, 1),), (('hue', 1, -1),), 0.4),
        ((('hue', 5, 1),), (('hue', 5, -1),), 0.9),
        ((('jpeg', 1),), (('ringing', 1),), 0.9),
        ((('jpeg', 1),), (('hue', 1),), 1),
        ((('jpeg', 1), ('hue', 2)), (('hue', 2),), 1),
        ((('jpeg', 1), ('hue', 2)), (('hue', 3), ('jpeg', 1)), 2),
        ((('jpeg', 1), ('ringing', 2)), (('ringing', 2), ('jpeg', 1)), 1.8),
        ((('jpeg', 1), ('hue', 2), ('rotate', 1)), (('hue', 4), ('rotate', 2)), 1.6),
    ],
)
def test_closed_forms(one, two, expected):
    assert recipe_distance(recipe(*one), recipe(*two)) == pytest.approx(expected)


@seeded
@given(recipes, recipes, recipes)
def test_is_a_metric(one, two, three):
    distance = recipe_distance(one, two)
    assert distance == pytest.approx(recipe_distance(two, one))
    assert (distance == 0) == (one.key == two.key)
    assert distance <= recipe_distance(one, three) + recipe_distance(three, two) + 1e-9
    assert distance <= max(len(one.steps), len(two.steps))


@seeded
@given(recipes, recipes)
def test_equals_a_recursive_search(one, two):
    @functools.cache
    def search(i: int, j: int) -> float:
        if i == 0 or j == 0:
            return float(i + j)
        change = step_distance(one.steps[i - 1], two.steps[j - 1])
        return min(search(i - 1, j) + 1, search(i, j - 1) + 1, search(i - 1, j - 1) + change)

    assert recipe_distance(one, two) == pytest.approx(search(len(one.steps), len(two.steps)))
