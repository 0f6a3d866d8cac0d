"""Replaying a batch from the command line."""

import json

import pytest
from mmengine.runner import Runner

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
