"""``mmqpt test``: where it writes, and that the checkpoint is of the config."""

import json
import re

import pytest
import torch
from mmengine.runner import Runner


def test_it_writes_beside_its_run(monkeypatch, run_command, tiny_finetune, finetuned_checkpoint, tmp_path):
    config, run = tmp_path / 'config.py', tmp_path / 'run'
    cfg = tiny_finetune(run, **{'test_evaluator.out_file': 'work_dirs/predictions.csv'})
    cfg.work_dir = None
    cfg.dump(config)
    run.mkdir()
    (run / 'epoch_2.pth').write_bytes(finetuned_checkpoint.read_bytes())
    seen = []

    from_cfg = Runner.from_cfg
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: seen.append(cfg) or from_cfg(cfg))
    monkeypatch.setattr(Runner, 'test', lambda runner: {'iqa/SRCC': 0.5})
    monkeypatch.chdir(tmp_path)
    done = run_command('test', config, run / 'epoch_2.pth')
    assert done.returncode == 0, done.err
    assert json.loads((run / 'test' / 'epoch_2' / 'metrics.json').read_text()) == {'iqa/SRCC': 0.5}
    assert seen[0].test_evaluator.out_file == str(run / 'test' / 'epoch_2' / 'predictions.csv')
    assert not (tmp_path / 'work_dirs').exists()
    run_command('test', config, run / 'epoch_2.pth', '--work-dir', 'elsewhere')
    assert (tmp_path / 'elsewhere' / 'metrics.json').is_file()
    assert seen[1].test_evaluator.out_file == 'work_dirs/predictions.csv'


@pytest.fixture
def dumped(tiny_finetune, tmp_path):
    """Writes a config with changes."""

    def make(**changes):
        cfg = tiny_finetune(tmp_path / 'run', **changes)
        cfg.dump(tmp_path / 'config.py')
        return tmp_path / 'config.py'

    return make


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'model.head.hidden': 16}, 'it has head.hidden=8, the config 16'),
        ({'model.backbone.model_name': 'test_efficientnet'}, "it has backbone.model_name='test_resnet', the config"),
        ({'model.data_preprocessor': {'mean': [1, 2, 3]}}, 'it has mean='),
    ],
)
def test_a_checkpoint_of_another_config_is_refused(
    run_command, dumped, finetuned_checkpoint, tmp_path, changes, reason, monkeypatch
):
    """MMEngine loads what fits, and would score by random layers."""
    monkeypatch.chdir(tmp_path)
    done = run_command('test', dumped(**changes), finetuned_checkpoint, '--work-dir', tmp_path / 'test')
    assert done.returncode == 2, done.err
    assert re.search(f'not of this config: {reason}', done.err)
    assert not (tmp_path / 'test' / 'metrics.json').exists()


def test_weights_that_are_missing_or_too_many_are_named(run_command, dumped, finetuned_checkpoint, tmp_path):
    loaded = torch.load(finetuned_checkpoint, weights_only=False)
    name = next(iter(loaded['state_dict']))
    loaded['state_dict']['more'] = loaded['state_dict'].pop(name)
    torch.save(loaded, tmp_path / 'cut.pth')
    done = run_command('test', dumped(), tmp_path / 'cut.pth', '--work-dir', tmp_path / 'test')
    assert done.returncode == 2
    assert f'1 weights are missing, the first: {name}; 1 weights are of no layer, the first: more' in done.err


def test_another_size_rule_is_told(run_command, dumped, finetuned_checkpoint, tmp_path):
    config = dumped(**{'model.view.max_side': 100, 'log_level': 'WARNING'})
    done = run_command('test', config, finetuned_checkpoint, '--work-dir', tmp_path / 'test')
    assert done.returncode == 0, done.err
    assert 'the checkpoint was trained under View(min_side=64, max_side=128' in done.out + done.err
