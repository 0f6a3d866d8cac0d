"""Protocols: linear probe, fine-tuning, label efficiency, cross-set tests, comparisons; distortions, without scores.

Examples:
    mmqpt evaluate probe --ann-file koniq10k.csv --data-root koniq10k/1024x768 --splits random \\
        --weights random ImageNet=imagenet:efficientnet_lite0 QPT=work_dirs/pretrain/epoch_20.pth --out work_dirs/probe
    mmqpt evaluate finetune ... --splits official_split --out work_dirs/finetune
    mmqpt evaluate label-efficiency ... --learner probe --fractions 0.05 0.1 0.2 0.4 0.6 0.8 1
    mmqpt evaluate cross-set ... --test-ann-file clive.csv --test-data-root clive/Images
    mmqpt evaluate compare ... --learner probe --weights QPT=qpt.pth piqe=pyiqa:piqe
    mmqpt evaluate distortions --data-root photos --trained-on list.txt --trained-root data/photos \\
        --weights ImageNet=imagenet:efficientnet_lite0 QPT=work_dirs/pretrain --out work_dirs/distortions
    mmqpt evaluate report work_dirs/probe work_dirs/finetune --out work_dirs/both

The same call resumes what was stopped. Several calls with the same --out share the work.
--out gets results.json, results.csv, results.md, report.html with its plots, and the predictions for every photo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmqpt.cli.configs import find_config
from mmqpt.cli.options import add_cfg_options

CONFIG = 'finetune_efficientnet-lite0_1xb16-coslr_csv'
ENCODER_CONFIG = 'finetune_efficientnet-lite0-ladder_1xb16-coslr_biq2021'
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    commands = parser.add_subparsers(dest='protocol', required=True, metavar='PROTOCOL')
    helps = {
        'probe': 'linear probe: ridge regression on frozen features',
        'finetune': 'fine-tune the whole network',
        'label-efficiency': 'either of them on shares of the training labels',
        'cross-set': 'train on one set, test on another',
        'compare': 'several weights or pyiqa metrics on the same splits',
    }
    for name, text in helps.items():
        add_protocol_options(name, commands.add_parser(name, help=text, description=text))
    text = 'what encoders know of distortions, from photos without opinion scores: level, type, order of levels'
    add_distortion_options(commands.add_parser('distortions', help=text, description=text))
    joined = commands.add_parser('report', help='join folders of results into one, with the comparisons between them')
    joined.add_argument('folders', nargs='+', type=Path)
    joined.add_argument('--out', type=Path, required=True, help='folder for the joined results, another than those')
    joined.add_argument('--replicates', type=int, default=1000, help='of the bootstrap')


def add_protocol_options(name: str, parser: argparse.ArgumentParser) -> None:
    """The options of a protocol that trains or scores."""
    data = parser.add_argument_group('data')
    data.add_argument('--ann-file', type=Path, required=True, help='CSV that mmqpt prepare-dataset wrote, or any')
    data.add_argument('--data-root', type=Path, required=True, help='folder of the photos')
    data.add_argument(
        '--mos-range', type=float, nargs=2, metavar=('LOW', 'HIGH'),
        help='for a CSV without a JSON file beside it: ends of its scale, higher is better',
    )  # fmt: skip
    data.add_argument('--group-column', help='likewise: column of groups that splits keep together')
    data.add_argument('--subset-column', help='likewise: column to report by')
    data.add_argument('--scale-column', help='likewise: column of parts that were rated on scales of their own')
    if name == 'cross-set':
        data.add_argument('--test-ann-file', type=Path, required=True)
        data.add_argument('--test-data-root', type=Path, required=True)
        data.add_argument('--repeats', type=int, default=3, help='trainings, each with its own validation part')
    else:
        data.add_argument(
            '--splits',
            nargs='+',
            default=['random'],
            metavar='COLUMN',
            help="split columns of the CSV; 'random' stands for all its random ones (default)",
        )
        data.add_argument('--max-splits', type=int, help='use only the first N of them')
    data.add_argument('--validation', type=float, default=0.1, help='share of the training labels that chooses')
    if name == 'label-efficiency':
        data.add_argument('--fractions', type=float, nargs='+', default=FRACTIONS, help='shares of the labels')
    model = parser.add_argument_group('model')
    model.add_argument(
        '--weights', nargs='+', required=True, metavar='[NAME=]WEIGHTS',
        help='random, imagenet:efficientnet_lite0, qpt:efficientnet_lite0_side, a checkpoint, an exported file, '
        'A+B (features of two side by side, probe only), or pyiqa:METRIC[@FILE]',
    )  # fmt: skip
    model.add_argument(
        '--config', type=find_config, default=CONFIG, help='config of fine-tuning: network, size rule, training'
    )
    add_cfg_options(model)
    if name in ('label-efficiency', 'cross-set', 'compare'):
        model.add_argument('--learner', choices=['probe', 'finetune'], required=True)
    else:
        parser.set_defaults(learner=name)
    model.add_argument('--scales', type=float, nargs='+', default=[1.0, 0.5], help='probe: photo sizes to join')
    model.add_argument('--epochs', type=int, help="fine-tuning: length of a run instead of the config's")
    model.add_argument('--min-steps', type=int, default=0, help='fine-tuning: add epochs up to at least N steps')
    model.add_argument('--keep-checkpoints', action='store_true', help='fine-tuning: keep the last beside the best')
    model.add_argument('--device', default='cpu', help='for features and pyiqa metrics')
    model.add_argument('--workers', type=int, default=1, help='threads that decode photos for features')
    parser.add_argument('--seed', type=int, default=0, help='of validation parts, shares of labels and training')
    parser.add_argument('--replicates', type=int, default=1000, help='of the bootstrap')
    parser.add_argument('--store', type=Path, help='folder for features; OUT/features by default')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')


def add_distortion_options(parser: argparse.ArgumentParser) -> None:
    """The options of the protocol that needs no opinion scores."""
    data = parser.add_argument_group('data')
    data.add_argument('--data-root', type=Path, required=True, help='folder of photos that no encoder has seen')
    data.add_argument('--ann-file', type=Path, help='text file of photos to draw from, one a line; all by default')
    data.add_argument('--photos', type=int, default=240, help='how many, drawn at random (default: %(default)s)')
    data.add_argument(
        '--side', type=int, default=256, help='px of the square that is cut from each photo (default: %(default)s)'
    )
    data.add_argument(
        '--distortions', nargs='+', default=['kadid'], metavar='NAME',
        help="presets (kadid by default: KADID-10k's 25), operators (signed ones also as midtones+ or midtones-), or "
        'configs of pre-training, for the operators of their space',
    )  # fmt: skip
    data.add_argument(
        '--import', dest='imports', nargs='+', default=[], metavar='MODULE|FILE.py',
        help='your own operators, to be named by --distortions: modules or files that register them',
    )  # fmt: skip
    data.add_argument('--per-photo', type=int, default=5, help='distortions a photo gets (default: %(default)s)')
    data.add_argument('--folds', type=int, default=5, help='parts of the photos, each read by readers fitted to others')
    data.add_argument(
        '--trained-on', type=Path, metavar='LIST',
        help='text file of photos that an encoder was trained on, one a line, or their folder: warns of any overlap',
    )  # fmt: skip
    data.add_argument('--trained-root', type=Path, help="folder of the photos in LIST; by default that of LIST's file")
    data.add_argument('--drop-overlap', action='store_true', help='leave photos out that overlap, instead of warning')
    model = parser.add_argument_group('model')
    model.add_argument(
        '--weights', nargs='+', required=True, metavar='[NAME=]WEIGHTS',
        help='as of the probe, or a work_dir, for the checkpoints in it; the first is what others are compared with',
    )  # fmt: skip
    model.add_argument('--max-checkpoints', type=int, default=8, help='of a work_dir, evenly spaced, with the last')
    model.add_argument(
        '--config', type=find_config, default=ENCODER_CONFIG, help='config of fine-tuning: network and pooling'
    )
    add_cfg_options(model)
    model.add_argument('--scales', type=float, nargs='+', default=[1.0], help='sizes of the images to join')
    model.add_argument('--device', default='cpu', help='for features')
    model.add_argument('--workers', type=int, default=1, help='threads that decode and degrade photos')
    parser.add_argument('--seed', type=int, default=0, help='of photos, folds, noise and random weights')
    parser.add_argument('--replicates', type=int, default=1000, help='of the bootstrap')
    parser.add_argument('--store', type=Path, help='folder for features and fingerprints; OUT/features by default')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')


def run(args: argparse.Namespace) -> None:
    """Runs the protocol, or joins results, and writes the report."""
    from mmqpt.cli.evaluate_distortions import evaluate_distortions
    from mmqpt.cli.evaluate_run import evaluate, join

    protocols = {'report': join, 'distortions': evaluate_distortions}
    try:
        protocols.get(args.protocol, evaluate)(args)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt('stopped; what is done is kept, and the same call resumes') from stop
