"""Pre-train or fine-tune from a config.

Examples:
    DATA_ROOT=photos mmqpt pretrain qpt_resnet18_1xb32-coslr_folder --work-dir work_dirs/try
    DATA_ROOT=photos ANN_FILE=set.csv mmqpt finetune finetune_efficientnet-lite0_1xb16-coslr_csv
    DATA_ROOT=photos mmqpt pretrain my_config.py --work-dir work_dirs/try --resume
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmqpt.cli.options import add_common_options, add_config
from mmqpt.core.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_config(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume a checkpoint of this config; without a path, the newest complete one in the work dir',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='begin anew in a work dir that holds checkpoints of an earlier run, and remove them',
    )
    parser.add_argument('--epochs', type=int, help="length of the run instead of the config's; schedules follow")
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate by the global batch size')
    add_common_options(parser)


def _set_length(cfg: Config, args: argparse.Namespace) -> None:
    if args.epochs < 1:
        raise InputError(f'--epochs must be >= 1, got {args.epochs}')
    if 'max_epochs' not in cfg.train_cfg:
        raise InputError(f'{args.config} counts steps: give --cfg-options train_cfg.max_iters=N instead of --epochs')
    cfg.train_cfg.max_epochs = args.epochs


def run(args: argparse.Namespace) -> None:
    """Trains."""
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    from mmqpt.engine.launch import load_config, set_precision
    from mmqpt.engine.runner_state import bare_model
    from mmqpt.models.checkpoint import newest_checkpoint

    unused = {'train_cfg.max_epochs': '--epochs sets it'} if args.epochs is not None else {}
    if not args.auto_scale_lr:
        unused['auto_scale_lr.base_batch_size'] = 'it needs --auto-scale-lr'
    cfg = load_config(args, unused)
    if args.resume and args.overwrite:
        raise InputError('--resume goes on from what --overwrite removes: give one of them')
    if args.epochs is not None:
        _set_length(cfg, args)
    set_precision(cfg, args.amp)
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise InputError(f'{args.config}: --auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        newest = newest_checkpoint(cfg.work_dir)
        if newest:
            cfg.resume, cfg.load_from = True, str(newest)
        else:  # from the start, and from the config's load_from where it has one
            print(f'no checkpoint to resume in {cfg.work_dir}: the run begins')
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    elif not cfg.get('resume'):
        _make_room(Path(cfg.work_dir), args.overwrite)
    runner = Runner.from_cfg(cfg)
    if is_main_process():
        _say_if_not_exportable(bare_model(runner))
    _check_validation(runner)
    runner.train()


def _make_room(folder: Path, overwrite: bool) -> None:
    """A run replaces an earlier one only if it is told to; a later ``--resume`` would mix the two."""
    from mmengine.dist import is_main_process

    from mmqpt.models.checkpoint import checkpoints_of

    earlier = checkpoints_of(folder)
    if not earlier:
        return
    if not overwrite:
        raise InputError(
            f'{folder} holds checkpoints of an earlier run, such as {earlier[-1].name}: --resume goes on from the '
            'newest, --work-dir names another folder, --overwrite removes them and begins anew'
        )
    if is_main_process():
        for path in earlier:
            path.unlink(missing_ok=True)
        print(f'{folder}: {len(earlier)} checkpoints of an earlier run removed')


def _check_validation(runner: Any) -> None:
    """Before the first epoch, not after it."""
    from mmqpt.engine.iqa_metric import FEWEST

    loop = getattr(runner, 'val_loop', None)
    if loop is not None and len(loop.dataloader.dataset) < FEWEST:
        raise InputError(
            f'{len(loop.dataloader.dataset)} photos are left to choose the epoch by, but SRCC and the like need at '
            f'least {FEWEST}: give more rated photos, or a larger holdout'
        )


def _say_if_not_exportable(model: Any) -> None:
    """A training whose result no metric can load is still a training; its user should know before it begins."""
    from mmqpt.export.convert import check_exportable

    try:
        check_exportable(model)
    except InputError as error:
        told = f'its checkpoints can not be exported for scoring as things are: {error}'
        _warn(f'This backbone trains, but {told} (mmqpt export --backbone-name)')


def _warn(sentence: str) -> None:
    from mmengine.logging import print_log

    print_log(sentence, 'current', logging.WARNING)
