"""The loop: stopping and going on at any step, gradient accumulation, and loaders that fail."""

import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmpretrain.registry import MODELS

from mmqpt.core.errors import InputError
from mmqpt.engine.stopping import RESUME_ME, IgnoreCtrlC, RunStopped, StopRequest
from mmqpt.engine.train_loop import ResumableTrainLoop, fetched, seed_step
from mmqpt.models.checkpoint import load_checkpoint_file, newest_checkpoint
from mmqpt.models.qpt import QPT

ROOT = Path(__file__).parent.parent.parent
PRETRAIN = ROOT / 'configs' / 'qpt' / 'qpt_resnet18_1xb32-coslr_folder.py'


def test_scalars_of_a_step_come_in_one_transfer_and_to_the_bit(monkeypatch):
    outputs = {
        'loss': torch.tensor(0.1, requires_grad=True),
        'share': torch.tensor([1 / 3]),
        'count': torch.tensor(2**40 + 1),
        'wide': torch.tensor(0.1, dtype=torch.float64),
        'nan': torch.tensor(torch.nan),
        'text': 'kept',
        'vector': torch.zeros(2),
    }
    transfers = []
    tolist = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, 'tolist', lambda tensor: transfers.append(tensor.shape) or tolist(tensor))
    found = fetched(outputs)
    assert sorted(transfers) == [(1,), (1,), (3,)]  # one for each type
    assert list(found) == list(outputs)
    for name in ('loss', 'share', 'count', 'wide'):
        assert found[name] == outputs[name].item()
    assert found['nan'] != found['nan']
    assert found['text'] == 'kept'
    assert found['vector'] is outputs['vector']
    assert fetched({}) == {}


@pytest.fixture(scope='module')
def kept():
    """Losses of undisturbed runs, by their settings, since several tests compare with the same."""
    return {}


@pytest.fixture
def undisturbed(kept, stepwise, train, losses_of, tmp_path):
    def run(**changes):
        name = repr(changes)
        if name not in kept:
            train(stepwise(tmp_path / 'undisturbed', **changes))
            kept[name] = losses_of(tmp_path / 'undisturbed')
        return kept[name]

    return run


@pytest.mark.parametrize('step', [1, 4, 6, 11])
def test_stopped_and_resumed_is_undisturbed(undisturbed, stepwise, train, losses_of, tmp_path, step):
    wanted = undisturbed()
    assert len(set(wanted)) == 18
    with pytest.raises(
        RunStopped, match=rf'stopped by SIGTERM after {step} steps, saved as .*stopped_iter_{step}\.pth'
    ):
        train(stepwise(tmp_path), {'type': 'SignalAt', 'step': step})
    assert losses_of(tmp_path) == wanted[:step]
    train(stepwise(tmp_path), resume=True)
    assert losses_of(tmp_path) == wanted


def test_stopped_many_times_with_workers(undisturbed, stepwise, train, losses_of, tmp_path):
    """The signal goes to the workers too, as from a scheduler or a terminal."""
    wanted = undisturbed()
    child = os.fork()
    if child == 0:  # in a process group of its own, so that the test itself is not signalled
        os.setpgid(0, 0)
        code = 1
        try:
            loader = {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True}
            for number, step in enumerate((2, 7, 9)):
                with pytest.raises(RunStopped):
                    train(
                        stepwise(tmp_path, **loader),
                        {'type': 'SignalAt', 'step': step, 'group': True, 'name': ('SIGTERM', 'SIGINT')[number % 2]},
                        resume=number > 0,
                    )
            train(stepwise(tmp_path, **loader), resume=True)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert losses_of(tmp_path) == wanted


def test_stopped_files_go_when_the_next_checkpoint_is_there(stepwise, train, tmp_path):
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path), {'type': 'SignalAt', 'step': 8})
    assert newest_checkpoint(tmp_path).name == 'stopped_iter_8.pth'
    train(stepwise(tmp_path), resume=True)
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth']


def test_a_checkpoint_of_another_model_is_not_resumed(stepwise, train, tmp_path):
    """MMEngine would take what fits and go on with random layers; a queue of another length takes the newest keys."""
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path), {'type': 'SignalAt', 'step': 4})
    with pytest.raises(InputError, match=r'stopped_iter_4\.pth: not the weights of this config: \d+ weights have'):
        train(stepwise(tmp_path, **{'model.neck.hid_channels': 24}), resume=True)
    with pytest.raises(InputError, match=r"it has backbone\.model_name='test_resnet', the config 'test_efficientnet'"):
        train(stepwise(tmp_path, **{'model.backbone.model_name': 'test_efficientnet'}), resume=True)
    changed = {'model.queue_length': 12, 'model.backbone.drop_path_rate': 0.2}
    runner = train(stepwise(tmp_path, **changed), resume=True)
    assert len(runner.model.queue) == int(runner.model.queue.filled) == 12


