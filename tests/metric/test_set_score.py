"""The mean over a set: the scores of single photos, Student's interval, nothing half added."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import mmqpt
from mmqpt.core.errors import InputError


@pytest.fixture
def measure(metric_weights):
    return mmqpt.QPTMetric(metric_weights, 'cpu')


def test_batches_lists_and_the_scores_of_single_photos(measure, metric_weights, photos, photo_folder):
    batch = torch.from_numpy(np.stack([photo[:96, :128] for photo in photos])).permute(0, 3, 1, 2)
    first = measure.update(batch)
    paths = sorted(photo_folder.iterdir())
    second = measure(paths)
    singles = [mmqpt.score(photo, metric_weights, 'cpu') for photo in [*batch, *paths]]
    assert np.allclose([*first, *second], singles, atol=1e-6)
    found = measure.compute()
    assert found.photos == 9
    assert found.mean == pytest.approx(np.mean(singles), abs=1e-6)
    assert found.std == pytest.approx(np.std(singles, ddof=1), abs=1e-6)
    wanted = stats.t.interval(0.95, 8, np.mean(singles), stats.sem(singles))
    assert (found.low, found.high) == pytest.approx(wanted, abs=1e-6)
    assert measure.compute() == found  # and does not start again
    measure.reset()
    with pytest.raises(InputError, match='call update before compute'):
        measure.compute()


def test_one_photo_has_no_interval(measure, photos):
    measure.update([photos[0]])
    found = measure.compute()
    assert found.photos == 1
    assert math.isnan(found.low)
    assert math.isnan(found.std)


def test_a_wider_interval_for_more_confidence_and_within_the_scale(measure):
    measure.scores = [0.01, 0.99]
    narrow = measure.compute()
    measure.confidence = 0.5
    assert measure.compute().high - measure.compute().low < narrow.high - narrow.low
    assert (narrow.low, narrow.high) == (0, 1)


def test_mistakes_add_nothing(measure, photos, tmp_path):
    with pytest.raises(InputError, match=r'\(N, 3, H, W\), got \(3, 64, 64\)'):
        measure.update(torch.zeros(3, 64, 64))
    with pytest.raises(InputError, match='a list of photos, got str'):
        measure.update('photo.jpg')
    (tmp_path / 'bad.jpg').write_text('no photo')
    with pytest.raises(InputError, match=r'bad\.jpg'):
        measure.update([photos[0], tmp_path / 'bad.jpg'])
    assert measure.scores == []
    with pytest.raises(InputError, match='confidence must be between 0 and 1, got 95'):
        mmqpt.QPTMetric(measure.scorer, confidence=95)
    assert repr(measure).startswith('QPTMetric(')


def _part(rank, ranks, path):
    measure = mmqpt.QPTMetric(path, 'cpu')
    measure.scores = [0.2, 0.3] if rank == 0 else [0.7]
    return tuple(measure.compute())


def test_all_processes_compute_over_all_photos(on_ranks, metric_weights):
    one, other = on_ranks(_part, 2, metric_weights)
    assert one == other
    assert one[0] == pytest.approx(0.4)
    assert one[4] == 3
