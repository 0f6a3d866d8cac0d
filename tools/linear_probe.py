"""Compare frozen backbones: ridge regression from their features to MOS, fitted on the training rows of a CSV.

Example:
    python tools/linear_probe.py --data-root biq2021/images --ann-file biq2021/labels.csv --mos-range 0 1 \\
        --where in_subset=1 --by subset --backbone tf_efficientnet_lite0 --mean 127 127 127 --std 128 128 128 \\
        --weights random imagenet:efficientnet_lite0 work_dirs/pretrain/epoch_20.pth --out probe.json

Features are stored beside --out (one .npy a backbone), so that a second call with the same weights is quick.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import timm
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.datasets.ratings import Rating, read_ratings, select_ratings
from mmqpt.engine.launch import run
from mmqpt.evaluation.correlation import plcc, srcc
from mmqpt.evaluation.linear_probe import photo_features, ridge_probe
from mmqpt.models.backbone import load_backbone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data-root', type=Path, required=True, help='folder of the photos')
    parser.add_argument('--ann-file', type=Path, required=True, help='CSV of names, MOS and a column `split`')
    parser.add_argument('--mos-range', type=float, nargs=2, required=True, metavar=('LOW', 'HIGH'))
    parser.add_argument('--where', nargs='*', default=[], metavar='COLUMN=VALUE', help='keep only these rows')
    parser.add_argument('--by', help='a column to report SRCC by, too')
    parser.add_argument('--labels', type=int, nargs='*', default=[], help='also fit on this many training rows')
    parser.add_argument('--backbone', required=True, help="timm's name")
    parser.add_argument('--mean', type=float, nargs=3, default=[123.675, 116.28, 103.53], help='RGB, 0 to 255')
    parser.add_argument('--std', type=float, nargs=3, default=[58.395, 57.12, 57.375], help='RGB, 0 to 255')
    parser.add_argument(
        '--weights', nargs='+', required=True, help='random, what load_backbone takes, or A+B to join two'
    )
    parser.add_argument(
        '--scales', type=float, nargs='+', default=[1.0, 0.5], help='features at these sizes are joined'
    )
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, required=True, help='JSON file to write')
    args = parser.parse_args()

    ratings = read_ratings(args.ann_file, tuple(args.mos_range))
    where = dict(item.split('=', 1) for item in args.where)
    train, test = (select_ratings(ratings, {**where, 'split': part}, args.ann_file) for part in ('train', 'test'))
    if len(train) < 3 or len(test) < 3:
        raise InputError(f'{args.ann_file}: needs rows with split train and test, found {len(train)} and {len(test)}')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for weights in args.weights:
        parts = [stored_features(args, part, [*train, *test]) for part in weights.split('+')]
        features = np.concatenate(parts, axis=1)
        for count in [*args.labels, len(train)]:
            rows.append(probe(features, train, test, count, args.by) | {'weights': weights, 'labels': count})
            print(json.dumps(rows[-1]), flush=True)
    args.out.write_text(json.dumps({'arguments': vars(args), 'rows': rows}, indent=2, default=str) + '\n')
    print_table(rows)


def stored_features(args: argparse.Namespace, weights: str, ratings: list[Rating]) -> np.ndarray:
    """Features of all photos, from the store if they are there; the key holds all that they depend on."""
    file = Path(weights)
    content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else weights
    key = [args.backbone, content, args.mean, args.std, args.scales, View().as_dict(), str(args.data_root.resolve())]
    key += [rating.name for rating in ratings]
    store = args.out.parent / f'features_{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.npy'
    if store.is_file():
        return np.load(store)
    torch.manual_seed(0)
    backbone = timm.create_model(args.backbone, pretrained=False, num_classes=0, global_pool='')
    if weights != 'random':
        load_backbone(backbone, weights)
    paths = [args.data_root / rating.name for rating in ratings]
    features = photo_features(backbone, paths, args.mean, args.std, args.scales, device=args.device)
    np.save(store, features)
    return features


def probe(
    features: np.ndarray, train: list[Rating], test: list[Rating], count: int, by: str | None
) -> dict[str, float]:
    """Fit on ``count`` training rows (a seeded choice), test on all test rows."""
    if count > len(train):
        raise InputError(f'{count} labels asked for, but there are {len(train)} training rows')
    chosen = np.sort(np.random.default_rng(0).permutation(len(train))[:count])
    mos = np.array([rating.mos for rating in train])
    truth = np.array([rating.mos for rating in test])
    predicted, penalty = ridge_probe(features[chosen], mos[chosen], features[len(train) :])
    row = {'SRCC': srcc(predicted, truth), 'PLCC': plcc(predicted, truth), 'penalty': penalty}
    if by:
        groups = np.array([rating.row[by] for rating in test])
        row |= {
            f'SRCC {group}': srcc(predicted[groups == group], truth[groups == group]) for group in sorted(set(groups))
        }
    return row


def print_table(rows: list[dict[str, float]]) -> None:
    columns = ['weights', 'labels', *(key for key in rows[0] if key not in ('weights', 'labels', 'penalty'))]
    print('| ' + ' | '.join(columns) + ' |\n|' + '---|' * len(columns))
    for row in rows:
        cells = [f'{row[key]:.3f}' if isinstance(row[key], float) else str(row[key]) for key in columns]
        print('| ' + ' | '.join(cells) + ' |')


if __name__ == '__main__':
    run(main)
