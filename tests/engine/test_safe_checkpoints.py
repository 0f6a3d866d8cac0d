"""Checkpoints under kills, full disks and removals: the last good one is always there."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import save_checkpoint

import mmqpt.components  # noqa: F401
from mmqpt.cli.errors import exit_code
from mmqpt.core.errors import InputError
from mmqpt.engine.safe_checkpoints import AtomicFileBackend, SafeCheckpointHook, save_now
from mmqpt.models.checkpoint import load_checkpoint_file, newest_checkpoint

ARGS = {'backend': 'mmqpt_atomic'}


def save_for_ever(folder):
    """Two checkpoints in turn, in a process of its own; returns its number."""
    child = os.fork()
    if child == 0:
        try:
            step = 0
            while True:
                step += 1
                save_checkpoint(
                    {'step': step, 'weights': torch.full((1_000_000,), float(step))},
                    folder + '/iter_1.pth',
                    backend_args=ARGS,
                )
        finally:
            os._exit(1)
    return child


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='needs fork')
def test_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    rng = random.Random(0)
    path = tmp_path / 'iter_1.pth'
    save_checkpoint({'step': 0, 'weights': torch.zeros(1_000_000)}, str(path), backend_args=ARGS)
    steps, cut = [], 0
    for _ in range(20):
        child = save_for_ever(str(tmp_path))
        time.sleep(rng.uniform(0.02, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        loaded = load_checkpoint_file(path)
        assert loaded['weights'].unique().tolist() == [loaded['step']]
        steps.append(loaded['step'])
        left = [name for name in os.listdir(tmp_path) if name.startswith('.')]
        cut += bool(left)
        for name in left:
            os.remove(tmp_path / name)
    assert newest_checkpoint(tmp_path) == path
    assert max(steps) > 0  # there were saves
    assert cut > 0  # and kills in the middle of one


def test_an_error_while_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'iter_1.pth'
    get_file_backend(backend_args=ARGS).put(b'old', path)

    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match=r'No space left on device; earlier checkpoints are kept.*iter_1\.pth') as found:
        get_file_backend(backend_args=ARGS).put(b'new', path)
    assert exit_code(found.value) == 2
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['iter_1.pth']


def test_old_checkpoint_goes_only_after_the_new_one_is_there(tiny_pretrain, tmp_path, monkeypatch):
    present = []
    put = AtomicFileBackend.put

    def spy(self, data, filepath):
        present.append(sorted(path.name for path in tmp_path.glob('epoch_*.pth')))
        put(self, data, filepath)

    monkeypatch.setattr(AtomicFileBackend, 'put', spy)
    cfg = tiny_pretrain(tmp_path, **{'train_cfg.max_epochs': 3})
    cfg.default_hooks.checkpoint = {'type': 'SafeCheckpointHook', 'interval': 1, 'max_keep_ckpts': 1}
    Runner.from_cfg(cfg).train()
    assert present == [[], ['epoch_1.pth'], ['epoch_2.pth']]
    assert [path.name for path in tmp_path.glob('epoch_*.pth')] == ['epoch_3.pth']


def test_disk_that_fills_up_keeps_the_last_checkpoint(tiny_pretrain, tmp_path, monkeypatch):
    put = AtomicFileBackend.put

    def fills(self, data, filepath):
        if '2' in Path(filepath).name:
            raise OSError(28, 'No space left on device', str(filepath))
        put(self, data, filepath)

    monkeypatch.setattr(AtomicFileBackend, 'put', fills)
    cfg = tiny_pretrain(tmp_path, **{'train_cfg.max_epochs': 3})
    cfg.default_hooks.checkpoint = {'type': 'SafeCheckpointHook', 'interval': 1, 'max_keep_ckpts': 1}
    with pytest.raises(OSError, match=r'No space left on device: .*epoch_2\.pth'):
        Runner.from_cfg(cfg).train()
    assert newest_checkpoint(tmp_path) == tmp_path / 'epoch_1.pth'


def test_backend_of_the_users_own_is_left_alone():
    assert SafeCheckpointHook(interval=1, backend_args={'backend': 'local'}).backend_args == {'backend': 'local'}
    assert SafeCheckpointHook(interval=1, out_dir='s3://bucket').backend_args is None
    for out_dir in (None, 'elsewhere'):
        assert SafeCheckpointHook(interval=1, out_dir=out_dir).backend_args == ARGS


def test_what_is_written_anew_is_kept(tmp_path):
    backend = AtomicFileBackend()
    for name in ('old.pth', 'same.pth'):
        backend.put(b'x', tmp_path / name)
        backend.remove(str(tmp_path / name))
    assert len(os.listdir(tmp_path)) == 2
    backend.remove_pending(keep={str(tmp_path / 'same.pth'), None})
    assert os.listdir(tmp_path) == ['same.pth']


def test_half_written_files_of_a_killed_run_are_removed(tiny_pretrain, tmp_path):
    (tmp_path / '.epoch_7.0123abcd.partial.pth').write_bytes(b'half')
    cfg = tiny_pretrain(tmp_path, **{'train_cfg.max_epochs': 1})
    cfg.default_hooks.checkpoint = {'type': 'SafeCheckpointHook', 'interval': 1}
    Runner.from_cfg(cfg).train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_1.pth']


def test_newest_checkpoint_is_the_newest_whole_one(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for step in (9, 10, 11):
        torch.save({'x': torch.ones(1)}, tmp_path / f'iter_{step}.pth')
    whole = (tmp_path / 'iter_11.pth').read_bytes()
    (tmp_path / 'iter_11.pth').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'last_checkpoint').write_text('')
    torch.save({}, tmp_path / 'best_iqa_SRCC_epoch_99.pth')
    assert newest_checkpoint(tmp_path) == tmp_path / 'iter_10.pth'
    with pytest.raises(InputError):
        load_checkpoint_file(tmp_path / 'iter_11.pth')


def test_a_best_checkpoint_takes_no_place_of_one_to_resume_from(tiny_finetune, tmp_path):
    """It has no optimiser: a run that is killed after it still needs what was saved when the run was stopped."""
    cfg = tiny_finetune(
        tmp_path,
        **{
            'train_cfg.max_epochs': 3,
            'default_hooks.checkpoint.interval': 3,
            'default_hooks.checkpoint.save_best': 'iqa/RMSE',
            'default_hooks.checkpoint.rule': 'less',
            'param_scheduler': [],
        },
    )
    seen = []

    class Look(Hook):
        priority = 'LOWEST'

        def before_train(self, runner):
            save_now(runner, 2, 1)

        def after_val_epoch(self, runner, metrics=None):
            seen.append((bool(list(tmp_path.glob('best_*.pth'))), (tmp_path / 'stopped_iter_2.pth').exists()))

    runner = Runner.from_cfg(cfg)
    runner.register_hook(Look(), priority='LOWEST')
    runner.train()
    assert (True, True) in seen[:2]
    assert not (tmp_path / 'stopped_iter_2.pth').exists()
    assert newest_checkpoint(tmp_path) == tmp_path / 'epoch_3.pth'