def test_accumulated_steps_are_not_torn(undisturbed, stepwise, train, losses_of, tmp_path):
    """Four batches a step: a run that is asked to stop after 5 batches goes on to the 8th."""
    many = {'optim_wrapper.accumulative_counts': 4, 'model.queue_length': 40}
    wanted = undisturbed(**many)
    with pytest.raises(RunStopped, match='after 8 steps'):
        train(stepwise(tmp_path, **many), {'type': 'SignalAt', 'step': 5})
    train(stepwise(tmp_path, **many), resume=True)
    assert losses_of(tmp_path) == wanted


def test_the_model_is_told_which_batches_end_a_step(stepwise, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(QPT, 'begin_batch', lambda self, ends_step: told.append(ends_step))
    cfg = stepwise(tmp_path, **{'optim_wrapper.accumulative_counts': 4, 'train_cfg.max_epochs': 1})
    Runner.from_cfg(cfg).train()
    assert told == [False, False, False, True, False, True]  # the last step of a run takes what is left


@MODELS.register_module()
class Stranger(BaseModel):
    """A model of somebody else's, which knows nothing of the protocol."""

    def __init__(self):
        super().__init__(data_preprocessor=MODELS.build({'type': 'PhotoPreprocessor'}))
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, inputs, data_samples=None, mode='loss'):
        return {'loss': self.layer(inputs.mean(dim=(-1, -2))).square().mean()}


def test_a_model_that_is_told_nothing_trains(stepwise, losses_of, tmp_path):
    cfg = stepwise(tmp_path, **{'train_cfg.max_epochs': 1, 'optim_wrapper.accumulative_counts': 2})
    cfg.model = {'type': 'Stranger'}
    Runner.from_cfg(cfg).train()
    assert len(losses_of(tmp_path)) == 6
    assert 'mmqpt' not in load_checkpoint_file(tmp_path / 'epoch_1.pth')['meta']


def test_max_iters_ends_within_an_epoch(undisturbed, stepwise, train, losses_of, tmp_path):
    cfg = stepwise(tmp_path, **{'train_cfg': {'_delete_': True, 'type': 'ResumableTrainLoop', 'max_iters': 8}})
    runner = train(cfg)
    assert losses_of(tmp_path) == undisturbed()[:8]
    assert (runner.iter, runner.max_iters, runner.max_epochs) == (8, 8, 2)


def test_a_file_of_the_loop_over_iterations_goes_on(undisturbed, stepwise, train, losses_of, tmp_path):
    """Epoch 0 in its meta, as MMEngine's own loop writes, and no position."""
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path), {'type': 'SignalAt', 'step': 8})
    old = torch.load(tmp_path / 'stopped_iter_8.pth', weights_only=False)
    old['meta']['epoch'] = 0
    del old['meta']['position']
    torch.save(old, tmp_path / 'iter_8.pth')
    (tmp_path / 'stopped_iter_8.pth').unlink()
    train(stepwise(tmp_path), resume=True)
    assert losses_of(tmp_path) == undisturbed()


def test_other_samplers_go_on_too(stepwise, train, losses_of, tmp_path):
    other = {'train_dataloader.sampler': {'_delete_': True, 'type': 'DefaultSampler', 'shuffle': True}}
    train(stepwise(tmp_path / 'whole', **other))
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path / 'torn', **other), {'type': 'SignalAt', 'step': 9})
    runner = train(stepwise(tmp_path / 'torn', **other), resume=True)
    assert runner.iter == 18
    seen = losses_of(tmp_path / 'torn')
    assert len(seen) == 18
    assert seen[:9] == losses_of(tmp_path / 'whole')[:9]


def test_random_seed_of_the_sampler_is_kept(stepwise, train, losses_of, tmp_path):
    cfg = {'randomness': {'seed': None}}
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path, **cfg), {'type': 'SignalAt', 'step': 2})
    seed = load_checkpoint_file(tmp_path / 'stopped_iter_2.pth')['meta']['position']['seed']
    runner = train(stepwise(tmp_path, **cfg), resume=True)
    assert runner.train_dataloader.sampler.seed == seed == runner.seed


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'train_dataloader.batch_size': 2}, '1 photos a step, this one has 2'),
        ({'train_dataloader.dataset.ann_file': 'five.txt'}, '6 steps an epoch, this one has 5'),
    ],
)
def test_other_steps_are_refused(stepwise, train, photo_folder, tmp_path, changes, message):
    with pytest.raises(RunStopped):
        train(stepwise(tmp_path), {'type': 'SignalAt', 'step': 2})
    if 'train_dataloader.dataset.ann_file' in changes:
        names = sorted(path.name for path in photo_folder.iterdir())[:5]
        (tmp_path / 'five.txt').write_text('\n'.join(names))
        changes = {'train_dataloader.dataset.ann_file': str(tmp_path / 'five.txt')}
    with pytest.raises(InputError, match=message):
        train(stepwise(tmp_path, **changes), resume=True)


