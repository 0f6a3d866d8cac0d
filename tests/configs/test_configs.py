"""Every config loads, says how to launch it, and builds all of its parts."""

import copy
import re
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.table import SETS
from mmqpt.datasets.rated.sets import SetInfo, write_set
from mmqpt.degradations import DegradationSpace
from mmqpt.engine.config_options import read_with_options
from mmqpt.engine.pretext_watch import warnings_of
from mmqpt.models.backbone import load_pretrained

ROOT = Path(__file__).parent.parent.parent
RESNET = ROOT / 'configs' / 'finetune' / 'finetune_resnet50_1xb32-coslr_SET.py'
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
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
    if path.parent.name != 'finetune':  # where ladders start from one another
        bases = re.search(r'^_base_ = (.*)$', path.read_text(), re.M)[1]
        assert all(Path(name).parent.name == '_base_' for name in re.findall(r"'([^']+)'", bases)), bases
    for shared in (ROOT / 'configs' / '_base_').glob('*.py'):
        assert '_base_ =' not in shared.read_text(), shared


class Rated(list):
    """Stands in for rated photos: the rating scale of each."""

    @property
    def scales(self):
        return self


def test_all_parts_build(path):
    cfg = Config.fromfile(path)
    model = MODELS.build({**cfg.model, 'pretrained': None})
    if path.parent.name != 'comparison':  # models of mmpretrain
        assert model.export_spec()['backbone'] == cfg.model.backbone
    for hook in cfg.custom_hooks:
        HOOKS.build(copy.deepcopy(hook))
    for name in LOADERS:
        if name in cfg:
            rated = Rated((model.scales.names if getattr(model, 'scales', None) else ['one']) * 10)
            DATA_SAMPLERS.build({**cfg[name].sampler}, default_args={'dataset': rated, 'seed': 0})
            for step in cfg[name].dataset.pipeline:
                with DefaultScope.overwrite_default_scope(cfg.default_scope):
                    TRANSFORMS.build(copy.deepcopy(step))
    for name in ('val_evaluator', 'test_evaluator'):
        if name in cfg:
            METRICS.build(copy.deepcopy(cfg[name]))


