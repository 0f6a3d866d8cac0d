"""Draw random splits into train and test, and keep them in a prepared CSV; those that are there already are reused.

Examples:
    mmqpt make-splits koniq10k.csv --count 10 --seed 123
    mmqpt make-splits biq2021.csv --without-leaks official_split

Photos of one group (`group_column` in the JSON file beside the CSV: reference images, or clusters of near-duplicates
from mmqpt find-duplicates) stay on one side. Split number k does not depend on how many are asked for.
--without-leaks takes a split that is there and leaves out of its training part what has a relative in its test part:
column `official_split_clean`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mmqpt.datasets.rated.sets import info_path
from mmqpt.datasets.rated.splits import add_clean_split, add_random_splits, group_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('ann_file', type=Path, help='CSV that mmqpt prepare-dataset wrote')
    parser.add_argument('--count', type=int, default=10, help='how many splits')
    parser.add_argument('--seed', type=int, default=123)
    parser.add_argument('--test-share', type=float, default=0.2, help='share of the photos that is tested')
    parser.add_argument('--without-leaks', metavar='COLUMN', help='clean this split instead of drawing new ones')


def run(args: argparse.Namespace) -> None:
    """Draws the splits, and prints a table of all."""
    if args.without_leaks:
        data = add_clean_split(args.ann_file, args.without_leaks)
    else:
        data = add_random_splits(args.ann_file, args.count, args.seed, args.test_share)
    column = data.info.group_column
    print(f'{args.ann_file}: {len(data.ratings)} photos; {info_path(args.ann_file).name} names the protocols')
    print('| split | protocol | part | photos | groups | mean MOS |\n|---|---|---|---|---|---|')
    for split, protocol in data.info.splits.items():
        for part in dict.fromkeys(['train', 'val', 'test', *sorted({r.row[split] for r in data.ratings})]):
            chosen = [rating for rating in data.ratings if rating.row[split] == part]
            if chosen:
                groups = len({group_of(rating, column) for rating in chosen})
                mean = np.mean([rating.mos for rating in chosen])
                print(f'| {split} | {protocol} | {part} | {len(chosen)} | {groups} | {mean:.4g} |')
