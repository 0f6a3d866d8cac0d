"""Where does the time of a training go, and what holds it back?

Example:
    DATA_ROOT=photos python tools/analysis/profile_training.py configs/qpt/qpt_resnet18_1xb32-coslr_folder.py

Loads photos one by one, trains on one batch, empties the loader, and then trains as a run does; prints what each part
takes, and one sentence. Works for pre-training and fine-tuning, on a CPU and a GPU; one process. Nothing is saved.
"""

import argparse
import json
from pathlib import Path

import torch
from mmengine.config import DictAction

from mmqpt.core.files import replacing
from mmqpt.engine.launch import load_config, run, use_amp
from mmqpt.engine.profile import table
from mmqpt.engine.profile_run import profile_training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file; it is Python code, so read one from a stranger before you run it')
    parser.add_argument('--steps', type=int, default=20, help='batches to time in each part (default: %(default)s)')
    parser.add_argument('--warmup', type=int, default=5, help='batches before them (default: %(default)s)')
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument('--out', type=Path, help='JSON file for the figures')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='settings to override, as key=value with dots between keys'
    )
    parser.set_defaults(launcher='none', local_rank=0, work_dir=None)
    args = parser.parse_args()
    if args.out and not args.out.parent.is_dir():
        raise FileNotFoundError(f'no such folder for --out: {args.out.parent}')
    cfg = load_config(args)
    if args.amp:
        use_amp(cfg)
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
        with replacing(args.out) as partial:
            Path(partial).write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    run(main)
