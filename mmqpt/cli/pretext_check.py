"""Check that a pre-trained network tells degradations apart on photos it has not seen, and only degradations.

Example:
    mmqpt pretext-check qpt_efficientnet-lite0_1xb12-coslr_folder work_dirs/x/epoch_20.pth \\
        --data-root unseen_photos --out check.json

Prints how often the positive is closer than every degradation-based negative, with keys from the key encoder, and
beside it the same of the network that the config starts from (its features as they are), which never saw the task: the
gain is what training taught, with a 95 % interval over photos.

`different recipes` is the task; `shared positions` has all versions cut at the same places, so that content speaks for
the negatives; `same recipe` is the control: versions that differ in nothing but where their patches lie. There the
accuracy must be at chance, or a little below it (patches of different versions may overlap by more than `max_overlap`,
those of one version not). More means a shortcut: the network knows by something other than degradation which patches
were cut together.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmqpt.cli.options import add_common_options, add_config, add_overwrite, check_targets
from mmqpt.core.files import write_json

UNUSED = {
    'train_dataloader.dataset.data_root': 'give --data-root',
    'train_dataloader.dataset.ann_file': 'give --ann-file',
    **dict.fromkeys(('train_cfg', 'optim_wrapper', 'param_scheduler'), 'the network is not trained'),
}
"""Settings that make no difference here."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_config(parser)
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('--data-root', type=Path, required=True, help='folder of photos that were not trained on')
    parser.add_argument('--ann-file', type=Path, help='use only the photos that this text file lists, one a line')
    parser.add_argument(
        '--photos', type=int, default=200, help='how many of them, drawn at random (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, help='JSON file to write')
    add_overwrite(parser)
    add_common_options(parser)


def run(args: argparse.Namespace) -> None:
    """Checks, prints and writes the accuracies."""
    import numpy as np

    from mmqpt.datasets.photos.listing import list_photos
    from mmqpt.engine.launch import load_config
    from mmqpt.evaluation.protocols.pretext import pretext_accuracies
    from mmqpt.models.logs import silence_mmengine

    check_targets(args.overwrite, args.out, inputs=[args.config, args.checkpoint, args.ann_file])
    cfg = load_config(args, UNUSED)
    silence_mmengine()
    paths = list_photos(args.data_root, args.ann_file)
    chosen = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[: args.photos]]
    results = pretext_accuracies(cfg, args.checkpoint, chosen)
    print(f'{results["photos"]} photos, chance {results["chance"]:.3f}; gain with its 95 % interval over photos')
    print(f'{"":18s} checkpoint  start    gain')
    for name, trained in results['checkpoint'].items():
        start, gain = results['start'][name], results['gain'][name]
        interval = '' if gain['low'] is None else f' [{gain["low"]:+.3f}, {gain["high"]:+.3f}]'
        print(f'{name:18s} {trained:10.3f}  {start:5.3f}  {gain["value"]:+.3f}{interval}')
    first = results['gain']['different recipes']
    if first['low'] is None or first['low'] <= 0:
        print('that training taught the task beyond its start can not be shown on these photos')
    if args.out:
        write_json(args.out, results)
