"""Histograms made from a MOS and its deviation."""

import pytest
import torch
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.models.histograms import score_histogram

SCORES = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.77, 1.0], dtype=torch.float64)


@pytest.mark.parametrize('bins', [2, 5, 10])
def test_two_bins_have_the_score_as_their_mean(bins):
    shares = score_histogram(SCORES, bins)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6, dtype=torch.float64))
    torch.testing.assert_close(shares @ torch.linspace(0, 1, bins, dtype=torch.float64), SCORES)
    assert ((shares > 0).sum(dim=1) <= 2).all()
    assert (shares >= 0).all()


def test_closed_form():
    assert score_histogram(torch.tensor([0.5, 0.125]), 5).tolist() == [[0, 0, 1, 0, 0], [0.5, 0.5, 0, 0, 0]]


def test_truncated_normal_equals_scipy():
    deviations = torch.tensor([0.1, 0.2, 0.05, 0.3, 0.02, 0.4], dtype=torch.float64)
    shares = score_histogram(SCORES, 5, deviations)
    for score, deviation, row in zip(SCORES.tolist(), deviations.tolist(), shares.tolist(), strict=True):
        a, b = (-0.125 - score) / deviation, (1.125 - score) / deviation
        normal = stats.truncnorm(a, b, loc=score, scale=deviation)
        expected = [normal.cdf(k / 4 + 0.125) - normal.cdf(k / 4 - 0.125) for k in range(5)]
        assert row == pytest.approx(expected, abs=1e-9)


def test_unknown_deviations_fall_back_to_two_bins():
    deviations = torch.tensor([0.0, float('nan'), 0.1, 0.0, 1e-9, 1e9], dtype=torch.float64)
    shares = score_histogram(SCORES, 5, deviations)
    torch.testing.assert_close(shares[[0, 1, 3]], score_histogram(SCORES, 5)[[0, 1, 3]])
    assert shares[4].tolist() == pytest.approx([0, 0, 0, 1, 0])  # the nearest bin
    assert shares[5].tolist() == pytest.approx([0.2] * 5)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6, dtype=torch.float64))


def test_too_few_bins():
    with pytest.raises(InputError, match='bins must be >= 2, got 1'):
        score_histogram(SCORES, 1)
