"""All figures at once: the right ones, and notes for those that are missing."""

import numpy as np
import pytest
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.logistic import Fit
from mmqpt.evaluation.statistics.measures import measures

NAMES = ['SRCC', 'KRCC', 'PLCC', 'PLCC4', 'PLCC5', 'RMSE', 'RMSE4', 'RMSE5']


def test_against_scipy(rng):
    x = rng.normal(size=100).round(1)  # ties
    y = (x + rng.normal(size=100)).round(1)
    values, notes = measures(x, y)
    assert list(values) == NAMES
    assert notes == []
    assert values['SRCC'] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert values['KRCC'] == pytest.approx(stats.kendalltau(x, y).statistic)
    assert values['PLCC'] == pytest.approx(stats.pearsonr(x, y).statistic)
    assert values['RMSE'] == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    # a least-squares curve with a free offset and factor: what it leaves is what it does not explain
    for count in ('4', '5'):
        left = values[f'RMSE{count}'] ** 2 / y.var()
        assert left == pytest.approx(1 - values[f'PLCC{count}'] ** 2, rel=1e-6)


def test_a_monotonic_curve_leaves_the_ranks_and_spoils_the_line(rng):
    mos = rng.uniform(1, 5, size=200)
    logit = np.log((mos - 0.9) / (5.1 - mos))
    values, _ = measures(logit, mos)
    assert values['SRCC'] == pytest.approx(1)
    assert values['KRCC'] == pytest.approx(1)
    assert values['PLCC'] < 0.99
    assert values['PLCC4'] == pytest.approx(1)
    assert values['RMSE4'] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(Fit((5.1, 0.9, 0, 1))(logit), mos)


def test_constant_predictions_leave_the_rmse():
    values, notes = measures([2, 2, 2], [1, 2, 3])
    assert values == {'RMSE': pytest.approx((2 / 3) ** 0.5)}
    assert notes == ['SRCC, KRCC, PLCC left out: predictions are all 2.0: a correlation is not defined']


def test_constant_mos():
    values, notes = measures([1, 2, 3], [2, 2, 2])
    assert set(values) == {'RMSE'}
    assert notes == ['SRCC, KRCC, PLCC left out: MOS are all 2.0: a correlation is not defined']


def test_few_photos():
    assert measures([1, 2], [1, 2]) == (
        {},
        ['SRCC, KRCC, PLCC, RMSE left out: a correlation needs at least 3 photos, got 2'],
    )
    assert measures([], [])[0] == {}
    values, notes = measures([1, 2, 4, 3, 6], [1, 2, 3, 4, 5])
    assert 'PLCC5' not in values
    assert 'RMSE5' not in values
    reason = 'a curve of 5 parameters needs at least 6 photos, got 5'
    assert f'5-parameter logistic fit failed ({reason}): see the raw PLCC' in notes


def test_the_direction_is_not_hidden(rng):
    x = rng.normal(size=60)
    values, notes = measures(-x, x + 0.2 * rng.normal(size=60))
    assert values['PLCC'] < -0.9
    assert values['PLCC4'] > 0.9
    assert any('predictions fall as MOS rises (SRCC -0.9' in note for note in notes)


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_bad_values_are_errors(bad):
    with pytest.raises(InputError, match='predictions hold 1 values that are not finite'):
        measures([1, bad, 3], [1, 2, 3])
    with pytest.raises(InputError, match='MOS hold 1 values that are not finite'):
        measures([1, 2], [1, bad])
    with pytest.raises(InputError, match='two lists of one length'):
        measures([1, 2, 3], [1, 2])
