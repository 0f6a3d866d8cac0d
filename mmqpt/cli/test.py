"""Score the test part of a fine-tuning config, print and save SRCC, PLCC, KRCC and RMSE.

Example:
    mmqpt test finetune_efficientnet-lite0_1xb16-coslr_biq2021 work_dirs/x/epoch_12.pth
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmqpt.cli.options import add_common_options, add_config, add_overwrite, check_targets
from mmqpt.core.errors import InputError
from mmqpt.core.files import write_json

PREDICTIONS = 'work_dirs/predictions.csv'
"""Where the shipped configs write predictions without OUT_FILE."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_config(parser)
    parser.add_argument('checkpoint', help='checkpoint of that config')
    parser.add_argument(
        '--out',
        help='JSON file for the metrics; metrics.json in the work dir by default, test/NAME/ beside checkpoint NAME',
    )
    add_overwrite(parser)
    add_common_options(parser)


def run(args: argparse.Namespace) -> None:
    """Tests, and writes the measures."""
    from mmengine.dist import is_main_process
    from mmengine.runner import Runner

    from mmqpt.core.view import View
    from mmqpt.engine.launch import load_config
    from mmqpt.engine.runner_state import bare_model
    from mmqpt.models.checkpoint import check_fit, export_spec_of, load_checkpoint_file

    check_targets(args.overwrite, args.out, inputs=[args.config, args.checkpoint])
    beside = args.work_dir is None
    if beside:  # its run, in a folder of its own: the logs and the config of the run stay as they are
        args.work_dir = str(Path(args.checkpoint).parent / 'test' / Path(args.checkpoint).stem)
    cfg = load_config(args, {'model.pretrained': 'the checkpoint holds all weights', 'load_from': 'give CHECKPOINT'})
    checkpoint = load_checkpoint_file(args.checkpoint)
    if export_spec_of(checkpoint).get('kind') != 'metric':
        raise InputError(f'{args.checkpoint}: not a fine-tuned checkpoint of mmqpt')
    if 'test_dataloader' not in cfg:
        raise InputError(f'{args.config}: has no test_dataloader')
    cfg.model.pretrained = None  # the checkpoint holds everything
    cfg.load_from = args.checkpoint
    if beside and cfg.test_evaluator.get('out_file') == PREDICTIONS:
        cfg.test_evaluator.out_file = str(Path(cfg.work_dir) / 'predictions.csv')
    runner = Runner.from_cfg(cfg)
    model = bare_model(runner)
    check_fit(args.checkpoint, checkpoint, model)
    trained = export_spec_of(checkpoint).get('view')
    if trained is not None and View(**trained) != model.view:
        runner.logger.warning(f'the size rule is {model.view}, but the checkpoint was trained under {View(**trained)}')
    metrics = runner.test()
    if is_main_process():
        out = Path(args.out or Path(cfg.work_dir) / 'metrics.json')
        write_json(out, metrics)
        print(f'{json.dumps(metrics)}\nwritten to {out}')
