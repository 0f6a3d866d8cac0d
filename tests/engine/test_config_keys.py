"""Keys that options add to a config: taken by something, or refused with the nearest that is."""

import pytest

import mmqpt.components  # noqa: F401 (registers its parts)
from mmqpt.core.errors import InputError
from mmqpt.engine.config_options import read_with_options
from tests.conftest import CONFIGS

CSV = str(CONFIGS / 'finetune' / 'finetune_efficientnet-lite0_1xb16-coslr_csv.py')
FOLDER = str(CONFIGS / 'qpt' / 'qpt_resnet18_1xb32-coslr_folder.py')


@pytest.mark.parametrize(
    ('config', 'key', 'nearest'),
    [
        (CSV, 'train_cfg.max_epoch', 'max_epochs'),
        (CSV, 'model.hed', 'head'),
        (CSV, 'model.head.hiden', 'hidden'),
        (CSV, 'model.data_preprocessor.meen', 'mean'),
        (CSV, 'model.backbone.model_nmae', 'model_name'),
        (FOLDER, 'model.backbone.dept', 'depth'),
        (FOLDER, 'model.quee_length', 'queue_length'),
        (FOLDER, 'model.head.temprature', 'temperature'),
        (FOLDER, 'train_dataloader.dataset.pipeline.1.version', 'versions'),
        (FOLDER, 'train_dataloader.dataset.pipeline.1.space.orderr', 'order'),
        (CSV, 'train_dataloader.batchsize', 'batch_size'),
        (CSV, 'train_dataloader.dataset.groupcolumn', 'group_column'),
        (CSV, 'optim_wrapper.optimiser', 'optimizer'),
        (CSV, 'optim_wrapper.optimizer.weight_deacy', 'weight_decay'),
        (CSV, 'optim_wrapper.clip_grad.maxnorm', 'max_norm'),
        (CSV, 'optim_wrapper.paramwise_cfg.custom_keys.bakcbone.lr_mult', 'backbone'),
        (CSV, 'param_scheduler.0.start_facto', 'start_factor'),
        (CSV, 'default_hooks.loggr.interval', 'logger'),
        (CSV, 'default_hooks.logger.intreval', 'interval'),
        (CSV, 'custom_hooks.2.max_in_row', 'max_in_a_row'),
        (CSV, 'randomness.sed', 'seed'),
        (CSV, 'env_cfg.cudnn_benchmrk', 'cudnn_benchmark'),
        (CSV, 'log_processor.window', 'window_size'),
        (CSV, 'test_evaluator.outfile', 'out_file'),
        (CSV, 'auto_scale_lr.base_batch', 'base_batch_size'),
        (CSV, 'val_cfg.fp61', 'fp16'),
    ],
)
def test_a_misspelt_key_is_refused(config, key, nearest):
    with pytest.raises(InputError, match=rf'--cfg-options .*takes no .*; did you mean {nearest!r}\?'):
        read_with_options(config, {key: 1})


@pytest.mark.parametrize(
    ('config', 'key'),
    [
        (CSV, 'model.backbone.features_only'),
        (CSV, 'model.backbone.drop_path_rate'),  # timm's own
        (CSV, 'model.view.places'),
        (CSV, 'model.head.type'),
        (FOLDER, 'model.backbone.frozen_stages'),
        (FOLDER, 'model.anchor'),
        (FOLDER, 'train_dataloader.dataset.ann_file'),
        (FOLDER, 'train_dataloader.dataset.pipeline.1.space.preset'),
        (CSV, 'train_dataloader.prefetch_factor'),
        (CSV, 'train_dataloader.dataset.where.camera'),
        (CSV, 'optim_wrapper.accumulative_counts'),
        (CSV, 'optim_wrapper.optimizer.eps'),
        (CSV, 'optim_wrapper.clip_grad.norm_type'),
        (CSV, 'optim_wrapper.paramwise_cfg.norm_decay_mult'),
        (CSV, 'optim_wrapper.paramwise_cfg.custom_keys.norm.decay_mult'),
        (CSV, 'param_scheduler.1.eta_min'),
        (CSV, 'default_hooks.checkpoint.out_dir'),
        (CSV, 'default_hooks.early.type'),
        (CSV, 'auto_scale_lr.enable'),
        (CSV, 'randomness.diff_rank_seed'),
        (CSV, 'compile'),
    ],
)
def test_a_key_that_is_taken_passes(config, key):
    cfg = read_with_options(config, {key: 'x'})
    for part in key.split('.'):
        cfg = cfg[int(part) if part.isdigit() else part]
    assert cfg == 'x'


@pytest.mark.parametrize(
    'options',
    [
        {'train_dataloader.dataset.type': 'PhotoShards', 'train_dataloader.sampler.mix_blocks': 16},
        {'train_dataloader.dataset.type': 'PhotoTable', 'train_dataloader.dataset.column': 'image'},
        {'visualizer.vis_backends.0.type': 'TensorboardVisBackend'},
        {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16'},
    ],
)
def test_types_of_the_docs(options):
    assert read_with_options(FOLDER, options) is not None


def test_another_type_takes_other_keys():
    options = {'model.backbone.type': 'ResNet', 'model.backbone.depth': 18}
    with pytest.raises(InputError, match=r"ResNet \(model\.backbone\) takes no 'model_name'"):
        read_with_options(CSV, options)
