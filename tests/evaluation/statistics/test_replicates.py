"""Replicates of figures over photos: against slow loops, paired, and honest about what is not defined."""

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import srcc
from mmqpt.evaluation.statistics.replicates import (
    Replicated,
    draw_counts,
    replicated_macro,
    replicated_mean,
    replicated_srcc,
)

GROUPS = ['a', 'a', 'b', 'c', 'd', 'd', 'd', 'e']


@pytest.fixture
def rows(rng):
    """Photo of each of 40 rows, predictions and targets."""
    photo = np.sort(rng.integers(0, 8, 40))
    target = rng.integers(0, 6, 40).astype(float)
    return photo, target + rng.normal(size=40), target


def test_groups_are_drawn_whole():
    counts = draw_counts(GROUPS, 500)
    assert counts.shape == (500, 8)
    np.testing.assert_array_equal(counts[:, 0], counts[:, 1])
    np.testing.assert_array_equal(counts[:, 4], counts[:, 6])
    assert (counts[:, [0, 2, 3, 4, 7]].sum(axis=1) == 5).all()
    assert counts[:, 2].mean() == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(counts, draw_counts(GROUPS, 500))
    assert (counts != draw_counts(GROUPS, 500, seed=1)).any()


def test_replicates_are_those_of_repeated_rows(rows):
    photo, predicted, target = rows
    counts = draw_counts(GROUPS, 60)
    correlation, mean = replicated_srcc(predicted, target, photo, counts), replicated_mean(predicted, photo, counts)
    assert correlation.value == srcc(predicted, target)
    assert mean.value == predicted.mean()
    for number in range(60):
        again = np.repeat(np.arange(40), counts[number][photo])
        assert correlation.replicates[number] == pytest.approx(srcc(predicted[again], target[again]))
        assert mean.replicates[number] == pytest.approx(predicted[again].mean())


def test_differences_are_paired(rows):
    photo, predicted, target = rows
    counts = draw_counts(GROUPS, 200)
    one = replicated_srcc(predicted, target, photo, counts)
    same = one.minus(replicated_srcc(2 * predicted, target, photo, counts))
    assert (same.difference, same.low, same.high, same.replicates) == (0, 0, 0, 200)
    better = replicated_srcc(target, target, photo, counts).minus(one)
    assert 0 < better.low < better.difference < better.high
    low, high = one.interval()
    assert low < one.value < high


def test_the_bias_of_the_replicates_is_taken_off():
    found = Replicated(0.5, np.linspace(0.6, 0.8, 1001)).interval(0.9)
    assert found == pytest.approx((0.41, 0.59))


def test_macro_is_the_mean_of_what_is_defined():
    parts = [Replicated(0.2, np.array([0.1, np.nan, np.nan])), Replicated(0.4, np.array([0.3, 0.5, np.nan]))]
    found = replicated_macro(parts)
    assert found.value == pytest.approx(0.3)
    np.testing.assert_allclose(found.replicates, [0.2, 0.5, np.nan])


def test_no_interval_where_many_replicates_are_not_defined():
    some = np.r_[np.full(10, np.nan), np.linspace(0, 1, 90)]
    assert Replicated(0.5, some).interval() is None
    assert Replicated(0.5, some).minus(Replicated(0.5, np.zeros(100))) is None
    assert Replicated(float('nan'), np.zeros(100)).interval() is None
    assert Replicated(0.5, some[7:]).interval() is not None  # 3 of 93


def test_constant_predictions_have_no_correlation(rows):
    photo, _, target = rows
    found = replicated_srcc(np.zeros(40), target, photo, draw_counts(GROUPS, 50))
    assert np.isnan(found.value)
    assert np.isnan(found.replicates).all()


def test_too_little_to_draw():
    with pytest.raises(InputError, match='needs photos and at least 40 replicates, got 0 and 100'):
        draw_counts([], 100)
    with pytest.raises(InputError, match='got 8 and 39'):
        draw_counts(GROUPS, 39)
