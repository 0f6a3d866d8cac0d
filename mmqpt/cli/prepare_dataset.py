"""Check the download of an IQA set, and write one CSV of names, scores and splits, and a JSON file that explains it.

Examples:
    mmqpt prepare-dataset koniq10k data/koniq10k
    mmqpt prepare-dataset kadid10k data/kadid10k --splits 10 --seed 123 --workers 8
    mmqpt prepare-dataset csiq data/CSIQ/dst_imgs --ann-file meta_info_CSIQDataset.csv
    mmqpt prepare-dataset mine data/photos --ann-file scores.csv --mos-range 1 5 --group-column scene

SET is one of the sets in docs/datasets.md, or any name for a set of your own. ROOT is the folder of the download; with
--ann-file that of the photos. Photos that are missing or can't be decoded are listed, and the command ends with exit
code 2; --allow-missing leaves them out.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating
from mmqpt.datasets.rated.readers.generic import RANDOM, read_meta_info, without_training_photos
from mmqpt.datasets.rated.readers.labels import Labels
from mmqpt.datasets.rated.readers.prepare import LeftOut, PreparedSet, prepare
from mmqpt.datasets.rated.readers.table import SETS, KnownSet
from mmqpt.datasets.rated.sets import SetInfo, info_path, write_set
from mmqpt.datasets.rated.splits import protocol_name, random_splits

SHOWN = 100  # names of photos that are listed on the screen


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('set', metavar='SET', help=f'{", ".join(SETS)}, or a name for your own')
    parser.add_argument(
        'root', metavar='ROOT', type=Path, help='folder of the download, or with --ann-file of the photos'
    )
    parser.add_argument('--out', type=Path, help='CSV to write (default: SET.csv beside the folder ROOT)')
    parser.add_argument('--overwrite', action='store_true', help='replace the CSV and its JSON file')
    parser.add_argument(
        '--layout',
        choices=['auto', 'original', 'meta-info'],
        default='auto',
        help="original: the set's own files; meta-info: a CSV; auto: meta-info with --ann-file, else original",
    )
    parser.add_argument('--ann-file', type=Path, help="pyiqa's meta_info CSV of the set, or any: name and score first")
    labels = parser.add_argument_group("labels (for your own set, or where the set's own do not fit)")
    labels.add_argument('--mos-range', type=float, nargs=2, metavar=('LOW', 'HIGH'), help='ends of the scale')
    labels.add_argument('--dmos', action='store_true', help='the scores rise with distortion: turn them')
    labels.add_argument('--group-column', help='column of groups that splits keep together')
    labels.add_argument('--subset-column', help='column to report by')
    labels.add_argument('--scale-column', help='column of parts that were rated on scales of their own')
    splits = parser.add_argument_group('splits')
    splits.add_argument(
        '--splits', type=int, help='random 80/20 splits to draw (default: 10, none if the CSV has some)'
    )
    splits.add_argument('--seed', type=int, default=123, help='of the splits (default: %(default)s)')
    checks = parser.add_argument_group('checks')
    checks.add_argument('--allow-missing', action='store_true', help='leave out what is missing or unreadable')
    checks.add_argument('--skip-decode', action='store_true', help='only look whether the photos exist')
    checks.add_argument('--workers', type=int, default=2, help='threads that decode (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Checks the download, and writes the CSV."""
    if not args.root.is_dir():
        raise FileNotFoundError(f'no such folder: {args.root}')
    out = args.out or args.root.resolve().parent / f'{args.set}.csv'
    if out.suffix.lower() != '.csv':
        raise InputError(f'--out must be a file name with .csv at its end, got {out}')
    taken = [path for path in (out, info_path(out)) if path.exists()]
    if taken and not args.overwrite:
        raise InputError(f'{taken[0]} exists already; --overwrite replaces it, with all columns that were added to it')
    known = SETS.get(args.set)
    original = args.layout == 'original' or (args.layout == 'auto' and args.ann_file is None)
    labels = read_labels(args, known, original)
    info = set_info(args, known, original)
    given = {'--group-column': args.group_column, '--subset-column': args.subset_column}
    for option, column in {**given, '--scale-column': args.scale_column}.items():
        if column and column not in labels.rows[0]:
            raise InputError(f'{option}: no column {column!r}; there are: {", ".join(labels.rows[0])}')
    print(f'{info.name}: {len(labels.rows)} labels, photos in {labels.photo_root}')
    if known and len(labels.rows) != known.photos:
        text = f'{known.title} has {known.photos} rated photos, but the labels list {len(labels.rows)}'
        if not args.allow_missing:
            raise InputError(f'{text}; is the download complete? (--allow-missing ignores this)')
        print(f'warning: {text}')
    prepared = prepare(labels, info, not args.skip_decode, args.workers)
    for note in prepared.notes:
        print(f'note: {note}')
    check_left_out(prepared, out, args.allow_missing)
    write_prepared(args, prepared, labels, out)


