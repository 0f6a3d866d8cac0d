"""Scores by PyTorch: those of pyiqa's metric, for any size, batch and device."""

import numpy as np
import pyiqa
import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.metric.torch_scorer import TorchScorer, find_device


@pytest.fixture(scope='module')
def scorer(metric_weights):
    return TorchScorer(metric_weights, 'cpu')


def test_equals_pyiqa(scorer, metric_weights, photo_folder):
    metric = pyiqa.create_metric('qpt', pretrained_model_path=str(metric_weights), device='cpu')
    for path in sorted(photo_folder.glob('*.jpg'))[:3]:
        assert scorer.score(path) == pytest.approx(metric(str(path)).item(), abs=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (1, 70), (70, 1), (33, 41), (300, 500)])
def test_any_size(scorer, size):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert 0 < scorer.score(photo) < 1
    assert scorer.score(photo) == scorer.score(photo)


def test_a_batch_gives_what_single_photos_give(scorer, photos):
    batch = scorer.stack([scorer.prepare(photo[:100, :120]) for photo in photos])
    one_by_one = [scorer.score(photo[:100, :120]) for photo in photos]
    np.testing.assert_allclose(scorer.score_batch(batch), one_by_one, atol=1e-6)
    assert scorer.score_batch(batch).dtype == np.float64


def test_other_numbers_are_refused(scorer):
    with pytest.raises(InputError, match=r'must be uint8 or floating point, got torch\.int64'):
        scorer.score_batch(torch.zeros(1, 3, 64, 64, dtype=torch.int64))
    photo = torch.rand(1, 3, 64, 64)
    assert scorer.score_batch(photo.double()) == pytest.approx(scorer.score_batch(photo))


def test_folded_networks_are_not_saved(scorer, tmp_path):
    with pytest.raises(InputError, match='changed for inference'):
        scorer.net.save(tmp_path / 'x.safetensors')


def test_find_device():
    assert find_device('cpu') == torch.device('cpu')
    assert find_device().type == ('cuda' if torch.cuda.is_available() else 'cpu')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_gpu_gives_what_the_cpu_gives(scorer, metric_weights, photos):
    gpu = TorchScorer(metric_weights, 'cuda')
    for photo in photos:
        assert gpu.score(photo) == pytest.approx(scorer.score(photo), abs=1e-3)


def test_examine_prepares_and_flags(metric_weights, photos):
    scorer = TorchScorer(metric_weights, 'cpu')
    for photo in (photos[0], photos[0] / 255, torch.from_numpy(photos[0]).permute(2, 0, 1)):
        prepared, flags = scorer.examine(photo)
        assert np.array_equal(prepared, scorer.prepare(photo))
        assert flags == ()
    assert scorer.examine(np.zeros((200, 200, 3), np.float32))[1] == ('blank', 'nearly black')
