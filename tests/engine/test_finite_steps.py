"""Steps that are not finite: nothing changes, they are counted and can be replayed, too many stop the run."""

import json
import math

import numpy as np
import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.engine.finite_steps import FiniteStepHook
from mmqpt.models.checkpoint import load_checkpoint_file, newest_checkpoint
from tests.engine.conftest import PoisonAt


@pytest.fixture(autouse=True)
def states():
    PoisonAt.states.clear()
    return PoisonAt.states


def records(folder):
    found = sorted((folder / 'bad_steps').glob('*.json'))
    return [json.loads(path.read_text()) for path in found]


@pytest.mark.parametrize('where', ['input', 'gradient'])
def test_a_bad_step_changes_nothing_but_the_key_encoder(stepwise, train, states, tmp_path, where):
    runner = train(stepwise(tmp_path), {'type': 'PoisonAt', 'steps': [4], 'where': where})
    before, after = states
    assert set(before) == set(after)
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    if where == 'input':
        assert changed == set()
    else:  # finite embeddings: their keys are good, and the key encoder follows the weights that made them
        assert all(name.startswith(('key_', 'queue.', 'steps')) for name in changed)
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())
    end = runner.model.state_dict()
    assert not all(torch.equal(end[name], after[name]) for name in end if name.startswith('neck.'))  # the run went on


def test_what_is_written_down(stepwise, train, tmp_path):
    runner = train(stepwise(tmp_path), {'type': 'PoisonAt', 'steps': [4, 5, 9]})
    found = records(tmp_path)
    assert [record['step'] for record in found] == [4, 5, 9]
    assert [record['weights'] for record in found] == ['step_4.pth', 'step_4.pth', 'step_9.pth']
    assert [path.name for path in (tmp_path / 'bad_steps').glob('*.pth')] == ['step_9.pth']
    record = found[0]
    assert record['outputs']['loss'] == 'nan'
    (sample,) = record['samples']
    dataset = runner.train_dataloader.dataset
    assert sample['entropy'] == [0, 0, 3]
    again = dataset[SampleKey(sample['index'], tuple(sample['entropy']))]['data_samples']
    assert sample['name'] == again.img_path
    assert sample['recipes'] == [json.loads(recipe.to_json()) for recipe in again.recipes]
    assert np.array_equal(sample['positions'], again.positions)
    assert runner.message_hub.get_info('skipped_steps') == 3
    weights = load_checkpoint_file(tmp_path / 'bad_steps' / 'step_9.pth')
    assert 'optimizer' not in weights
    assert all(torch.isfinite(value).all() for value in weights['state_dict'].values())


def test_too_many_in_a_row_stop(stepwise, train, tmp_path):
    cfg = stepwise(tmp_path)
    next(hook for hook in cfg.custom_hooks if hook['type'] == 'FiniteStepHook')['max_in_a_row'] = 3
    with pytest.raises(InputError, match=r'3 steps in a row .* the last is step 11; earlier checkpoints are kept'):
        train(cfg, {'type': 'PoisonAt', 'steps': [2, 4, 9, 10, 11, 12]})
    assert newest_checkpoint(tmp_path).name == 'epoch_1.pth'


def test_the_count_goes_on_after_a_resume(stepwise, train, tmp_path):
    train(stepwise(tmp_path, **{'train_cfg.max_epochs': 1}), {'type': 'PoisonAt', 'steps': [2, 4]})
    runner = train(stepwise(tmp_path), {'type': 'PoisonAt', 'steps': [8]}, resume=True)
    assert runner.message_hub.get_info('skipped_steps') == 3


def test_accumulated_a_bad_batch_spoils_its_step_alone(stepwise, train, states, tmp_path):
    cfg = stepwise(tmp_path, **{'optim_wrapper.accumulative_counts': 3, 'model.queue_length': 100})
    runner = train(cfg, {'type': 'PoisonAt', 'steps': [4, 6]})  # the first and the last of the second step
    assert runner.message_hub.get_info('skipped_steps') == 1
    first, last = states[0], states[-1]
    weights = [name for name, _ in runner.model.named_parameters() if not name.startswith('key_')]
    assert all(torch.equal(first[name], last[name]) for name in weights)
    assert int(last['queue.filled']) == 4 * (3 + 1)  # the good batch between them counts
    assert int(runner.model.queue.filled) == 4 * (18 - 2)
    assert not runner.model.queue.within_step
    found = records(tmp_path)
    assert [(record['step'], record['weights']) for record in found] == [(4, 'step_4.pth'), (6, 'step_4.pth')]
    assert (tmp_path / 'bad_steps' / 'step_4.pth').is_file()  # both records name the one file that there is


def test_fine_tuning_is_guarded_too(tiny_finetune, tmp_path, train, states):
    cfg = tiny_finetune(tmp_path, **{'train_cfg.max_epochs': 3})
    runner = train(cfg, {'type': 'PoisonAt', 'steps': [2], 'where': 'input'})
    before, after = states
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())
    assert records(tmp_path)[0]['samples'][0]['name'].endswith('.jpg')


def test_files_have_a_limit(stepwise, train, tmp_path):
    cfg = stepwise(tmp_path)
    next(hook for hook in cfg.custom_hooks if hook['type'] == 'FiniteStepHook')['max_files'] = 2
    runner = train(cfg, {'type': 'PoisonAt', 'steps': [2, 4, 6, 8]})
    assert len(records(tmp_path)) == 2
    assert runner.message_hub.get_info('skipped_steps') == 4


def test_the_log_counts(stepwise, train, tmp_path):
    train(stepwise(tmp_path), {'type': 'PoisonAt', 'steps': [2, 8]})
    lines = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    assert lines[0].get('skipped_steps') is None
    assert lines[2]['skipped_steps'] == 1
    assert lines[-1]['skipped_steps'] == 2
    assert math.isnan(lines[1]['loss'])


@pytest.mark.parametrize(('name', 'value'), [('max_in_a_row', 0), ('max_files', 0), ('max_in_a_row', True)])
def test_bad_settings(name, value):
    with pytest.raises(InputError, match=f'{name} must be an integer >= 1, got {value}'):
        FiniteStepHook(**{name: value})
