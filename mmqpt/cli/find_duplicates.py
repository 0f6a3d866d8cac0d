"""Find near-duplicates among photos, and test photos that have one in the training part.

Examples:
    mmqpt find-duplicates photos --sheet duplicates.png
    mmqpt find-duplicates photos --ann-file scores.csv --split official --out clusters.csv
    mmqpt find-duplicates photos --add-to scores.csv

A photo's near-duplicate shows the same scene: resized, recompressed, cropped a little, exposed or focused anew.
--add-to puts the clusters into a prepared CSV (column `cluster`) and makes them the groups that splits keep whole;
groups that the set has already, such as reference images or earlier clusters, stay together too. Draw random splits
after that, not before. Needs `pip install 'mmqpt[evaluate]'`.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside
from mmqpt.core.photo import find_photos
from mmqpt.datasets.rated.clusters import COLUMN, add_clusters, draw_pairs, write_clusters
from mmqpt.datasets.rated.duplicates import (
    CORRELATION,
    THRESHOLD,
    Fingerprints,
    Pairs,
    clusters,
    fingerprint_photos,
    leaking,
    near_duplicates,
)
from mmqpt.datasets.rated.sets import RatedSet, info_path, read_info, read_set


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('photos', type=Path, help='folder of photos')
    parser.add_argument('--ann-file', type=Path, help='CSV: only the photos in its first column')
    parser.add_argument(
        '--split', help='column of the CSV with train, val and test; by default all that its JSON names'
    )
    parser.add_argument('--threshold', type=int, default=THRESHOLD, help='bits of 256 that may differ')
    parser.add_argument(
        '--correlation', type=float, default=CORRELATION, help="least correlation of thumbnails' details"
    )
    parser.add_argument('--out', type=Path, help='CSV to write: name, cluster, photos in the cluster')
    parser.add_argument('--add-to', type=Path, metavar='CSV', help=f'prepared CSV to add the column {COLUMN!r} to')
    parser.add_argument('--sheet', type=Path, help='PNG of the pairs nearest to the threshold; replaced if it exists')
    parser.add_argument('--cache', type=Path, help='.npz of fingerprints; beside --out, --sheet or the CSV by default')
    parser.add_argument('--list', type=int, default=20, help='how many leaks and unreadable photos to print')
    add_overwrite(parser)
    parser.add_argument('--workers', type=int, default=4, help='threads that decode photos')


def run(args: argparse.Namespace) -> None:
    """Finds, prints and writes."""
    if args.split and not (args.ann_file or args.add_to):
        raise InputError('--split is a column of a CSV: give it with --ann-file')
    check_targets(args.overwrite, args.out, inputs=[args.ann_file, args.add_to])
    check_targets(True, args.sheet, inputs=[args.ann_file, args.add_to])

    table = args.ann_file or args.add_to
    rows = read_table(table) if table else []
    data = read_set(args.add_to) if args.add_to else None
    names = [row['name'] for row in rows] or [str(p.relative_to(args.photos)) for p in find_photos(args.photos)]
    beside = args.out or args.sheet or table
    cache = args.cache or (beside.with_name(f'{beside.stem}_fingerprints.npz') if beside else None)
    with tqdm(total=len(names), desc='fingerprints', unit='photo', mininterval=1) as bar:
        prints = fingerprint_photos(args.photos, names, cache, args.workers, bar.update)
    pairs = near_duplicates(prints, args.threshold, args.correlation)
    found = clusters(prints.names, pairs)
    sizes = Counter(Counter(found).values())
    together = sum(count for size, count in sizes.items() if size > 1)
    print(f'{len(prints.names)} photos, {len(pairs)} near-duplicate pairs, {together} clusters of 2 or more:')
    print('  ' + (', '.join(f'{sizes[size]} of {size}' for size in sorted(sizes) if size > 1) or 'none'))
    if prints.unreadable:
        print(f'{len(prints.unreadable)} photos could not be read (each is taken for a photo without relatives):')
        print_some([f'  {reason}' for reason in prints.unreadable.values()], args.list)
    for split in chosen_splits(args.split, table, rows):
        report_leaks(split, rows, prints, pairs, found, args.list)
    if args.out:
        write_clusters(args.out, prints, found)
        print(f'{args.out}: written')
    if args.sheet:
        drawn = draw_pairs(args.sheet, args.photos, prints, pairs)
        print(f'{args.sheet}: {drawn} of {len(pairs)} pairs' if drawn else 'no pairs: no sheet to draw')
    if data:
        tell_clusters(data, add_clusters(data, prints, pairs))


def chosen_splits(asked: str | None, table: Path | None, rows: list[dict[str, str]]) -> list[str]:
    """The split columns to look at."""
    if not table:
        return []
    if asked is None:
        return list(read_info(table).splits) if info_path(table).is_file() else []
    if asked not in rows[0]:
        raise InputError(f'{table}: no column {asked!r}; there are: {", ".join(rows[0])}')
    return [asked]


def report_leaks(
    split: str, rows: list[dict[str, str]], prints: Fingerprints, pairs: Pairs, found: list[str], shown: int
) -> None:
    """Print how many near-duplicates lie within a part, which harms little, and how many across train and test."""
    part_of = {row['name']: row.get(split, '') for row in rows}
    parts = np.array([part_of[name] for name in prints.names])
    first, second = parts[pairs.first], parts[pairs.second]
    direct: dict[int, int] = {}
    for one, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        across = (parts[one] == 'test') & np.isin(parts[other], ('train', 'val'))
        direct |= dict(zip(one[across].tolist(), other[across].tolist(), strict=True))
    leaks = leaking(found, parts.tolist())
    within = ', '.join(
        f'{np.sum((first == part) & (second == part))} within {part}' for part in sorted({*parts} - {''})
    )
    print(f'{split}: {np.sum(first != second)} pairs across parts, {within}')
    print(
        f'{split}: {len(leaks)} of {np.sum(parts == "test")} test photos have a near-duplicate in train or val'
        f' ({len(direct)} directly, {len(leaks) - len(direct)} through others of their cluster)'
    )
    lines = []
    for i in leaks:
        beside = f'{prints.names[direct[i]]} ({parts[direct[i]]})' if i in direct else f'others of cluster {found[i]}'
        lines.append(f'  {prints.names[i]}  like  {beside}')
    print_some(lines, shown)


def print_some(lines: list[str], shown: int) -> None:
    """Print the first lines, and how many more there are."""
    for line in lines[:shown]:
        print(line)
    if len(lines) > shown:
        print(f'  and {len(lines) - shown} more (--list {len(lines)})')


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV; ``name`` is its first column whatever that is called."""
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV: {path}')
    with path.open(newline='', encoding='utf-8-sig') as file:
        reader = csv.reader(file)
        rows = []
        try:
            header = next(reader, [])
            for line in filter(None, reader):
                check_inside(line[0], f'{path}, line {reader.line_num}')
                rows.append({**dict(zip(header, line, strict=False)), 'name': line[0]})
        except csv.Error as error:
            raise InputError(f'{path}, line {reader.line_num}: not a CSV ({error})') from error
    if not rows:
        raise InputError(f'{path}: no rows below the header')
    return rows


def tell_clusters(data: RatedSet, found: list[str]) -> None:
    """Print what was written, and which splits have relatives on both sides."""
    print(f'{data.path}: column {COLUMN!r} written, and named as the groups in {info_path(data.path).name}')
    for column, protocol in data.info.splits.items():
        leaks = leaking(found, [rating.row[column] for rating in data.ratings])
        if leaks:
            print(f'  {column} ({protocol}): {len(leaks)} test photos have a relative in train or val')
