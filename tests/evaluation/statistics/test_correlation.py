"""Correlations against the definitions and known values."""

import itertools

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import krcc, plcc, rmse, srcc


def test_against_the_definitions(rng):
    x, y = rng.normal(size=30), rng.normal(size=30)
    x[3] = x[7]  # a tie
    ranks = [np.array([(np.sum(v < e) + np.sum(v <= e) + 1) / 2 for e in v]) for v in (x, y)]
    assert srcc(x, y) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert plcc(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    pairs = list(itertools.combinations(range(30), 2))
    agree = sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in pairs)
    untied = np.sqrt(len(pairs) - 1) * np.sqrt(len(pairs))
    assert krcc(x, y) == pytest.approx(agree / untied)
    assert rmse(x, y) == pytest.approx(np.sqrt(((x - y) ** 2).mean()))


def test_known_values():
    assert srcc([1, 2, 3, 4], [1, 4, 9, 16]) == pytest.approx(1)
    assert srcc([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert plcc([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert krcc([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert rmse([1, 2, 3], [2, 3, 4]) == 1


@pytest.mark.parametrize('function', [srcc, plcc, krcc])
def test_constant_predictions(function):
    with pytest.raises(InputError, match=r'predictions are all 1.0: a correlation is not defined'):
        function([1, 1, 1], [1, 2, 3])


@pytest.mark.parametrize('function', [srcc, plcc, krcc, rmse])
def test_bad_input(function):
    with pytest.raises(InputError, match='at least 3 photos, got 2'):
        function([1, 2], [1, 2])
    with pytest.raises(InputError, match='MOS hold 1 values that are not finite'):
        function([1, 2, 3], [1, float('nan'), 3])
    with pytest.raises(InputError, match='two lists of one length'):
        function([1, 2, 3], [1, 2])
