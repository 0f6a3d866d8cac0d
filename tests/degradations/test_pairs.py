"""Recipes that differ: never the same, and as far apart as asked for."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, DegradationSpace, draw_different, recipe_distance, redraw_seeds

BOUNDS = [(0.2, 0.2, 2), (0, 0.4, 3), (0, 1, 4), (1, 2, 2), (2, None, 4), (0.9, 1.3, 3), (0, 0.2, 2)]


def test_draw_different_never_repeats(rng):
    small = DegradationSpace(['pixelate', 'jpeg'], levels=(1,), order=1)
    for space, count in ((DegradationSpace(), 50), (small, 2), (small, 5)):
        for _ in range(50):
            keys = [recipe.key for recipe in draw_different(space, count, rng)]
            assert len(set(keys)) == len(keys) == count


def test_draw_different_can_exhaust_a_space(rng):
    space = DegradationSpace(['pixelate', 'jpeg'], levels=(1, 5))
    recipes = draw_different(space, space.size(), rng)
    assert len({recipe.key for recipe in recipes}) == space.size()
    assert all(recipe in space for recipe in recipes)
    with pytest.raises(
        InputError, match=f'{space.size() + 1} different recipes asked for, but the space holds {space.size()}'
    ):
        draw_different(space, space.size() + 1, rng)


@pytest.mark.parametrize(('least', 'most', 'count'), BOUNDS)
@pytest.mark.parametrize(
    'options', [{}, {'choice': 'operator', 'skip': 0.96}, {'choice': 'one', 'order': 3, 'skip': 0}]
)
def test_draw_different_keeps_distances(least, most, count, options, rng):
    space = DegradationSpace(**options)
    for _ in range(30):
        recipes = draw_different(space, count, rng, least, most)
        assert len(recipes) == count
        assert all(recipe in space for recipe in recipes)
        for one, two in itertools.combinations(recipes, 2):
            assert one.key != two.key
            assert least - 1e-9 <= recipe_distance(one, two) <= (most or 99) + 1e-9


def test_near_recipes_share_steps_and_seeds(rng):
    space = DegradationSpace()
    for _ in range(100):
        one, two = draw_different(space, 2, rng, max_distance=0.2)
        changed = [(a, b) for a, b in zip(one.steps, two.steps, strict=True) if a != b]
        ((before, after),) = changed
        assert (before.operator, before.seed) == (after.operator, after.seed)
        assert abs(before.sign * before.level - after.sign * after.level) == 1


def test_near_recipes_change_any_step_evenly(rng):
    options = [(name, level, 1) for name in ('jpeg', 'pixelate', 'quantise') for level in LEVELS]
    space = DegradationSpace(options=options, skip=0, shuffle=False, order=1)
    places, moves = Counter(), Counter()
    for _ in range(2000):
        one, two = draw_different(space, 2, rng, max_distance=0.2)
        place = next(i for i, (a, b) in enumerate(zip(one.steps, two.steps, strict=True)) if a != b)
        places[place] += 1
        if one.steps[place].level == 3:
            moves[two.steps[place].level] += 1
    for counts, support in ((places, {0, 1, 2}), (moves, {2, 4})):
        assert set(counts) == support
        assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_distances_that_no_recipes_have():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r'could not find 3 recipes at distances of 0.0 to 0.2 in 2000 draws'):
        draw_different(DegradationSpace(skip=0), 3, rng, max_distance=0.2)
    with pytest.raises(InputError, match=r'could not find 2 recipes at distances of 7 or more in 2000 draws'):
        draw_different(DegradationSpace(order=1), 2, rng, min_distance=7)
    unlikely = DegradationSpace(['jpeg', 'denoise'], levels=(1,), skip=0, order=1, weights={'jpeg': 1e12})
    with pytest.raises(InputError, match='could not find 2 different recipes in 10000 draws'):
        draw_different(unlikely, 2, rng)


@pytest.mark.parametrize(
    ('bounds', 'message'),
    [
        ({'min_distance': -1}, 'min_distance must be a number >= 0, got -1'),
        ({'min_distance': 'far'}, "min_distance must be a number >= 0, got 'far'"),
        ({'max_distance': 0.1}, r'max_distance must be >= 0.2 \(one level\) and >= min_distance \(0.0\), .* got 0.1'),
        ({'min_distance': 2, 'max_distance': 1}, r'and >= min_distance \(2\), or None, got 1'),
    ],
)
def test_bad_distances(bounds, message, rng):
    with pytest.raises(InputError, match=message):
        draw_different(DegradationSpace(), 2, rng, **bounds)


@pytest.mark.parametrize('rng', [0, None, np.random, np.random.RandomState(0)])
def test_rng_must_be_a_generator(rng):
    with pytest.raises(InputError, match=r'rng must be a NumPy generator, such as numpy.random.default_rng\(0\), got'):
        draw_different(DegradationSpace(), 2, rng)


def test_redrawn_seeds_change_nothing_but_seeds(rng):
    for _ in range(50):
        recipes = draw_different(DegradationSpace(), 3, rng)
        found = redraw_seeds(recipes, rng)
        assert [recipe.key for recipe in found] == [recipe.key for recipe in recipes]
        before, after = ({step.seed for recipe in some for step in recipe.steps} for some in (recipes, found))
        assert not before & after
        assert len(before) == len(after)


def test_steps_that_shared_a_seed_go_on_to_share_one(rng):
    """Versions that differ by one level have the same noise."""
    for _ in range(50):
        one, two = redraw_seeds(draw_different(DegradationSpace(), 2, rng, max_distance=0.2), rng)
        assert [step.seed for step in one.steps] == [step.seed for step in two.steps]
