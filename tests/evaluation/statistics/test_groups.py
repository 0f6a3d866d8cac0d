"""Agreement within groups, and what a pooled correlation owes to differences between them."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import plcc, srcc
from mmqpt.evaluation.statistics.groups import grouped_srcc, macro, members


@pytest.fixture
def data(rng):
    """60 photos of three groups with levels of their own, predicted well between groups and weakly within."""
    groups = ['b'] * 20 + ['a'] * 25 + ['c'] * 15
    level = np.array([{'a': 0.3, 'b': 0.5, 'c': 0.9}[name] for name in groups])
    mos = level + 0.05 * rng.normal(size=60)
    return level + 0.3 * (mos - level) + 0.04 * rng.normal(size=60), mos, groups


def test_against_scipy(data):
    predicted, mos, groups = data
    found = grouped_srcc(predicted, mos, groups)
    assert found.pooled == pytest.approx(spearmanr(predicted, mos).statistic)
    assert list(found.within) == ['a', 'b', 'c']
    for name, value in found.within.items():
        same = [i for i, group in enumerate(groups) if group == name]
        assert value == pytest.approx(spearmanr(predicted[same], mos[same]).statistic)
    assert found.macro == pytest.approx(np.mean(list(found.within.values())))
    means = [np.mean([m for m, g in zip(mos, groups, strict=True) if g == group]) for group in groups]
    assert found.between == pytest.approx(spearmanr(means, mos).statistic)


def test_note_only_where_groups_carry_the_figure(data, rng):
    predicted, mos, groups = data
    found = grouped_srcc(predicted, mos, groups)
    assert found.pooled > found.macro + 0.2
    assert f'carried by differences between 3 groups: a constant for each group alone reaches {found.between:.3f}' in (
        found.note
    )
    assert f'({100 * found.between / found.pooled:.0f} % of it)' in found.note
    alike = rng.normal(size=60)
    assert grouped_srcc(alike + 0.1 * rng.normal(size=60), alike, groups).note == ''
    one = grouped_srcc(predicted, mos, ['x'] * 60)
    assert (one.macro, one.between, one.note) == (one.pooled, 0.0, '')


def test_macro_of_any_statistic(data):
    predicted, mos, groups = data
    assert macro(srcc, predicted, mos, groups) == grouped_srcc(predicted, mos, groups).macro
    wanted = np.mean([plcc(predicted[same], mos[same]) for same in members(groups).values()])
    assert macro(plcc, predicted, mos, groups) == pytest.approx(wanted)


def test_predictions_that_fall_share_nothing(data):
    predicted, mos, groups = data
    assert grouped_srcc(-predicted, mos, groups).share == 0


def test_bad_groups(data):
    predicted, mos, groups = data
    with pytest.raises(InputError, match='60 predictions, 3 groups'):
        grouped_srcc(predicted, mos, groups[:3])
    with pytest.raises(InputError, match="group 'x'"):
        grouped_srcc(predicted, mos, [*groups[:-1], 'x'])
