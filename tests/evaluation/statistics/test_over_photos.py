"""A mean over photos and its interval."""

import numpy as np
import pytest

from mmqpt.evaluation.statistics.over_photos import mean_over_photos


def test_the_interval_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, (low, high) = mean_over_photos(values)
    assert mean == pytest.approx(values.mean())
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    assert low < mean < high


def test_equal_photos_leave_no_doubt_and_a_single_one_has_no_interval():
    assert mean_over_photos([0.5] * 8) == (0.5, (0.5, 0.5))
    assert mean_over_photos([0.5]) == (0.5, None)
