"""``mmqpt.score`` and ``open_scorer``: from any kind of photo and file of weights to a score."""

import pytest
import torch
from PIL import Image

import mmqpt
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.metric.onnx_scorer import OnnxScorer
from mmqpt.metric.open import open_scorer, scorer_class
from mmqpt.metric.torch_scorer import TorchScorer


@pytest.fixture(scope='module')
def path(photo_folder):
    return photo_folder / 'coffee_0.jpg'


def test_all_kinds_of_input_give_one_score(metric_weights, path):
    scorer = open_scorer(metric_weights, 'cpu')
    array = read_photo(path)
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    kinds = [path, str(path), path.read_bytes(), Image.open(path), array, tensor, tensor / 255, tensor[None] / 255]
    found = {scorer.score(kind) for kind in kinds}
    assert len(found) == 1
    assert mmqpt.score(path, metric_weights, 'cpu') == found.pop()


def test_a_list_gives_a_list(metric_weights, photo_folder, photos, tmp_path):
    paths = sorted(photo_folder.iterdir())[:3]
    found = mmqpt.score([*paths, photos[0]], metric_weights, 'cpu')
    assert found == pytest.approx([mmqpt.score(one, metric_weights, 'cpu') for one in [*paths, photos[0]]], abs=1e-6)
    assert mmqpt.score(tuple(paths[:1]), metric_weights, 'cpu') == pytest.approx(found[:1], abs=1e-6)
    assert mmqpt.score([], metric_weights, 'cpu') == []
    (tmp_path / 'text.jpg').write_text('no photo')
    with pytest.raises(InputError, match=r'text\.jpg: not an image'):
        mmqpt.score([paths[0], tmp_path / 'text.jpg'], metric_weights, 'cpu')


def test_a_folder_gives_results_and_errors(metric_weights, photo_folder, tmp_path):
    first = sorted(photo_folder.iterdir())[0]
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    for name in ('a.jpg', 'sub/b.jpg'):
        (tmp_path / 'in' / name).write_bytes(first.read_bytes())
    (tmp_path / 'in' / 'bad.png').write_text('no photo')
    (tmp_path / 'in' / 'notes.txt').write_text('no photo')
    found = mmqpt.score_folder(tmp_path / 'in', weights=metric_weights, device='cpu')
    assert [row.name.removeprefix(f'{tmp_path}/in/') for row in found] == ['a.jpg', 'bad.png', 'sub/b.jpg']
    assert found[0].score == found[2].score == pytest.approx(mmqpt.score(first, metric_weights, 'cpu'), abs=1e-6)
    assert 'bad.png' in found[1].error
    assert len(mmqpt.score_folder(tmp_path / 'in', False, metric_weights, 'cpu')) == 2
    with pytest.raises(InputError, match=r'in is a folder: mmqpt\.score_folder'):
        mmqpt.score(tmp_path / 'in', metric_weights, 'cpu')
    with pytest.raises(FileNotFoundError, match='no such folder'):
        mmqpt.score_folder(tmp_path / 'none', weights=metric_weights)


def test_a_scorer_says_what_it_is(metric_weights):
    text = repr(open_scorer(metric_weights, 'cpu'))
    assert text.startswith('TorchScorer(metric of test_resnet')
    assert text.endswith('; cpu)')


def test_the_network_is_kept(metric_weights, photos, monkeypatch):
    first = mmqpt.score(photos[0], metric_weights, 'cpu')
    monkeypatch.setattr(TorchScorer, '__init__', None)
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


def test_the_file_chooses_the_class(metric_weights):
    assert type(open_scorer(metric_weights, 'cpu')) is TorchScorer
    assert type(open_scorer(device='cpu', threads=1)) is OnnxScorer
    assert type(open_scorer(device='cpu', runtime='torch')) is TorchScorer
    assert scorer_class(metric_weights, 'cpu') is TorchScorer
    assert scorer_class(device='cpu') is OnnxScorer
