"""What training adds to its start, and warnings of settings under which it can add nothing."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.pretext_watch import PretextWatchHook, warnings_of
from mmqpt.models.protocol import Contrast

BALANCED = Contrast(
    keys=96, degradations=6, contents=600, temperature=0.2, degradation_share=0.5, queue_length=512, momentum=0.999
)


def test_no_warning_where_all_is_well():
    assert warnings_of(BALANCED, 800) == []
    assert warnings_of(replace(BALANCED, queue_length=0, contents=0), 100) == []
    assert warnings_of(replace(BALANCED, degradation_share=None, contents=4096, queue_length=4096), 20_000) == []


def test_mass_that_is_out_of_reach_is_worked_out():
    (text,) = warnings_of(
        replace(BALANCED, degradations=2, degradation_share=None, contents=65536, queue_length=0), 10**6
    )
    mass = 2 * math.exp(5) / (2 * math.exp(5) + 65536)
    assert f'at most {mass:.2%} of the softmax mass' in text
    assert '2 e^(1/0.2) / (2 e^(1/0.2) + 65536) with 2 beside 65536' in text
    assert 'set degradation_share=0.5' in text
    (text,) = warnings_of(replace(BALANCED, degradation_share=1e-5, contents=1000), 800)
    assert '0.01 e^(1/0.2) / (0.01 e^(1/0.2) + 1000)' in text


def test_without_degradation_negatives_there_is_no_mass_to_warn_of():
    assert warnings_of(replace(BALANCED, degradations=0), 800) == []


def test_a_batch_without_negatives():
    (text,) = warnings_of(replace(BALANCED, degradations=0, contents=0, queue_length=0), 800)
    assert 'no patch has a negative' in text


def test_queue_that_is_too_long_for_the_run():
    (text,) = warnings_of(replace(BALANCED, queue_length=4096), 800)
    assert 'a queue of 4096 keys holds 43 steps of 96 keys, but in a run of 800 steps' in text
    assert 'set queue_length to 560 or less, or 0 for none' in text
    assert warnings_of(replace(BALANCED, queue_length=560), 800) == []
    assert warnings_of(replace(BALANCED, queue_length=561), 800)
    assert warnings_of(replace(BALANCED, queue_length=4096), 10_000) == []


def test_accumulated_batches_are_one_step():
    """Four batches a step: four times the keys, a quarter of the steps."""
    assert warnings_of(replace(BALANCED, keys=24, queue_length=560), 3200, batches_per_step=4) == []
    (text,) = warnings_of(replace(BALANCED, keys=24, queue_length=561), 3200, batches_per_step=4)
    assert 'holds 6 steps of 96 keys, but in a run of 800 steps' in text


def run(tiny_pretrain, folder, batches=3, **changes):
    """Steps of the log of a run, the runner, and what it warned of."""
    hooks = {'custom_hooks': [{'type': 'PretextWatchHook', 'batches': batches}]}
    cfg = tiny_pretrain(folder, **hooks, **changes)
    runner = Runner.from_cfg(cfg)
    warned = []
    runner.logger.warning = lambda text, *rest: warned.append(text)
    runner.train()
    lines = next(folder.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines], runner, warned


def test_gain_is_the_accuracy_less_that_of_the_start(tiny_pretrain, tmp_path):
    steps, runner, warned = run(tiny_pretrain, tmp_path)
    assert len(steps) == 4
    start = runner.message_hub.get_info('start_acc_degradation')
    assert 0 <= start <= 1
    assert ['gain_degradation' in step for step in steps] == [False, False, True, True]
    for step in steps[2:]:
        assert step['gain_degradation'] == pytest.approx(step['acc_degradation'] - start)
    assert all(0 < step['mass_degradation'] < 1 for step in steps)
    assert not warned


def test_start_is_that_of_the_untrained_encoder(tiny_pretrain, tmp_path, monkeypatch):
    """However fast the network changes: of three batches, with the weights and statistics before the first step."""
    seen = []
    measure = PretextWatchHook._measure
    monkeypatch.setattr(
        PretextWatchHook, '_measure', lambda self, runner, inputs: seen.append(inputs) or measure(self, runner, inputs)
    )
    _, runner, _ = run(tiny_pretrain, tmp_path, **{'optim_wrapper.optimizer.lr': 10.0})
    assert len(seen) == 3
    fresh = Runner.from_cfg(tiny_pretrain(tmp_path / 'fresh'))
    fresh.model.init_weights()
    start = fresh.model.untrained_backbone(seen[0])
    expected = np.mean([fresh.model.feature_accuracy(inputs, start).item() for inputs in seen])
    assert runner.message_hub.get_info('start_acc_degradation') == pytest.approx(expected)


def test_training_is_the_same_with_and_without_it(tiny_pretrain, tmp_path):
    with_it, _, _ = run(tiny_pretrain, tmp_path / 'with')
    without, _, _ = run(tiny_pretrain, tmp_path / 'without', batches=0)
    assert [step['loss'] for step in with_it] == [step['loss'] for step in without]
    assert not any('gain_degradation' in step for step in without)


@pytest.mark.parametrize('stopped', [1, 3])
def test_a_resumed_run_knows_its_start(tiny_pretrain, tmp_path, stopped):
    """Also when it was stopped before all batches were measured."""

    def changes(steps):
        return {
            'train_cfg': {'_delete_': True, 'type': 'ResumableTrainLoop', 'max_iters': steps},
            'default_hooks.checkpoint': {'by_epoch': False, 'interval': 1},
            'log_processor.by_epoch': False,
            'param_scheduler': [{'type': 'ConstantLR', 'factor': 1.0, 'by_epoch': False}],
        }

    _, first, _ = run(tiny_pretrain, tmp_path / 'first', batches=2, **changes(stopped))
    start = first.message_hub.get_info('start_acc_degradation')
    resumed = {'resume': True, 'load_from': str(tmp_path / 'first' / f'iter_{stopped}.pth')}
    steps, again, _ = run(tiny_pretrain, tmp_path / 'again', batches=2, **changes(stopped + 1), **resumed)
    assert again.message_hub.get_info('start_acc_degradation') == start
    assert steps[-1]['gain_degradation'] == pytest.approx(steps[-1]['acc_degradation'] - start)


def test_a_run_warns_once(tiny_pretrain, tmp_path):
    changes = {'model.queue_length': 20_000, 'model.head.degradation_share': None}
    _, _, warned = run(tiny_pretrain, tmp_path, **changes)
    assert len(warned) == 2
    assert 'degradation-based negatives can hold at most' in warned[0]
    assert 'a queue of 20000 keys' in warned[1]


def test_other_models_are_left_alone():
    hook = PretextWatchHook()
    runner = SimpleNamespace(
        model=SimpleNamespace(),
        iter=0,
        message_hub=SimpleNamespace(update_info=lambda *a: None, get_info=lambda *a: None),
    )
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, {})
    hook.after_train_iter(runner, 0, {}, {'acc_degradation': 0.5})


def test_without_degradation_negatives_nothing_is_measured(tiny_pretrain, tmp_path):
    _, runner, _ = run(tiny_pretrain, tmp_path, **{'model.degradation_negatives': False})
    assert runner.message_hub.get_info('start_acc_degradation') is None


def _two_ranks(rank, ranks, folder):
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    import mmqpt.components  # noqa: F401

    info = {}
    torch.manual_seed(0)
    cfg = Config.fromfile(f'{folder}/cfg.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(cfg.model)
    hub = SimpleNamespace(update_info=info.__setitem__, get_info=info.get)
    logger = SimpleNamespace(info=lambda text: None, warning=lambda text: None)
    wrapper = SimpleNamespace(_accumulative_counts=1)
    runner = SimpleNamespace(model=model, iter=0, max_iters=9, message_hub=hub, logger=logger, optim_wrapper=wrapper)
    hook = PretextWatchHook(batches=1)
    hook.before_train(runner)
    inputs = torch.randint(0, 256, (3, 2, 2, 3, 32, 32), generator=torch.Generator().manual_seed(rank))
    hook.before_train_iter(runner, 0, {'inputs': inputs.to(torch.uint8), 'data_samples': []})
    prepared = model.data_preprocessor({'inputs': inputs.to(torch.uint8)})['inputs']
    own = model.feature_accuracy(prepared, model.untrained_backbone(prepared))
    return info['start_acc_degradation'], float(own)


def test_ranks_agree_on_the_start(on_ranks, tiny_pretrain, tmp_path):
    tiny_pretrain(tmp_path / 'x').dump(tmp_path / 'cfg.py')
    (one, first), (two, second) = on_ranks(_two_ranks, 2, str(tmp_path))
    assert one == two == pytest.approx((first + second) / 2)


@pytest.mark.parametrize('batches', [-1, 1.5, True])
def test_bad_number_of_batches(batches):
    with pytest.raises(InputError, match='batches must be an integer >= 0, got'):
        PretextWatchHook(batches=batches)
