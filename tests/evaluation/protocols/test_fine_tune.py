"""Fine-tuning as a protocol's learner: an ordinary run, chosen on validation photos, that goes on after a stop."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.fine_tune import FineTune, set_epochs
from mmqpt.evaluation.protocols.learners import Method
from mmqpt.evaluation.protocols.tasks import open_rated_set, split_tasks

RANDOM = Method('r', 'random')


@pytest.fixture
def task(rated_set):
    return split_tasks(
        open_rated_set(rated_set, rated_set.parent / 'images'), ['ratio604_seed0_split_01'], [1], 0.3, 0
    )[0]


@pytest.fixture
def cfg(tiny_finetune, tmp_path):
    return tiny_finetune(tmp_path / 'unused')


def test_a_run_of_its_own(cfg, task, tmp_path):
    predicted, chosen = FineTune(cfg).predict(RANDOM, task, tmp_path)
    assert predicted.shape == (12,)
    assert ((predicted > 1) & (predicted < 5)).all()  # on the scale of the set
    assert chosen['of epochs'] == 2
    assert [path.name for path in tmp_path.glob('*.pth')] == [f'best_iqa_SRCC_epoch_{chosen["epoch"]}.pth']
    for name, rows in (('train', task.train), ('val', task.val), ('test', task.test)):
        lines = (tmp_path / f'{name}.csv').read_text().splitlines()
        assert [line.split(',')[0] for line in lines[1:]] == [rating.name for rating in rows]
    # The dumped config scores the test part as an ordinary one does, and gives the same figures.
    again = Config.fromfile(next(tmp_path.glob('*.py')))
    again.load_from = str(next(tmp_path.glob('best*.pth')))
    again.work_dir = str(tmp_path / 'again')
    metrics = Runner.from_cfg(again).test()
    mos = np.array([rating.mos for rating in task.test])
    assert metrics['iqa/RMSE'] == pytest.approx(np.sqrt(np.mean((predicted - mos) ** 2)), rel=1e-5)


def test_the_epoch_is_the_best_of_the_validation_part(cfg, task, tmp_path):
    _, chosen = FineTune(cfg, keep_checkpoints=True).predict(RANDOM, task, tmp_path)
    scalars = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    by_epoch = [line['iqa/SRCC'] for line in scalars if 'iqa/SRCC' in line]
    assert len(by_epoch) == 2
    assert chosen['epoch'] == 1 + int(np.argmax(by_epoch))
    assert (tmp_path / 'epoch_2.pth').is_file()


def test_test_scores_have_no_part_in_training(cfg, task, tmp_path):
    first, _ = FineTune(cfg).predict(RANDOM, task, tmp_path / 'a')
    turned = replace(task, test=[replace(rating, mos=6 - rating.mos) for rating in task.test])
    second, _ = FineTune(cfg).predict(RANDOM, turned, tmp_path / 'b')
    np.testing.assert_array_equal(first, second)


def test_goes_on_after_a_stop(cfg, task, tmp_path, monkeypatch):
    cfg.model.head.dropout = 0.0  # MMEngine does not keep the state of torch's generator, which dropout draws from
    # All in one second, which MMEngine's names can't tell apart.
    now = SimpleNamespace(time=lambda: 1.0, strftime=time.strftime, localtime=time.localtime)
    monkeypatch.setattr('mmengine.runner.runner.time', now)
    whole, _ = FineTune(cfg, keep_checkpoints=True).predict(RANDOM, task, tmp_path / 'whole')
    save = Runner.save_checkpoint

    def stop_after_one(self, *args, **kwargs):
        if self.epoch == 1:
            raise KeyboardInterrupt
        save(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Runner, 'save_checkpoint', stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            FineTune(cfg, keep_checkpoints=True).predict(RANDOM, task, tmp_path / 'halves')
    written = (tmp_path / 'halves' / 'epoch_1.pth').stat().st_mtime_ns
    found, _ = FineTune(cfg, keep_checkpoints=True).predict(RANDOM, task, tmp_path / 'halves')
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert (tmp_path / 'halves' / 'epoch_1.pth').stat().st_mtime_ns == written  # the first epoch was not run again


def test_a_finished_run_is_not_run_again(cfg, task, tmp_path, monkeypatch):
    first, chosen = FineTune(cfg).predict(RANDOM, task, tmp_path)
    monkeypatch.setattr(Runner, 'train', None)
    again, same = FineTune(cfg).predict(RANDOM, task, tmp_path)  # stopped between the run's end and the cell
    np.testing.assert_array_equal(first, again)
    assert chosen == same
    assert not list(tmp_path.glob('epoch_*.pth'))


@pytest.mark.parametrize('damage', ['cut', 'all gone'])
def test_a_checkpoint_that_was_not_finished_is_not_resumed(cfg, task, tmp_path, damage):
    cfg.model.head.dropout = 0.0
    learner = FineTune(cfg, epochs=3, keep_checkpoints=True)
    whole, chosen = learner.predict(RANDOM, task, tmp_path)
    for path in [tmp_path / 'result.json', *([] if damage == 'cut' else tmp_path.glob('epoch_*.pth'))]:
        path.unlink()
    if damage == 'cut':
        last = tmp_path / 'epoch_3.pth'
        last.write_bytes(last.read_bytes()[:1000])
    again, same = learner.predict(RANDOM, task, tmp_path)
    np.testing.assert_allclose(again, whole, atol=1e-6)
    assert chosen == same


def test_starts_from_the_weights(cfg, task, tmp_path, pretrained_checkpoint):
    cfg.optim_wrapper.optimizer.lr = 0.0
    cfg.optim_wrapper.optimizer.weight_decay = 0.0
    FineTune(cfg).predict(Method('q', str(pretrained_checkpoint)), task, tmp_path)
    tuned = torch.load(next(tmp_path.glob('best*.pth')), weights_only=False)['state_dict']
    given = torch.load(pretrained_checkpoint, weights_only=False)['state_dict']
    name = 'backbone.timm_model.layer4.0.conv1.weight'
    assert torch.equal(tuned[name], given[name])


def test_min_steps_adds_epochs(cfg, task, tmp_path):
    assert len(task.train) // 3 == 4  # steps an epoch
    _, chosen = FineTune(cfg, min_steps=10).predict(RANDOM, task, tmp_path)
    assert chosen['of epochs'] == 3


def test_key(cfg, tiny_finetune, tmp_path, pretrained_checkpoint):
    key = FineTune(cfg).key(RANDOM)
    same = tiny_finetune(tmp_path / 'other', **{'train_dataloader.num_workers': 3, 'log_level': 'INFO'})
    assert FineTune(same, keep_checkpoints=True).key(RANDOM) == key
    assert FineTune(cfg).key(Method('q', str(pretrained_checkpoint))) != key
    assert FineTune(cfg, min_steps=5).key(RANDOM) != key
    for changes in ({'model.loss': 'l1'}, {'optim_wrapper.optimizer.lr': 1.0}, {'train_dataloader.batch_size': 2}):
        assert FineTune(tiny_finetune(tmp_path, **changes)).key(RANDOM) != key, changes


def test_set_epochs():
    cfg = Config(
        {
            'train_cfg': {'max_epochs': 12},
            'param_scheduler': [
                {'type': 'LinearLR', 'by_epoch': True, 'end': 1},
                {'type': 'CosineAnnealingLR', 'T_max': 11, 'begin': 1, 'end': 12, 'by_epoch': True},
            ],
        }
    )
    set_epochs(cfg, 20)
    assert cfg.train_cfg.max_epochs == 20
    assert [dict(s) for s in cfg.param_scheduler] == [
        {'type': 'LinearLR', 'by_epoch': True, 'end': 1},
        {'type': 'CosineAnnealingLR', 'T_max': 19, 'begin': 1, 'end': 20, 'by_epoch': True},
    ]
    for bad in ({'by_epoch': False, 'begin': 5}, {'end': None}, {'T_max': 5}):
        cfg.param_scheduler[0] = {'type': 'LinearLR', 'end': 1, **bad}
        with pytest.raises(InputError, match='length of LinearLR in param_scheduler does not follow from 20 epochs'):
            set_epochs(Config(cfg.to_dict()), 30)


def test_warm_up_in_steps_keeps_its_length():
    warm_up = {'type': 'LinearLR', 'by_epoch': False, 'end': 100}
    cosine = {'type': 'CosineAnnealingLR', 'T_max': 3, 'by_epoch': True}
    cfg = Config({'train_cfg': {'max_epochs': 3}, 'param_scheduler': [warm_up, cosine]})
    set_epochs(cfg, 8)
    assert [dict(s) for s in cfg.param_scheduler] == [warm_up, {**cosine, 'T_max': 8}]


def test_errors(cfg, task, tmp_path):
    with pytest.raises(InputError, match='epochs must be >= 1 and min_steps >= 0, got None and -1'):
        FineTune(cfg, min_steps=-1)
    with pytest.raises(InputError, match=r'a\.pth\+b\.pth: features side by side are for the linear probe'):
        FineTune(cfg).key(Method('two', 'a.pth+b.pth'))


def test_rating_scales_of_the_set(cfg, task, tmp_path):
    """A map for each, the epoch by the mean within them, and predictions on the common scale."""
    info = replace(task.train_set.info, scale_column='kind')
    rated = replace(task.train_set, data=replace(task.train_set.data, info=info))
    task = replace(task, train_set=rated, test_set=rated)
    cfg.model.scales = {'names': ['other'], 'maps': 'fixed'}
    predicted, chosen = FineTune(cfg).predict(RANDOM, task, tmp_path)
    assert predicted.shape == (12,)
    used = Config.fromfile(next(tmp_path.glob('*.py')))
    assert used.model.scales == {'names': ['heavy', 'light'], 'maps': 'fixed'}
    assert used.train_dataloader.dataset.scale_column == 'kind'
    assert sum(hook.type == 'RatingScalesHook' for hook in used.custom_hooks) == 1
    assert [path.name for path in tmp_path.glob('*.pth')] == [f'best_iqa_SRCC_macro_epoch_{chosen["epoch"]}.pth']
    scalars = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    by_epoch = [line['iqa/SRCC_macro'] for line in scalars if 'iqa/SRCC_macro' in line]
    assert chosen['epoch'] == 1 + int(np.argmax(by_epoch))
