"""``--cfg-options``: each has its effect, or is refused with the nearest right name."""

import argparse

import pytest
from mmengine.config import Config

from mmqpt.core.errors import InputError
from mmqpt.engine.config_options import SETTINGS, read_with_options
from mmqpt.engine.launch import load_config
from tests.conftest import CONFIGS

CSV = CONFIGS / 'finetune' / 'finetune_efficientnet-lite0_1xb16-coslr_csv.py'
SCALES = CONFIGS / 'finetune' / 'finetune_efficientnet-lite0-scales_1xb16-coslr_biq2021.py'
PIPAL = CONFIGS / 'finetune' / 'finetune_resnet50_1xb32-coslr_pipal.py'
FOLDER = CONFIGS / 'qpt' / 'qpt_resnet18_1xb32-coslr_folder.py'
ANCHOR = CONFIGS / 'qpt' / 'qpt_efficientnet-lite0-anchor_1xb12-coslr-800i_folder.py'


def read(path, options, **more) -> Config:
    return read_with_options(str(path), options, **more)


def value(cfg, place: str):
    for key in place.split('.'):
        cfg = cfg[int(key) if key.isdigit() else key]
    return cfg


@pytest.mark.parametrize(
    ('config', 'options', 'expected'),
    [
        (CSV, {'crop': 64}, {'train_dataloader.dataset.pipeline.1.crop': 64}),
        (CSV, {'holdout': 0.3}, {'train_dataloader.dataset.holdout': 0.3, 'val_dataloader.dataset.holdout': 0.3}),
        (CSV, {'group_column': 'ref'}, {'train_dataloader.dataset.group_column': 'ref'}),
        (CSV, {'mos_range': [0, 9]}, {'val_dataloader.dataset.mos_range': [0, 9]}),
        (CSV, {'mos_range.1': 9}, {'test_dataloader.dataset.mos_range': [0, 9]}),
        (CSV, {'data_root': 'my photos'}, {'test_dataloader.dataset.data_root': 'my photos'}),
        (CSV, {'rated.name': 'mine'}, {'val_dataloader.dataset.name': 'mine'}),
        (CSV, {'where_train.camera': 'a'}, {'train_dataloader.dataset.where': {'split': 'train', 'camera': 'a'}}),
        (CSV, {'keep_best.rule': 'less'}, {'default_hooks.checkpoint.rule': 'less'}),
        (
            CSV,
            {'view.min_side': 96},
            {'model.view.min_side': 96, 'train_dataloader.dataset.pipeline.1.view.min_side': 96},
        ),
        (
            CSV,  # a setting alone: nothing else follows
            {'model.view.min_side': 96},
            {'model.view.min_side': 96, 'train_dataloader.dataset.pipeline.1.view.min_side': 384},
        ),
        (
            SCALES,  # of a tuple, and of a config that replaces its base's
            {'crop': 96, 'ladder_crop': 64},
            {'train_dataloader.dataset.pipeline.2.crop': 96, 'train_dataloader.dataset.pipeline.1.crop': 64},
        ),
        (ANCHOR, {'iterations': 40}, {'train_cfg.max_iters': 40, 'param_scheduler.0.end': 2}),
        (FOLDER, {'model.queue_length': 77}, {'model.queue_length': 77}),
        (FOLDER, {'train_dataloader.dataset.ann_file': 'l.txt'}, {'train_dataloader.dataset.ann_file': 'l.txt'}),
        (PIPAL, {'split': 'official_split'}, {'test_dataloader.dataset.where': {'official_split': 'test'}}),
    ],
)
def test_an_option_reaches_what_is_computed_from_it(config, options, expected):
    cfg = read(config, options)
    assert {place: value(cfg, place) for place in expected} == expected


def test_a_dict_is_emptied_before_it_is_filled():
    options = {'model.backbone.depth': 34, 'model.backbone.type': 'ResNet', 'model.backbone._delete_': True}
    assert read(CSV, options).model.backbone == {'depth': 34, 'type': 'ResNet'}
    assert read(CSV, {'where_train._delete_': True}).train_dataloader.dataset.where == {}


def test_code_of_a_config_follows_too(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        f"_base_ = '{FOLDER}'\nshort: bool = False\nsteps = 100\nif short:\n    steps = 10\n    steps += 1\n"
        'def rate(scale):\n    steps = 7\n    return scale / steps\n'
        'train_cfg = dict(_delete_=True, type="ResumableTrainLoop", max_iters=steps)\n'
        'log_processor = dict(window_size=steps)\n'
    )
    assert read(path, {'short': True}).train_cfg.max_iters == 11
    assert read(path, {'steps': 5}).log_processor.window_size == 5
    with pytest.raises(InputError, match='short: has no effect'):  # steps no longer depends on it
        read(path, {'steps': 5, 'short': True})
    with pytest.raises(InputError, match=r'can not be read with steps=.*TypeError'):
        read(path, {'steps': 'x', 'short': True})


