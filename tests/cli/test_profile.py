"""The profile of a training: every part is there, the shares make a whole, and nothing is left behind."""

import json
import multiprocessing
import os

import pytest
import torch
from mmengine.runner import Runner

from mmqpt.engine.profile import LOADING, STEP
from mmqpt.engine.profile_run import Stopwatch, profile_training, time_loading


@pytest.fixture
def pretrain_file(tiny_pretrain, tmp_path):
    """A config file of tiny pre-training."""
    tiny_pretrain(tmp_path / 'run').dump(tmp_path / 'tiny.py')
    return tmp_path / 'tiny.py'


def test_pretraining(run_command, pretrain_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    done = run_command('profile', pretrain_file, '--steps', 3, '--warmup', 1, '--out', tmp_path / 'profile.json')
    assert done.returncode == 0, done.err
    assert sorted(os.listdir(tmp_path)) == sorted([*before, 'profile.json'])
    found = json.loads((tmp_path / 'profile.json').read_text(encoding='utf-8'))
    for kind, parts in (('loading', LOADING), ('step', STEP)):
        shares = found[f'{kind}_shares']
        assert set(shares) == set(parts)
        assert sum(shares.values()) == pytest.approx(1)
        assert all(share >= 0 for share in shares.values())
        for name in parts:
            assert name in done.out
    for name in ('transfer', 'forward', 'backward', 'optimiser', 'rest', 'wait'):
        assert found['step_ms'][name] > 0, name
    for name in ('decode', 'degrade', 'pack', 'collate'):
        assert found['loading_ms'][name] > 0, name
    assert set(found['transforms_ms']) == {'LoadPhoto', 'PatchPairs', 'PackPatchPairs'}
    assert (found['device'], found['batch'], found['workers'], found['steps']) == ('cpu', 3, 0, 3)
    assert found['peak_memory_mib'] > 10
    assert found['verdict'].startswith('held back by the ')
    assert done.out.rstrip().endswith(found['verdict'])


@pytest.mark.parametrize('persistent', [False, True])
def test_finetuning_with_workers(tiny_finetune, tmp_path, persistent):
    changes = {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': persistent}
    profile = profile_training(tiny_finetune(tmp_path, **changes), steps=2, warmup=0)
    assert not multiprocessing.active_children()
    assert profile.workers == 2
    assert profile.batch == 3
    assert set(profile.transforms_ms) == {'LoadPhoto', 'RandomQualityCrop', 'PackRatedPhoto'}
    assert profile.step_ms['optimiser'] > 0
    assert not list(tmp_path.iterdir())


def test_config_weights_and_pipeline_are_left_as_they_were(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(tmp_path)
    text = cfg.pretty_text
    profile_training(cfg, steps=1, warmup=0)
    assert cfg.pretty_text == text
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    kept = list(loader.dataset.pipeline.transforms)
    batch, loading, _ = time_loading(loader, 1, 1)
    assert loader.dataset.pipeline.transforms == kept
    assert batch['inputs'].shape == (3, 2, 2, 3, 32, 32)
    assert set(loading) == set(LOADING)


def test_stopwatch_adds_up(monkeypatch):
    watch = Stopwatch(torch.device('cpu'))
    times = iter([1.0, 3.0, 10.0, 10.5, 20.0])
    monkeypatch.setattr(watch, 'now', lambda: next(times))
    add = watch.timed('add', lambda a, b: a + b)
    assert (add(1, b=2), add(3, 4)) == (3, 7)
    assert watch.seconds == {'add': 2.5}
    watch.start = 5.0
    assert watch.elapsed() == 15.0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--steps', 0), 'steps must be an integer >= 1, got 0'),
        (('--warmup', -1), 'warmup must be an integer >= 0, got -1'),
    ],
)
def test_mistakes_are_one_sentence(run_command, pretrain_file, options, message):
    done = run_command('profile', pretrain_file, *options)
    assert done.returncode == 2
    assert done.err.strip().splitlines()[-1] == f'error: {message}'


def test_too_few_photos(run_command, pretrain_file):
    done = run_command('profile', pretrain_file, '--cfg-options', 'train_dataloader.batch_size=7')
    assert done.returncode == 2
    assert '6 photos give no batch of 7' in done.err


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
def test_amp_needs_a_gpu(run_command, pretrain_file):
    done = run_command('profile', pretrain_file, '--amp')
    assert done.returncode == 2
    assert '--amp needs a GPU' in done.err
    done = run_command('profile', pretrain_file, '--cfg-options', 'optim_wrapper.type=AmpOptimWrapper')
    assert done.returncode == 2
    assert "optim_wrapper.type='AmpOptimWrapper' needs a GPU" in done.err


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu_with_amp(run_command, pretrain_file, tmp_path):
    done = run_command(
        'profile', pretrain_file, '--steps', 2, '--warmup', 1, '--amp', '--out', tmp_path / 'profile.json'
    )
    assert done.returncode == 0, done.err
    found = json.loads((tmp_path / 'profile.json').read_text(encoding='utf-8'))
    assert found['device'] == 'cuda'
    assert sum(found['step_shares'].values()) == pytest.approx(1)
