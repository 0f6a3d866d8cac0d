"""Every config loads, says how to launch it, and builds all of its parts."""

import copy
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.registry import DATA_SAMPLERS, HOOKS, METRICS, MODELS, TRANSFORMS

import mmqpt.components  # noqa: F401
from mmqpt.degradations import DegradationSpace

ROOT = Path(__file__).parent.parent.parent
ALL = sorted(path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_')


@pytest.fixture(params=ALL, ids=[path.stem for path in ALL])
def path(request):
    return request.param


def test_opens_with_its_launch_command_batch_and_result(path):
    text = path.read_text().split('"""')[1]
    assert f'configs/{path.parent.name}/{path.name}' in text
    assert 'Batch:' in text
    assert 'Result:' in text
    assert 'design choice' in text


def test_has_one_base_at_most(path):
    base = Config.fromfile(path)._cfg_dict  # loads
    assert base.default_scope == 'mmpretrain'
    assert '_base_ =' not in (ROOT / 'configs' / '_base_' / 'default_runtime.py').read_text()


def test_all_parts_build(path):
    cfg = Config.fromfile(path)
    model = MODELS.build({**cfg.model, 'pretrained': None})
    assert model.export_spec()['backbone'] == cfg.model.backbone
    for hook in cfg.custom_hooks:
        HOOKS.build(copy.deepcopy(hook))
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if name in cfg:
            DATA_SAMPLERS.build({**cfg[name].sampler}, default_args={'dataset': range(10), 'seed': 0})
            for step in cfg[name].dataset.pipeline:
                TRANSFORMS.build(copy.deepcopy(step))
    for name in ('val_evaluator', 'test_evaluator'):
        if name in cfg:
            METRICS.build(copy.deepcopy(cfg[name]))


def test_default_space_is_as_large_as_the_papers(path):
    cfg = Config.fromfile(path)
    pairs = [step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PatchPairs']
    for step in pairs:
        assert DegradationSpace(**step.get('space', {})).size() >= 2e7
    assert bool(pairs) == (path.parent.name == 'qpt')


def test_size_rule_is_the_same_in_training_and_test(path):
    cfg = Config.fromfile(path)
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'RandomQualityCrop':
            assert step.view == cfg.model.view


def test_environment_sets_the_data(path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', 'elsewhere')
    cfg = Config.fromfile(path)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if name in cfg:
            assert cfg[name].dataset.data_root == 'elsewhere'
