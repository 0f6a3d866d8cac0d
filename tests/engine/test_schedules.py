"""Schedules follow the length of a run: every length anneals, and a resumed run of more epochs goes on."""

import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import CosineAnnealingLR, LinearLR
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.schedules import fit_schedules

STEPS = 7  # of an epoch
WARM = {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': True, 'end': 1, 'convert_to_iter_based': True}
COSINE = {'type': 'CosineAnnealingLR', 'by_epoch': True, 'convert_to_iter_based': True}


def rates(schedules, epochs, steps=None):
    """The rate of every step, as MMEngine builds and steps schedules."""
    steps = epochs * STEPS if steps is None else steps
    fitted, _ = fit_schedules(schedules, steps / STEPS, steps)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    built = []
    for one in fitted:
        one = dict(one)
        kind = {'LinearLR': LinearLR, 'CosineAnnealingLR': CosineAnnealingLR}[one.pop('type')]
        convert = one.pop('convert_to_iter_based', False)
        one.setdefault('end', math.ceil(steps / STEPS) if one.get('by_epoch', True) else steps)
        make = kind.build_iter_from_epoch if convert else kind
        built.append(make(optimizer, **one, **({'epoch_length': STEPS} if convert else {})))
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for schedule in built:
            schedule.step()
    return found


@pytest.mark.parametrize('period', [None, 1, 11, 100])
@pytest.mark.parametrize('epochs', [1, 2, 3, 12, 24])
@pytest.mark.parametrize(
    'warm_up', [None, WARM, {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': False, 'end': 100}]
)
def test_every_length_rises_once_and_anneals(period, epochs, warm_up):
    cosine = {**COSINE, 'begin': 1 if warm_up is WARM else 0, **({} if period is None else {'T_max': period})}
    found = rates([cosine] if warm_up is None else [warm_up, cosine], epochs)
    peak = found.index(max(found))
    assert peak <= len(found) / 2 + 1
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)
    assert found[-1] < 0.25 * max(found)


@pytest.mark.parametrize('steps', [3, 10, 50])
def test_runs_that_count_steps(steps):
    found = rates([{**COSINE, 'T_max': 20}], None, steps)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.3
    by_steps = rates([{'type': 'CosineAnnealingLR', 'T_max': 600, 'by_epoch': False}], None, steps)
    assert by_steps == sorted(by_steps, reverse=True)
    assert by_steps[-1] < 0.3


def test_an_end_is_kept_and_what_does_not_fit_is_said():
    fixed = {**COSINE, 'T_max': 3, 'end': 3}
    assert fit_schedules([fixed], 8, 80) == ([fixed], [])
    assert fit_schedules([{**COSINE, 'T_max': 8}], 8, 80)[1] == []
    assert 'is 8 epochs, not 3' in fit_schedules([{**COSINE, 'T_max': 3}], 8, 80)[1][0]
    assert fit_schedules(None, 8, 80) == (None, [])
    assert fit_schedules({**COSINE, 'T_max': 8}, 8, 80) == (COSINE, [])
    with pytest.raises(InputError, match='begins after 5 epochs, but the run has 3'):
        fit_schedules([{**COSINE, 'begin': 5}], 3, 30)


class Rates(Hook):
    """Notes the first rate of every step."""

    def __init__(self):
        self.seen = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(next(iter(runner.optim_wrapper.get_lr().values()))[0])


def test_a_resumed_run_with_more_epochs_goes_on_as_one_of_that_length(tiny_finetune, tmp_path):
    def rates_of(folder, **changes):
        off = dict.fromkeys(('val_cfg', 'val_dataloader', 'val_evaluator'))
        # two steps an epoch: MMEngine's warm-up of a single step never rises
        runner = Runner.from_cfg(tiny_finetune(folder, **off, **{'train_dataloader.batch_size': 2, **changes}))
        hook = Rates()
        runner.register_hook(hook)
        runner.train()
        return hook.seen

    whole = rates_of(tmp_path / 'whole', **{'train_cfg.max_epochs': 6})
    rates_of(tmp_path / 'part', **{'train_cfg.max_epochs': 2})
    last = {'resume': True, 'load_from': str(tmp_path / 'part' / 'epoch_2.pth')}
    rest = rates_of(tmp_path / 'part', **{'train_cfg.max_epochs': 6}, **last)
    assert rest == pytest.approx(whole[-len(rest) :], rel=1e-6)
    assert rest[0] > 3 * rest[-1] > 0