def read_labels(args: argparse.Namespace, known: KnownSet | None, original: bool) -> Labels:
    if original:
        if args.ann_file is not None:
            raise InputError('--ann-file is for --layout meta-info; the original layout names its own files')
        if known is None:
            raise InputError(f'unknown set {args.set!r}; there are: {", ".join(SETS)}; your own needs --ann-file')
        return known.read(args.root)
    if args.ann_file is None:
        raise InputError('--layout meta-info needs --ann-file')
    labels = read_meta_info(args.ann_file, args.root)
    return without_training_photos(labels) if args.set == 'clive' else labels


def set_info(args: argparse.Namespace, known: KnownSet | None, original: bool) -> SetInfo:
    """What the table knows, and what the options change."""
    if known is None:
        if args.mos_range is None:
            raise InputError(f'{args.set!r} is not in the table of sets: give the ends of its scale with --mos-range')
        score = 'DMOS' if args.dmos else 'MOS'
        columns = (args.group_column, args.subset_column)
        return SetInfo(args.set, tuple(args.mos_range), score, *columns, scale_column=args.scale_column)
    if args.dmos and known.score == 'MOS':
        raise InputError(f'--dmos: the scores of {known.title} rise with quality')
    span = known.mos_range if original else known.meta_range or known.mos_range
    return SetInfo(
        args.set,
        tuple(args.mos_range or span),
        known.score,
        args.group_column or known.group_column,
        args.subset_column or known.subset_column,
        source=known.source,
        scale_column=args.scale_column or known.scale_column,
    )


def check_left_out(prepared: PreparedSet, out: Path, allow: bool) -> None:
    """List what is missing or unreadable; raise an error, or leave it out."""
    left_out = prepared.left_out
    if not left_out:
        return
    for photo in left_out[:SHOWN]:
        print(f'{photo.name}: {photo.reason}', file=sys.stderr)
    if len(left_out) > SHOWN:
        print(f'... and {len(left_out) - SHOWN} more', file=sys.stderr)
    missing = sum(photo.reason == 'missing' for photo in left_out)
    text = f'{missing} photos are missing and {len(left_out) - missing} unreadable'
    if not allow:
        raise InputError(f'{text}; get them again, or leave them out with --allow-missing')
    print(f'warning: {text}; they are left out and listed in {write_list(left_out, out)}')


def write_list(left_out: list[LeftOut], out: Path) -> Path:
    path = out.with_name(f'{out.stem}_left_out.txt')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{photo.name}\t{photo.reason}\n' for photo in left_out), encoding='utf-8')
    return path


def write_prepared(args: argparse.Namespace, prepared: PreparedSet, labels: Labels, out: Path) -> None:
    """The CSV with the random splits, and its JSON file."""
    info, rows = prepared.info, prepared.rows
    if not rows:
        raise InputError(f'{info.name}: none of the {len(labels.rows)} photos can be used')
    splits = dict(info.splits)
    if len(rows) < len(labels.rows):
        splits = {c: f'{name}; only {len(rows)} of {len(labels.rows)} photos' for c, name in splits.items()}
    has_some = any(RANDOM.fullmatch(column) for column in splits)
    count = args.splits if args.splits is not None else 0 if has_some else 10
    if count:
        ratings = [Rating(row['name'], float(row['mos']), row) for row in rows]
        for column, values in random_splits(ratings, count, args.seed, group_column=info.group_column).items():
            if column in rows[0]:
                raise InputError(f'the labels have a column {column!r} already; take another --seed, or --splits 0')
            rows = [{**row, column: value} for row, value in zip(rows, values, strict=True)]
            splits[column] = protocol_name(0.2, args.seed, info.group_column)
    write_set(out, replace(info, splits=splits), rows)
    low, high = info.mos_range
    turned = ', turned from DMOS' if info.original_score == 'DMOS' else ''
    print(f'{out}: {len(rows)} photos, MOS from {low:g} to {high:g}{turned}')
    scales = f'; rating scales: {info.scale_column}' if info.scale_column else ''
    print(f'groups: {info.group_column or "none"}; subsets: {info.subset_column or "none"}{scales}')
    for protocol in dict.fromkeys(splits.values()):
        columns = [column for column, name in splits.items() if name == protocol]
        print(f'{columns[0]}{f" to {columns[-1]}" if len(columns) > 1 else ""}: {protocol}')
    root, table = shlex.quote(str(labels.photo_root)), shlex.quote(str(out))  # to be pasted into a shell
    split = f' SPLIT={shlex.quote(next(iter(splits)))}' if splits else ''
    print(f'to train: export DATA_ROOT={root} ANN_FILE={table}{split}')
