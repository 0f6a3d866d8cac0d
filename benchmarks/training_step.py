"""Count what a training step asks of a GPU: kernel launches, and places where Python waits for the device.

Example:
    DATA_ROOT=photos python benchmarks/training_step.py configs/qpt/qpt_efficientnet-lite0_1xb12-coslr_folder.py

Counted on a CPU, with PyTorch's dispatch, for one step with all hooks after ten others: numbers, not times, the same on
every machine. Use a small batch, which changes no count: --cfg-options train_dataloader.batch_size=2
"""

from __future__ import annotations

import argparse

from mmengine.config import Config, DictAction

from mmqpt.cli.errors import run
from mmqpt.engine.step_counts import StepCounts, count_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='changes of the config')
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    options = {'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False}
    cfg.merge_from_dict({**options, **args.cfg_options})
    print(report(count_step(cfg)))


def report(counts: StepCounts) -> str:
    """Two tables in Markdown."""
    lines = ['| part | kernels |', '|---|---|']
    lines += [f'| {part} | {count} |' for part, count in counts.kernels.most_common()]
    lines += [f'| sum | {counts.kernels.total()} |', '', f'{counts.syncs.total()} waits for the device:', '']
    lines += [f'- {count} in `{place}`' for place, count in counts.syncs.most_common()]
    return '\n'.join(lines)


if __name__ == '__main__':
    run(main)
