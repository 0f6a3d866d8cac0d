"""Pre-train or fine-tune from a config.

Example:
    DATA_ROOT=photos python tools/train.py configs/qpt/qpt_resnet18_1xb32-coslr_folder.py --work-dir work_dirs/try
"""

import argparse

from mmengine.runner import Runner

from mmqpt.core.errors import InputError
from mmqpt.engine.launch import add_common_options, load_config, run, use_amp
from mmqpt.models.checkpoint import newest_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file; it is Python code, so read one from a stranger before you run it')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from a checkpoint of this config; without a path from the newest whole one in the work dir',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate by the global batch size')
    add_common_options(parser)
    args = parser.parse_args()
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg)
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise InputError(f'{args.config}: --auto-scale-lr needs auto_scale_lr.base_batch_size in the config')
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        newest = newest_checkpoint(cfg.work_dir)
        cfg.resume, cfg.load_from = True, newest and str(newest)
    elif args.resume:
        cfg.resume, cfg.load_from = True, args.resume
    Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    run(main)