def test_keeps_every_hook_of_the_runtime(path):
    """MMEngine replaces lists: a config that sets custom_hooks without adding to those of its base would drop them."""
    cfg, runtime = Config.fromfile(path), Config.fromfile(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    for hook in runtime.custom_hooks:
        assert hook in cfg.custom_hooks
    types = [hook.type for hook in cfg.custom_hooks]
    assert len(set(types)) == len(types)
    assert {name: hook.type for name, hook in cfg.default_hooks.items()} == {
        name: hook.type for name, hook in runtime.default_hooks.items()
    }


STEPPED = [path for path in ALL if path.parent.name == 'comparison' or re.search(r'-\d+i_', path.stem)]


def test_which_lengths_are_in_steps(path):
    assert ('iterations' in Config.fromfile(path)) == (path in STEPPED)


@pytest.mark.parametrize('path', STEPPED, ids=[path.stem for path in STEPPED])
@pytest.mark.parametrize('steps', [1, 19, 20, 100])
def test_takes_runs_of_any_length(path, steps):
    cfg = read_with_options(str(path), {'iterations': steps})
    assert cfg.train_cfg.max_iters == steps
    for schedule in cfg.param_scheduler:
        if 'end' in schedule:
            assert 0 < schedule.end <= max(1, steps // 10)


def test_fine_tuning_keeps_the_epoch_that_validates_best(path):
    cfg = Config.fromfile(path)
    checkpoint = cfg.default_hooks.checkpoint
    if path.parent.name == 'finetune':
        assert checkpoint.save_best.startswith('iqa/SRCC')
        assert checkpoint.rule == 'greater'
    else:
        assert 'save_best' not in checkpoint


def test_default_space_is_as_large_as_the_papers(path):
    cfg = Config.fromfile(path)
    pairs = [step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'PatchPairs']
    for step in pairs:
        assert DegradationSpace.from_config(step.get('space')).size() >= 2e7
    assert bool(pairs) == (path.parent.name == 'qpt')


PRETRAINING = sorted((ROOT / 'configs' / 'qpt').glob('*.py'))


@pytest.mark.parametrize('path', PRETRAINING, ids=lambda path: path.stem)
def test_pretraining_can_feel_degradation_and_its_queue_fits(path):
    """With all the photos of ImageNet, or 4,000 on a folder: no run of these configs warns."""
    cfg = Config.fromfile(path)
    assert cfg.model.head.degradation_share == 0.5
    loader = cfg.train_dataloader
    ranks, photos = (8, 1_281_167) if 'in1k' in path.stem else (1, 4000)
    batches = cfg.train_cfg.get('max_iters') or cfg.train_cfg.max_epochs * (photos // (loader.batch_size * ranks))
    pairs = loader.dataset.pipeline[1]
    model = MODELS.build({**cfg.model, 'pretrained': None})
    contrast = model.contrast(torch.zeros(loader.batch_size, pairs.versions, pairs.patches, 3, 1, 1))
    assert warnings_of(contrast, batches, batches_per_step=ranks) == []  # accumulated or spread over ranks is the same
    assert f'{loader.batch_size} photos x {pairs.versions} versions x {pairs.patches} patches' in path.read_text()
    if ranks == 1:
        assert pairs.versions >= 4


def test_the_papers_formula_stands_beside_the_share_and_would_warn():
    path = next(path for path in PRETRAINING if 'in1k' in path.stem)
    lines = path.read_text().splitlines()
    head = next(number for number, line in enumerate(lines) if 'degradation_share=0.5' in line)
    assert lines[head - 1].strip() == "# head=dict(type='QCHead', temperature=0.2),"
    cfg = Config.fromfile(path)
    cfg.model.head.degradation_share = None
    (text,) = warnings_of(MODELS.build(cfg.model).contrast(torch.zeros(32, 2, 2, 3, 1, 1)), 10**6, 8)
    assert '2 e^(1/0.2) / (2 e^(1/0.2) + 65536)' in text


@pytest.mark.parametrize('path', sorted((ROOT / 'configs' / 'comparison').glob('*.py')), ids=lambda path: path.stem)
def test_rivals_train_on_a_folder_of_photos(path, photo_folder, tmp_path, monkeypatch):
    """Their steps give what the probe takes: weights that load into the backbone."""
    monkeypatch.setenv('DATA_ROOT', str(photo_folder))
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'experiment_name': tmp_path.name,
            'train_cfg.max_iters': 1,
            'train_dataloader.batch_size': 3,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'default_hooks.checkpoint.interval': 1,
            'model.backbone.model_name': 'test_efficientnet',
            'model.neck.in_channels': 256,
        }
    )
    Runner.from_cfg(cfg).train()
    load_pretrained(MODELS.build(cfg.model.backbone), str(tmp_path / 'iter_1.pth'))


def test_size_rule_is_the_same_in_training_and_test(path):
    cfg = Config.fromfile(path)
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == 'RandomQualityCrop':
            whole = step.crop == cfg.model.view.max_side  # the largest photo that is tested
            assert whole or step.view == cfg.model.view


def test_environment_sets_the_data(path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', 'elsewhere')
    cfg = Config.fromfile(path)
    for name in LOADERS:
        if name in cfg:
            assert cfg[name].dataset.data_root == 'elsewhere'


@pytest.fixture
def prepared(photo_folder, tmp_path, monkeypatch):
    """A set of six photos as mmqpt prepare-dataset writes it: official and random split, references, MOS 0 to 10."""
    names = sorted(photo.name for photo in photo_folder.iterdir())
    official, random = ['train'] * 3 + ['val', 'test', 'test'], ['test', 'test'] + ['train'] * 4
    rows = [
        {'name': name, 'mos': i, 'ref': f'r{i // 2}', 'official_split': a, 'ratio802_seed123_split_01': b}
        for i, (name, a, b) in enumerate(zip(names, official, random, strict=True))
    ]
    write_set(tmp_path / 'set.csv', SetInfo('set', (0, 10), group_column='ref'), rows)
    monkeypatch.setenv('DATA_ROOT', str(photo_folder))
    monkeypatch.setenv('ANN_FILE', str(tmp_path / 'set.csv'))
    monkeypatch.delenv('SPLIT', raising=False)
    return rows


def parts_of(key):
    """Names of the photos that a config fits, chooses by and tests."""
    cfg = Config.fromfile(str(RESNET).replace('SET', key))
    built = [DATASETS.build(cfg[name].dataset) for name in LOADERS]
    assert {data.mos_range for data in built} == {(0.0, 10.0)}  # by the JSON file
    return [{rating.name for rating in data.ratings} for data in built]


@pytest.mark.parametrize('key', SETS)
def test_every_set_has_a_config_of_the_papers_backbone(key, prepared):
    text = Path(str(RESNET).replace('SET', key)).read_text()
    assert f'mmqpt prepare-dataset {key} data/{key}\n' in text
    assert 'not run yet by us' in text
    fit, choose, test = parts_of(key)
    assert fit
    assert choose
    column = 'official_split' if SETS[key].official else 'ratio802_seed123_split_01'
    assert test == {row['name'] for row in prepared if row[column] == 'test'}
    assert not test & (fit | choose)
    assert not fit & choose
    if SETS[key].group_column == 'ref':
        refs = {row['name']: row['ref'] for row in prepared}
        assert not {refs[name] for name in fit} & {refs[name] for name in choose}


@pytest.mark.parametrize('key', SETS)
def test_configs_of_sets_differ_in_their_data_alone(key):
    """All else is shared; PIPAL, whose images are small, has a view of its own."""
    found, wanted = (Config.fromfile(str(RESNET).replace('SET', name)).to_dict() for name in (key, 'bid'))
    if key == 'pipal':
        found['model'].pop('view')
        wanted['model'].pop('view')
    for name in LOADERS:
        data = [cfg[name].pop('dataset') for cfg in (found, wanted)]
        for row in ('data_root', 'ann_file', 'group_column', 'where', 'holdout', 'part'):
            data[0].pop(row, None)
            data[1].pop(row, None)
        if key == 'pipal' and name == 'train_dataloader':
            data = [dataset['type'] for dataset in data]
        assert data[0] == data[1]
    for name in ('model', *LOADERS, 'optim_wrapper', 'param_scheduler', 'train_cfg', 'val_evaluator', 'test_evaluator'):
        assert found[name] == wanted[name], name


def test_a_config_of_your_own(tmp_path):
    """That of docs/finetuning.md, beside copies of the bases."""
    text = (ROOT / 'docs' / 'finetuning.md').read_text().split('## A config of your own')[1].split('```')[1]
    shutil.copytree(ROOT / 'configs' / '_base_', tmp_path / '_base_')
    (tmp_path / 'finetune').mkdir()
    (tmp_path / 'finetune' / 'mine.py').write_text(text.removeprefix('python'))
    cfg = Config.fromfile(tmp_path / 'finetune' / 'mine.py')
    runtime = Config.fromfile(ROOT / 'configs' / '_base_' / 'default_runtime.py')
    assert cfg.custom_hooks == [*runtime.custom_hooks, {'type': 'EMAHook'}]
    assert [cfg[name].dataset.get('part') for name in LOADERS] == ['fit', 'holdout', None]


@pytest.mark.parametrize('key', ['koniq10k', 'flive'])
def test_official_validation_part_chooses_the_epoch(key, prepared, monkeypatch):
    names = [row['name'] for row in prepared]
    assert parts_of(key) == [set(names[:3]), {names[3]}, set(names[4:])]
    monkeypatch.setenv('SPLIT', 'ratio802_seed123_split_01')
    fit, choose, test = parts_of(key)
    assert test == set(names[:2])
    assert fit | choose == set(names[2:])
    assert len(choose) == 1


def test_split_of_the_environment(prepared, monkeypatch):
    monkeypatch.setenv('SPLIT', 'ratio802_seed123_split_07')
    with pytest.raises(InputError, match="no column 'ratio802_seed123_split_07'; there are: name, mos, ref"):
        parts_of('clive')


def test_weights_of_the_environment(monkeypatch):
    monkeypatch.setenv('PRETRAINED', 'mine.pth')
    assert Config.fromfile(str(RESNET).replace('SET', 'bid')).model.pretrained == 'mine.pth'


def test_crops_fit_the_photos_of_pipal():
    cfg = Config.fromfile(str(RESNET).replace('SET', 'pipal'))
    assert cfg.train_dataloader.dataset.pipeline[1].crop <= 288
    assert cfg.model.view.min_side <= 288
    assert cfg.model.head.hidden == 256  # the rest of the model is the shared one