@pytest.mark.parametrize('workers', [0, 1])
def test_a_bug_in_a_transform_of_ones_own_shows_its_traceback(stepwise, train, tmp_path, workers):
    cfg = stepwise(tmp_path, **{'train_dataloader.num_workers': workers, 'log_level': 'INFO'})
    cfg.train_dataloader.dataset.pipeline.insert(0, {'type': 'TroubleWith', 'position': 3, 'epoch': 0, 'kind': 'bug'})
    with pytest.raises(InputError, match=r"the loader failed: KeyError: 'no such entry'"):
        train(cfg)
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'Traceback (most recent call last)' in text
    assert 'conftest.py' in text


@pytest.mark.parametrize(
    ('kind', 'workers', 'message'),
    [
        ('fails', 0, 'the disk is on fire'),
        ('fails', 2, 'the disk is on fire'),
        ('dies', 2, r'exited unexpectedly \(out of memory'),
    ],
)
def test_a_loader_that_fails_loses_nothing(undisturbed, stepwise, train, losses_of, tmp_path, kind, workers, message):
    cfg = stepwise(tmp_path, **{'train_dataloader.num_workers': workers})
    trouble = {'type': 'TroubleWith', 'position': 3, 'epoch': 1, 'kind': kind}
    cfg.train_dataloader.dataset.pipeline.insert(0, trouble)
    with pytest.raises(
        InputError, match=rf'after \d steps \(saved as .*stopped_iter_\d\.pth\) the loader failed: .*{message}'
    ):
        train(cfg)
    train(stepwise(tmp_path), resume=True)
    assert losses_of(tmp_path) == undisturbed()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({}, 'give max_epochs or max_iters, got None and None'),
        ({'max_epochs': 1, 'max_iters': 2}, 'give max_epochs or max_iters, got 1 and 2'),
        ({'max_iters': 0}, 'must be an integer >= 1, got 0'),
        ({'max_epochs': 1.5}, r'must be an integer >= 1, got 1\.5'),
    ],
)
def test_bad_settings(stepwise, tmp_path, settings, message):
    runner = Runner.from_cfg(stepwise(tmp_path))
    with pytest.raises(InputError, match=message):
        ResumableTrainLoop(runner, runner.cfg.train_dataloader, **settings)


def test_too_few_photos_for_a_batch(stepwise, train, tmp_path):
    cfg = stepwise(tmp_path, **{'train_dataloader.batch_size': 7, 'train_dataloader.drop_last': True})
    with pytest.raises(InputError, match='6 photos give no batch of 7 on 1 ranks'):
        train(cfg)


def test_every_step_and_rank_draws_other_numbers():
    drawn = set()
    for seed in (0, 1):
        for step in range(5):
            for rank in range(3):
                seed_step(seed, step, rank)
                drawn.add(torch.rand(1).item())
    assert len(drawn) == 30
    seed_step(1, 4, 2)
    assert torch.rand(1).item() in drawn


def test_a_second_ctrl_c_stops_at_once():
    stop = StopRequest()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        assert stop.signal == 'SIGINT'
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is not stop._note


def test_workers_ignore_ctrl_c_and_end_by_sigterm():
    child = os.fork()
    if child == 0:
        called = []
        with StopRequest().listening():
            IgnoreCtrlC(called.append)(3)
            os.kill(os.getpid(), signal.SIGINT)
            if called == [3]:
                os.kill(os.getpid(), signal.SIGTERM)
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


def test_the_tool_exits_with_resume_me(tiny_pretrain, tmp_path):
    config = tmp_path / 'config.py'
    tiny_pretrain(tmp_path / 'run', **{'train_cfg.max_epochs': 500, 'log_level': 'INFO'}).dump(config)
    command = [sys.executable, str(ROOT / 'tools' / 'train.py'), str(config), '--work-dir', str(tmp_path / 'run')]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    with open(tmp_path / 'out.txt', 'w') as out:
        run = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        for _ in range(3000):  # a busy machine takes minutes to begin
            if list((tmp_path / 'run').glob('epoch_*.pth')) or run.poll() is not None:
                break
            time.sleep(0.1)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == RESUME_ME
    text = (tmp_path / 'out.txt').read_text()
    assert 'stopped by SIGTERM after' in text
    assert text.strip().endswith('--resume goes on')
    stopped = newest_checkpoint(tmp_path / 'run')
    assert stopped.name.startswith('stopped_iter_')