@pytest.mark.parametrize(
    ('config', 'option', 'said'),
    [
        (CSV, 'trian_cfg.max_epochs', "the config has no 'trian_cfg'; did you mean 'train_cfg'?"),
        (CSV, 'DATA_ROOT', "the config has no 'DATA_ROOT'; did you mean 'data_root'?"),
        (CSV, 'croop', "did you mean 'crop'?"),
        (CSV, 'qzxj', "the config has no 'qzxj'$"),
        (FOLDER, 'val_dataloader.batch_size', "the config has no 'val_dataloader'"),
        (CSV, 'model', 'model has keys of its own; give model.KEY=VALUE'),
        (CSV, 'view', 'view has keys of its own; give view.KEY=VALUE'),
        (CSV, 'crop.x', 'crop is 384 and has no keys'),
        (CSV, 'mos_range.7', 'mos_range is a list with the items 0 to 1'),
        (CSV, 'custom_hooks.type', 'custom_hooks is a list with the items 0 to '),
        (PIPAL, 'crop', r'nothing here is computed from crop; set model.view.crop or .*pipeline\.1\.crop'),
        (CSV, 'view.min_sdie', r"model\.view takes no 'min_sdie'; did you mean 'min_side'\?"),
    ],
)
def test_an_option_without_effect_is_refused(config, option, said):
    with pytest.raises(InputError, match=rf'--cfg-options .*{said}'):
        read(config, {option: 7})


def test_a_value_that_is_there_already_is_no_fault():
    assert read(PIPAL, {'crop': 384}).train_dataloader.dataset.pipeline[1].crop == 256


def test_what_a_command_sets_itself_is_refused():
    unused = {f'{loader}_dataloader.dataset.data_root': 'give --data-root' for loader in ('train', 'val', 'test')}
    with pytest.raises(InputError, match=r'data_root: has no effect.*; give --data-root$'):
        read(CSV, {'data_root': 'x'}, unused=unused)
    with pytest.raises(InputError, match=r'has no effect here; give --data-root$'):
        read(CSV, {'val_dataloader.dataset.data_root': 'x'}, unused=unused)
    assert read(CSV, {'crop': 64}, unused=unused).train_dataloader.dataset.pipeline[1].crop == 64


def test_configs_without_code_have_no_names_to_compute_from(tmp_path):
    path = tmp_path / 'config.json'
    path.write_text('{"crop": 3, "model": {"type": "QPT", "queue_length": 9}}')
    assert read(path, {'model.queue_length': 5}).model.queue_length == 5
    with pytest.raises(InputError, match='nothing here is computed from crop'):
        read(path, {'crop': 4})


def test_options_are_forgotten_once_a_config_is_read():
    read(CSV, {'crop': 64})
    assert Config.fromfile(CSV).crop == 384
    with pytest.raises(InputError):
        read(CSV, {'crop': 64, 'nothing': 1})
    assert Config.fromfile(CSV).crop == 384


def test_settings_hold_all_that_the_runner_reads():
    import inspect

    from mmengine.runner import Runner

    taken = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    assert taken <= set(SETTINGS)


def test_load_config_puts_options_in():
    args = argparse.Namespace(config=str(CSV), cfg_options={'crop': 64}, launcher='none', local_rank=0, work_dir=None)
    cfg = load_config(args)
    assert (cfg.train_dataloader.dataset.pipeline[1].crop, cfg.launcher) == (64, 'none')
    assert 'crop = 64' in cfg.pretty_text


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'train_dataloader.batch_size': 0}, r'train_dataloader\.batch_size must be an integer >= 1, got 0'),
        ({'train_dataloader.batch_size': 'abc'}, "batch_size must be an integer >= 1, got 'abc'"),
        ({'val_dataloader.num_workers': -1}, r'val_dataloader\.num_workers must be an integer >= 0, got -1'),
        ({'test_dataloader.num_workers': 1.5}, r'num_workers must be an integer >= 0, got 1\.5'),
    ],
)
def test_loaders_that_can_not_be(options, said):
    args = argparse.Namespace(config=str(CSV), cfg_options=options, launcher='none', local_rank=0, work_dir=None)
    with pytest.raises(InputError, match=said):
        load_config(args)
