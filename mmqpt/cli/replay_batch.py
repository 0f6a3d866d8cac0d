"""Load a batch again that a run had to skip since its loss or gradients were not finite, and say what was wrong.

Example:
    mmqpt replay-batch work_dirs/pretrain/bad_steps/step_4711_rank_3.json --sheet batch.png

The record holds the config of the run (which is run as code: replay only records of your own runs), the names, seeds
and recipes of the photos, and the name of the weights that met them. Prints for every sample its least, greatest and
mean value; then the first layer, the weights and the gradients that are not finite. On a GPU if there is one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.errors import InputError
from mmqpt.core.files import reading, replacing, write_json

if TYPE_CHECKING:
    from torch import Tensor


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('record', type=Path, help='bad_steps/step_N_rank_R.json of a work dir')
    parser.add_argument(
        '--weights', type=Path, help="checkpoint to use instead of the record's own, say the last good one"
    )
    parser.add_argument('--data-root', help='where the photos are now, if they moved')
    parser.add_argument('--sheet', type=Path, help='PNG, one row of images a sample; replaced if it exists')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Replays, prints what was found, and writes it."""
    import torch
    from mmengine.logging import MMLogger

    from mmqpt.engine.replay import build_model, config_of, load_batch, read_record, replay

    check_targets(args.overwrite, args.out, inputs=[args.record, args.weights])
    check_targets(True, args.sheet, inputs=[args.record, args.weights])
    record = read_record(args.record)
    cfg = config_of(record, args.record)
    MMLogger.get_current_instance().setLevel('ERROR')
    if args.data_root:
        cfg.train_dataloader.dataset.data_root = args.data_root
    weights = args.weights or args.record.parent / str(record['weights'])
    if not weights.is_file() or (record['weights'] is None and args.weights is None):
        raise InputError(f'{weights}: the weights of this step are not kept any more; give others with --weights')
    with reading(args.record):  # its config may be of another version, or of no training
        batch, differences = load_batch(record, cfg)
        model = build_model(cfg, weights).to('cuda' if torch.cuda.is_available() else 'cpu')
    for difference in differences:
        print(f'not as it was: {difference}')
    found = replay(record, cfg, batch, model)
    print(f'step {record["step"]}, rank {record["rank"]}: the run had {record["outputs"]}')
    for sample, spread in zip(record['samples'], found['inputs'], strict=True):
        print(
            '  {least:.3f} to {greatest:.3f}, mean {mean:.3f}, {not_finite} not finite: '.format(**spread)
            + sample['name']
        )
    print(f'now {found["losses"]}')
    for what in ('weights', 'gradients'):
        names = found[what]
        print(f'{what} that are not finite: {len(names)} {names[:3] if names else ""}')
    print(f'first layer whose output is not finite: {found["first"]}')
    if args.out:
        write_json(args.out, {**found, 'differences': differences})
    if args.sheet:
        preprocess: Any = model.data_preprocessor
        _write_sheet(preprocess(batch)['inputs'], args.sheet)


def _write_sheet(inputs: Tensor | list[Tensor], path: Path) -> None:
    import torch
    from torchvision.utils import make_grid, save_image

    images = [image.detach().cpu().nan_to_num().reshape(-1, *image.shape[-3:]) for image in inputs]
    if len({image.shape for image in images}) > 1:
        raise InputError(f'{path}: the images of the batch differ in size, so there is no sheet of them')
    with replacing(path) as partial:
        save_image(make_grid(torch.cat(images), nrow=len(images[0])), partial)
