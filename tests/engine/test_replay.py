"""Replaying a batch: the same photos, recipes and pixels, and what was wrong with them or with the weights."""

import json
import shutil

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.engine.replay import build_model, config_of, load_batch, read_record, replay
from mmqpt.models.checkpoint import load_checkpoint_file


@pytest.fixture
def bad_run(stepwise, train, tmp_path):
    """Its record of step 4: the gradients were infinite, the batch is good."""
    train(stepwise(tmp_path), {'type': 'PoisonAt', 'steps': [4], 'where': 'gradient'})
    return tmp_path / 'bad_steps' / 'step_4_rank_0.json'


def load(path):
    record = read_record(path)
    cfg = config_of(record, path)
    return record, cfg, *load_batch(record, cfg)


def test_the_same_batch_with_the_same_loss(bad_run):
    record, cfg, batch, differences = load(bad_run)
    assert differences == []
    assert len(batch['inputs']) == 1
    weights = bad_run.parent / record['weights']
    found = replay(record, cfg, batch, build_model(cfg, weights))
    assert found['first'] is None
    assert found['weights'] == found['gradients'] == []
    # the queue had got the batch's own keys already; nothing else is different from the step itself
    assert found['losses']['sim_positive'] == pytest.approx(record['outputs']['sim_positive'], abs=0.02)
    assert found['inputs'][0]['not_finite'] == 0


def test_weights_that_are_not_finite_are_named(bad_run):
    record, cfg, batch, _ = load(bad_run)
    model = build_model(cfg, bad_run.parent / record['weights'])
    with torch.no_grad():
        model.backbone.timm_model.layer2[0].conv1.weight[0] = torch.inf
    found = replay(record, cfg, batch, model)
    assert 'backbone.timm_model.layer2.0.conv1.weight' in found['weights']
    assert found['first'] == 'backbone.timm_model.layer2.0.conv1'
    assert found['losses']['loss'] != found['losses']['loss']
    assert found['gradients']


def test_photos_that_changed_are_told(bad_run, photo_folder, tmp_path):
    record, cfg, _, _ = load(bad_run)
    moved = tmp_path / 'moved'
    shutil.copytree(photo_folder, moved)
    cfg.train_dataloader.dataset.data_root = str(moved)
    _, differences = load_batch(record, cfg)
    (only,) = differences
    assert 'name is' in only
    assert str(moved) in only
    for path in sorted(moved.iterdir())[:3]:
        path.unlink()
    with pytest.raises(InputError, match=r'was photo \d, but the data set has 3 photos'):
        load_batch({**record, 'samples': [{**record['samples'][0], 'index': 4}]}, cfg)


def test_other_weights_are_refused(bad_run, finetuned_checkpoint):
    _, cfg, _, _ = load(bad_run)
    with pytest.raises(InputError, match='not the weights of this run'):
        build_model(cfg, finetuned_checkpoint)
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        build_model(cfg, bad_run.parent / 'none.pth')
    assert build_model(cfg, None).training


def test_bad_records(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such record'):
        read_record(tmp_path / 'none.json')
    for content in ('', '[]', '{"step": 1}', '{"step": "x", "seed": 0, "rank": 0, "config": "", "samples": []}'):
        (tmp_path / 'bad.json').write_text(content)
        with pytest.raises(InputError, match=r'bad\.json: not a record'):
            read_record(tmp_path / 'bad.json')
    empty = {'step': 1, 'seed': 0, 'rank': 0, 'config': 'a = 1', 'weights': None, 'outputs': {}, 'samples': []}
    (tmp_path / 'bad.json').write_text(json.dumps(empty))
    with pytest.raises(InputError, match=r'bad\.json: holds no samples'):
        read_record(tmp_path / 'bad.json')
    with pytest.raises(InputError, match='the config in the record can not be read'):
        config_of({'config': 'model = dict('}, tmp_path / 'bad.json')


def test_weights_are_those_before_the_step(bad_run, stepwise, train, tmp_path):
    """An undisturbed run of three steps has them."""
    short = {'train_cfg': {'_delete_': True, 'type': 'ResumableTrainLoop', 'max_iters': 3}}
    cfg = stepwise(tmp_path / 'short', **short)
    cfg.param_scheduler[0].T_max = 10
    runner = train(cfg)
    kept = load_checkpoint_file(bad_run.parent / read_record(bad_run)['weights'])['state_dict']
    for name, value in runner.model.named_parameters():
        if not name.startswith('key_'):
            torch.testing.assert_close(kept[name], value.detach(), msg=name)


def test_fine_tuning_batches_replay_too(tiny_finetune, train, tmp_path):
    train(tiny_finetune(tmp_path), {'type': 'PoisonAt', 'steps': [2]})
    record, cfg, batch, differences = load(tmp_path / 'bad_steps' / 'step_2_rank_0.json')
    assert differences == []
    found = replay(record, cfg, batch, build_model(cfg, tmp_path / 'bad_steps' / 'step_2.pth'))
    assert found['losses']['loss'] == found['losses']['loss']
    assert len(found['inputs']) == len(json.loads((tmp_path / 'bad_steps/step_2_rank_0.json').read_text())['samples'])


def test_averaged_weights_are_not_those_that_met_the_batch(stepwise, train, tmp_path):
    cfg = stepwise(tmp_path)
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), {'type': 'EMAHook', 'momentum': 0.5}]
    train(cfg, {'type': 'PoisonAt', 'steps': [4], 'where': 'gradient'})
    path = tmp_path / 'bad_steps' / 'step_4.pth'
    kept = load_checkpoint_file(path)
    model = build_model(cfg, path)
    differ = 0
    for name, value in model.named_parameters():
        assert torch.equal(value, kept['ema_state_dict'][f'module.{name}']), name
        differ += not torch.equal(value, kept['state_dict'][name])
    assert differ > 5
