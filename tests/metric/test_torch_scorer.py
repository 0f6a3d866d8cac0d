"""``mmqpt.score``: any kind of photo, the same score as pyiqa's metric."""

import numpy as np
import pyiqa
import pytest
import torch
from PIL import Image

import mmqpt
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.metric.open import Scorer
from mmqpt.metric.torch_scorer import find_device


@pytest.fixture(scope='module')
def scorer(metric_weights):
    return Scorer(metric_weights, 'cpu')


@pytest.fixture(scope='module')
def path(photo_folder):
    return photo_folder / 'coffee_0.jpg'


def test_all_kinds_of_input_give_one_score(scorer, metric_weights, path):
    array = read_photo(path)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    kinds = [path, str(path), path.read_bytes(), Image.open(path), array, tensor, tensor / 255, tensor[None] / 255]
    found = {scorer.score(kind) for kind in kinds}
    assert len(found) == 1
    assert mmqpt.score(path, metric_weights, 'cpu') == found.pop()


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
    batch = torch.stack([scorer.prepare(photo[:100, :120]) for photo in photos])
    one_by_one = [scorer.score(photo[:100, :120]) for photo in photos]
    np.testing.assert_allclose(scorer.score_batch(batch), one_by_one, atol=1e-6)
    assert scorer.score_batch(batch).dtype == np.float64


def test_the_network_is_kept(metric_weights, photos, monkeypatch):
    first = mmqpt.score(photos[0], metric_weights, 'cpu')
    monkeypatch.setattr(Scorer, '__init__', None)
    assert mmqpt.score(photos[0], metric_weights, 'cpu') == first


def test_errors_name_the_thing(metric_weights, tmp_path):
    (tmp_path / 'text.jpg').write_text('no photo')
    with pytest.raises(PhotoError, match=r'text\.jpg: not an image'):
        mmqpt.score(tmp_path / 'text.jpg', metric_weights, 'cpu')
    with pytest.raises(FileNotFoundError, match=r'no such photo: .*gone\.jpg'):
        mmqpt.score(tmp_path / 'gone.jpg', metric_weights, 'cpu')
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: x\.safetensors'):
        mmqpt.score(tmp_path / 'gone.jpg', 'x.safetensors')
    for device in ('toaster', 'cuda:99'):
        with pytest.raises(InputError, match=f'device {device!r} is not available here'):
            mmqpt.score(tmp_path / 'gone.jpg', metric_weights, device)


def test_no_finite_score_is_an_error(metric_weights, photos, tmp_path):
    tensors, spec = read_weights(metric_weights)
    path = tmp_path / 'nan.safetensors'
    write_weights(
        path,
        {name: value * float('nan') for name, value in tensors.items() if value.is_floating_point()}
        | {name: value for name, value in tensors.items() if not value.is_floating_point()},
        spec,
    )
    with pytest.raises(InputError, match='the network gave no finite score'):
        mmqpt.score(photos[0], path, 'cpu')


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
    gpu = Scorer(metric_weights, 'cuda')
    for photo in photos:
        assert gpu.score(photo) == pytest.approx(scorer.score(photo), abs=1e-3)
