"""Find where the time of a training goes, and what holds it back.

Example:
    DATA_ROOT=photos mmqpt profile qpt_resnet18_1xb32-coslr_folder

Loads photos one by one, trains on one batch, empties the loader, and then trains as a run does; prints what each part
takes, and one sentence. Works for pre-training and fine-tuning, on a CPU and a GPU; one process. Nothing is saved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmqpt.cli.options import add_cfg_options, add_config, add_overwrite, check_targets

UNUSED = dict.fromkeys(
    ('work_dir', 'load_from', 'resume', 'log_level', 'experiment_name', 'default_hooks.checkpoint'),
    'nothing is kept of the steps that are timed',
)
"""Settings that make no difference here."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_config(parser)
    parser.add_argument('--steps', type=int, default=20, help='batches to time in each part (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=5, help='batches before them (default: %(default)s)')
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument('--out', type=Path, help='JSON file for the figures')
    add_overwrite(parser)
    add_cfg_options(parser)
    parser.set_defaults(launcher='none', local_rank=0, work_dir=None)


def run(args: argparse.Namespace) -> None:
    """Profiles, prints the table and writes the figures."""
    import torch

    from mmqpt.core.files import write_json
    from mmqpt.engine.launch import load_config, set_precision
    from mmqpt.engine.profile import table
    from mmqpt.engine.profile_run import profile_training

    check_targets(args.overwrite, args.out, inputs=[args.config])
    cfg = load_config(args, UNUSED)
    set_precision(cfg, args.amp)
    profile = profile_training(cfg, args.steps, args.warmup)
    print(table(profile))
    if args.out:
        gpu = torch.cuda.get_device_name() if profile.device == 'cuda' else None
        found = {
            'config': args.config,
            'steps': args.steps,
            'gpu': gpu,
            'torch': torch.__version__,
            **profile.as_dict(),
        }
        write_json(args.out, found)
