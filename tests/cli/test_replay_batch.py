"""Replaying a batch from the command line."""

import json

import pytest
from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.config_file import SafeConfig
from mmqpt.engine.replay import config_of, read_record
from tests.engine import conftest as trouble  # noqa: F401, registers PoisonAt


@pytest.fixture
def record(tiny_pretrain, tmp_path):
    cfg = tiny_pretrain(tmp_path / 'run')
    cfg.custom_hooks.append({'type': 'PoisonAt', 'steps': [2], 'where': 'gradient'})
    Runner.from_cfg(cfg).train()
    return tmp_path / 'run' / 'bad_steps' / 'step_2_rank_0.json'


def test_says_what_was_wrong_and_shows_the_patches(run_command, record, tmp_path):
    done = run_command('replay-batch', record, '--sheet', tmp_path / 'sheet.png', '--out', tmp_path / 'found.json')
    assert done.returncode == 0, done.err
    assert 'not as it was' not in done.out
    assert 'weights that are not finite: 0' in done.out
    assert 'first layer whose output is not finite: None' in done.out
    found = json.loads((tmp_path / 'found.json').read_text())
    assert len(found['inputs']) == 3
    assert 0 <= found['inputs'][0]['least'] < found['inputs'][0]['greatest'] <= 1
    assert (tmp_path / 'sheet.png').stat().st_size > 1000


def test_weights_that_are_gone(run_command, record):
    (record.parent / 'step_2.pth').unlink()
    done = run_command('replay-batch', record)
    assert done.returncode == 2
    assert 'not kept any more; give others with --weights' in done.err


GOOD = {
    'step': 1, 'seed': 0, 'rank': 0, 'outputs': {}, 'weights': None, 'config': 'a = 1',
    'samples': [{'index': 0, 'entropy': [1], 'name': 'a.jpg'}],
}  # fmt: skip


@pytest.mark.parametrize(
    'change',
    [
        *({key: value} for key in ('step', 'seed', 'rank') for value in (None, 'x', [], float('inf'), -1)),
        *({'samples': value} for value in (None, 7, [], ['x'], [{}], [{'index': 'x', 'entropy': [1]}])),
        *({'samples': [{**GOOD['samples'][0], **bad}]} for bad in ({'entropy': []}, {'entropy': [-1]}, {'name': 7})),
        *({'weights': value} for value in (7, [], '../../secret.pth', '/etc/secret.pth')),
        *({'outputs': value} for value in (None, [])),
        *({'config': value} for value in (7, None, 'a = (', 'a = 1', 'model = 3', 'model = dict(type="X")')),
    ],
)
def test_records_of_strangers_end_in_one_sentence(change, tmp_path):
    path = tmp_path / 'step_1_rank_0.json'
    path.write_text(json.dumps({**GOOD, **change}))

    def run():
        config_of(read_record(path), path)

    with pytest.raises(InputError, match=r'step_1_rank_0\.json: '):
        run()


@pytest.mark.parametrize('text', ['', '[]', 'null', '[' * 100_000, '\xff', '{"step": 1}'])
def test_records_that_are_none(text, tmp_path):
    path = tmp_path / 'step_1_rank_0.json'
    path.write_bytes(text.encode('latin1'))
    with pytest.raises(InputError, match=r'step_1_rank_0\.json: '):
        read_record(path)


def test_a_record_keeps_any_value_of_its_config(tmp_path):
    """What the run wrote is read back, whatever it holds."""
    value = {'type': "O'Brien {{$HOME:x}}", "it's": 1}
    text = SafeConfig({'model': value, 'optim_wrapper': {'a': 1}, 'train_dataloader': {'dataset': value}}).pretty_text
    assert config_of({'config': text}, tmp_path).model == value
