"""What pyiqa asks of a metric: its own tests where they are present, and what those lack."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyiqa
import pytest
import torch
from pyiqa.default_model_configs import DEFAULT_CONFIGS

import mmqpt  # noqa: F401  (registers qpt)

FOLDER = 'PYIQA_TESTS'
FILE = Path('tests', 'test_metric_general.py')


def pyiqa_checkout():
    """The folder that ``PYIQA_TESTS`` names, or the one that an editable pyiqa lies in; None without its tests."""
    installed = Path(importlib.util.find_spec('pyiqa').origin).parent.parent
    folders = [Path(os.environ[FOLDER])] if FOLDER in os.environ else [installed]
    return next((folder for folder in folders if (folder / FILE).is_file()), None)


@pytest.fixture(scope='module')
def weights_folder(metric_weights, tmp_path_factory):
    """A folder for MMQPT_WEIGHTS."""
    folder = tmp_path_factory.mktemp('weights')
    shutil.copy(metric_weights, folder / 'qpt.safetensors')
    return folder


@pytest.fixture(scope='module')
def metric(metric_weights):
    return pyiqa.create_metric('qpt', pretrained_model_path=str(metric_weights), device='cpu')


@pytest.fixture(scope='module')
def loss(metric_weights):
    return pyiqa.create_metric('qpt', as_loss=True, pretrained_model_path=str(metric_weights), device='cpu')


@pytest.fixture(scope='module')
def batch(photos):
    """(3, 3, 150, 200) of real photos."""
    return torch.stack([torch.from_numpy(photo[50:200, 50:250].copy()).permute(2, 0, 1) / 255 for photo in photos])


def test_pyiqas_own_tests(weights_folder, tmp_path):
    checkout = pyiqa_checkout()
    if checkout is None:
        pytest.skip(f'pyiqa ships no tests; name a checkout of chaofengc/IQA-PyTorch in {FOLDER} to run them')
    # without the working folder in sys.path, so that the installed pyiqa is tested and not that of the checkout
    code = 'import sys; sys.path = [p for p in sys.path if p]; import pytest; sys.exit(pytest.main(sys.argv[1:]))'
    options = ['-p', 'mmqpt', '-k', 'qpt', '-p', 'no:cacheprovider', '--import-mode=importlib', '-rs', '-q']
    done = subprocess.run(
        [sys.executable, '-c', code, *options, f'--basetemp={tmp_path / "pyiqa"}', str(FILE)],
        cwd=checkout,
        env={**os.environ, 'MMQPT_WEIGHTS': str(weights_folder), 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    summary = done.stdout.splitlines()[-1]
    assert ('3 passed' if torch.cuda.is_available() else '2 passed, 1 skipped') in summary, summary


def test_is_listed_and_says_what_its_scores_mean(metric):
    for mode in (None, 'NR'):
        assert 'qpt' in pyiqa.list_models(mode)
    assert 'qpt' not in pyiqa.list_models('FR')
    assert metric.lower_better is False
    assert metric.metric_mode == 'NR'
    assert metric.score_range == '0, 1' == DEFAULT_CONFIGS['qpt']['score_range']


def test_scores_lie_in_the_range_even_for_extreme_photos(metric):
    extreme = torch.cat([torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64), torch.eye(64).expand(1, 3, 64, 64)])
    scores = metric(extreme)
    assert scores.shape == (3, 1)
    assert ((scores > 0) & (scores < 1)).all()
    assert not scores.requires_grad


@pytest.mark.parametrize('size', [(1, 1), (1, 300), (3000, 40), (33, 47)])
@pytest.mark.parametrize('channels', [1, 3])
def test_batch_equals_one_by_one_at_any_size_and_channels(metric, size, channels):
    photos = torch.rand(3, channels, *size, generator=torch.Generator().manual_seed(0))
    together = metric(photos)
    assert together.shape == (3, 1)
    assert ((together > 0) & (together < 1)).all()
    one_by_one = torch.cat([metric(photo[None]) for photo in photos])
    assert torch.allclose(together, one_by_one, atol=1e-5)


def test_neither_order_nor_neighbours_matter(metric, batch):
    scores = metric(batch)
    assert torch.allclose(metric(batch.flip(0)), scores.flip(0), atol=1e-5)
    black = torch.zeros_like(batch[:1])
    assert torch.allclose(metric(torch.cat([batch[:1], black]))[0], scores[0], atol=1e-5)


def test_input_is_left_alone_and_need_not_be_contiguous(metric, batch):
    before = batch.clone()
    scores = metric(batch)
    assert torch.equal(batch, before)
    assert torch.allclose(metric(batch.contiguous(memory_format=torch.channels_last)), scores, atol=1e-5)
    strided = torch.zeros(3, 3, 150, 400)[..., ::2].copy_(batch)
    assert torch.allclose(metric(strided), scores, atol=1e-5)


def test_same_score_in_every_call_whatever_the_random_state(metric, batch):
    torch.manual_seed(1)
    first = metric(batch)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(metric(batch), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_same_score_in_every_process(weights_folder, photo_folder, metric):
    """A fresh interpreter, given nothing but the name of the metric."""
    photo = photo_folder / 'coffee_0.jpg'
    code = (
        'import mmqpt, pyiqa, torch; torch.set_num_threads(1); '
        f"print(pyiqa.create_metric('qpt', device='cpu')({str(photo)!r}).item().hex())"
    )
    env = {**os.environ, 'MMQPT_WEIGHTS': str(weights_folder), 'PYTHONHASHSEED': '1'}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert float.fromhex(done.stdout.strip()) == metric(str(photo)).item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_cpu_equals_gpu(metric, metric_weights, batch, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)  # on by default, and good for 1e-3
    other = pyiqa.create_metric('qpt', pretrained_model_path=str(metric_weights), device='cuda')
    for photos in (batch, batch[:, :1], batch[..., :1, :1]):
        scores = other(photos)
        assert scores.device.type == 'cuda'
        assert torch.allclose(metric(photos), scores.cpu(), atol=1e-3)  # 3e-4 on an H200
        assert torch.equal(other(photos), scores)


def test_gradient_reaches_every_part_of_the_photo(loss, batch):
    photo = batch[:2].clone().requires_grad_()
    loss(photo).backward()
    assert torch.isfinite(photo.grad).all()
    assert (photo.grad != 0).float().mean() > 0.9
    blocks = torch.nn.functional.max_pool2d(photo.grad.abs(), 30)
    assert (blocks > 0).all()  # the edges too


@pytest.mark.parametrize('size', [(150, 200), (20, 30), (140, 30)])
def test_a_step_along_the_gradient_raises_the_score(loss, batch, size):
    """Also where the size rule resizes the photo."""
    photo = batch[:1, :, : size[0], : size[1]].clone().mul(0.8).add(0.1).requires_grad_()
    before = loss(photo)
    before.backward()
    with torch.no_grad():
        after = loss(photo + 0.002 * photo.grad / photo.grad.abs().max())
    assert after.item() > before.item()


def test_gradient_in_one_channel(loss):
    grey = torch.rand(1, 1, 70, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss(grey).backward()
    assert grey.grad.shape == grey.shape
    assert (grey.grad != 0).float().mean() > 0.9


def test_reductions_of_the_loss(metric_weights, batch, metric):
    scores = metric(batch)
    for reduction, wanted in {'none': scores, 'mean': scores.mean(), 'sum': scores.sum()}.items():
        loss = pyiqa.create_metric(
            'qpt', as_loss=True, loss_reduction=reduction, pretrained_model_path=str(metric_weights), device='cpu'
        )
        assert torch.allclose(loss(batch), wanted, atol=1e-5)
