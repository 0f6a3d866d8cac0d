"""Find what a metric sees: degrade photos with every operator at every level, and look whether the scores fall.

Examples:
    mmqpt level-order photos --weights qpt.safetensors --photos 30 --out order.json
    mmqpt level-order photos --weights mine.safetensors --photos 30 --than order.json
    mmqpt level-order photos --metric piqe --operators gaussian_blur white_noise jpeg

Prints a Markdown table, from the operator that is ordered best to the one that the metric is blind to: the share of
pairs of levels in which the harsher one scores lower (chance: 50 %), the share of photos whose level 5 scores lower
than the photo itself, and the mean loss of score at level 1, 3 and 5. Then the scores of frames without a picture
(black, white, one colour, a few pixels), which should be below those of any photo. Use good photos that the weights
were not trained on. Intervals are over photos: two metrics on 8 photos may differ by chance by two points of a hundred,
so compare them on the same photos with --than.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.errors import InputError
from mmqpt.core.files import reading, write_json
from mmqpt.core.photo import find_photos, read_photo
from mmqpt.degradations import OPERATORS, Operator, load_operators, operator
from mmqpt.evaluation.protocols.level_order import blank_scores, level_orders
from mmqpt.evaluation.statistics.over_photos import mean_over_photos
from mmqpt.metric.open import Scorer

RIGHT = 0.95  # share of ordered pairs that counts as right


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('folder', type=Path, help='photos')
    parser.add_argument('--weights', help='name or exported file; qpt by default')
    parser.add_argument('--metric', help='a no-reference metric of pyiqa instead')
    parser.add_argument('--photos', type=int, default=30, help='how many, drawn at random (default: %(default)s)')
    parser.add_argument(
        '--import', dest='imports', nargs='+', default=[], metavar='MODULE|FILE.py',
        help='your own operators, to be named by --operators: modules or files that register them',
    )  # fmt: skip
    parser.add_argument('--operators', nargs='+', default=list(OPERATORS), metavar='NAME', help='all by default')
    parser.add_argument('--seed', type=int, default=0, help='of the choice of photos and of noise')
    parser.add_argument('--device', help='cpu or cuda')
    parser.add_argument('--out', type=Path, help='JSON file to write')
    parser.add_argument('--than', type=Path, help='JSON file of another metric on the same photos: adds the difference')
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Scores the photos, and prints the table."""
    if args.photos < 1:
        raise InputError('--photos must be >= 1')
    check_targets(args.overwrite, args.out, inputs=[args.weights, args.than])
    for source in args.imports:
        load_operators(source)
    rows = [operator(name) for name in args.operators]
    score = make_score(args)
    paths = find_photos(args.folder)
    drawn = np.random.default_rng(args.seed).permutation(len(paths))[: args.photos]
    names = [str(paths[index]) for index in sorted(drawn)]
    other = None if args.than is None else _shares_of(args.than, names, rows, args.seed)
    photos = [read_photo(name) for name in names]
    total = sum(len(row.signs) for row in rows)
    found = list(tqdm(level_orders(score, photos, args.operators, args.seed), total=total, unit='operator'))
    blank = blank_scores(score, photos, args.seed)
    if args.out:
        results = {
            'blank_frames': {kind: {'lowest': low, 'highest': high} for kind, (low, high) in blank.items()},
            'photos': names,
            'seed': args.seed,
            'operators': [asdict(row) for row in found],
        }
        write_json(args.out, results)
    found.sort(key=lambda row: -row.ordered)
    right = sum(row.ordered >= RIGHT for row in found)
    shares = np.mean([row.by_photo for row in found], axis=0)
    mean, interval = mean_over_photos(shares)
    between = '' if interval is None else f' [{interval[0]:.1%}, {interval[1]:.1%}]'
    print(
        f'{len(photos)} photos; {mean:.1%}{between} of all pairs of levels are in order; '
        f'at least {RIGHT:.0%} for {right} of {len(found)} operators and directions'
    )
    if other is not None:
        mean, interval = mean_over_photos(shares - other)
        between = '' if interval is None else f' [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]'
        print(f'less {args.than}: {100 * mean:+.1f}{between} points of a hundred')
    print()
    print(
        '| operator | kind | ordered | level 5 below photo | loss at level 1 | 3 | 5 |\n|---|---|---|---|---|---|---|'
    )
    for row in found:
        sign = '' if len(operator(row.operator).signs) == 1 else ' +' if row.sign > 0 else ' -'
        losses = ' | '.join(f'{row.drop[level - 1]:+.3f}' for level in (1, 3, 5))
        print(f'| {row.operator}{sign} | {row.kind} | {row.ordered:.0%} | {row.below:.0%} | {losses} |')
    frames = ', '.join(f'{kind} {low:.3f} to {high:.3f}' for kind, (low, high) in blank.items())
    print(f'\nFrames without a picture: {frames}')


def _shares_of(path: Path, photos: list[str], rows: Sequence[Operator], seed: int) -> np.ndarray:
    """(N,) shares of ordered pairs of each photo, over the same operators, as the file has them."""
    if not path.is_file():
        raise FileNotFoundError(f'no such file: {path}')
    with reading(path):
        found = json.loads(path.read_text(encoding='utf-8'))
        wanted = sorted((row.name, sign) for row in rows for sign in row.signs)
        given = sorted((row['operator'], row['sign']) for row in found['operators'])
        if (found['photos'], found.get('seed'), given) != (photos, seed, wanted):
            raise InputError(f'{path}: is not of the same photos, operators and seed')
        return np.array([row['by_photo'] for row in found['operators']], dtype=float).reshape(-1, len(photos)).mean(0)


def make_score(args: argparse.Namespace) -> Callable[[np.ndarray], float]:
    """The function that scores an array."""
    if args.metric is None:
        return Scorer(args.weights, args.device).score
    import pyiqa
    import torch

    from mmqpt.metric.torch_scorer import find_device

    if args.metric not in pyiqa.list_models('NR'):
        raise InputError(f'pyiqa has no no-reference metric {args.metric!r}')
    metric = pyiqa.create_metric(args.metric, device=find_device(args.device))
    turn = -1 if metric.lower_better else 1
    return lambda photo: turn * float(metric(torch.from_numpy(photo).permute(2, 0, 1)[None] / 255).item())
