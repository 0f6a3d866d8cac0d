"""Make WebDataset shards (tars) of a folder of photos, to pre-train from few large files instead of many small ones.

Examples:
    mmqpt make-shards photos shards                    # all photos, shards of 1 GB
    mmqpt make-shards photos shards --list list.txt    # those that mmqpt make-photo-list kept
    mmqpt make-shards --verify shards                  # is every byte as it was written?
    mmqpt make-shards --index tars                     # an index beside each tar that another program made

Photos are stored as they are, never re-encoded, in a seeded random order, so that the photos of a shard are a random
mix. Unreadable ones are left out and named in unreadable.csv. The same command resumes a stopped run.
docs/pretraining_photos.md says what is written and how to train from it.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.shard_files import read_manifest, tars_of, verify_shards
from mmqpt.datasets.photos.shard_run import UNREADABLE, ShardArguments, make_shards
from mmqpt.datasets.photos.tar_index import index_path, scan_tar, write_index

UNITS = {'': 1, 'K': 10**3, 'M': 10**6, 'G': 10**9, 'T': 10**12}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('source', type=Path, nargs='?', help='folder of photos')
    parser.add_argument('out', type=Path, nargs='?', help='folder of shards, new or unfinished')
    parser.add_argument('--list', type=Path, help='text file with the photos to take, relative to SOURCE, one a line')
    size = parser.add_mutually_exclusive_group()
    size.add_argument('--shard-size', type=to_bytes, help='largest shard, such as 500MB; 1GB by default')
    size.add_argument('--photos-per-shard', type=int, help='photos of a shard, instead of a size')
    parser.add_argument('--workers', type=int, default=2, help='processes (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the order of the photos (default: %(default)s)')
    parser.add_argument(
        '--max-unreadable', type=float, default=0.05,
        help='share of the photos that may be unreadable; above it the exit code is 2 (default: %(default)s)',
    )  # fmt: skip
    other = parser.add_mutually_exclusive_group()
    other.add_argument('--verify', type=Path, metavar='OUT', help='compare every file with the manifest, by SHA-256')
    other.add_argument('--index', nargs='+', metavar='SHARDS', help='index tars of other programs: a folder, or tars')


def run(args: argparse.Namespace) -> None:
    """Makes, verifies or indexes shards."""
    if args.verify or args.index:
        if args.source:
            raise InputError('--verify and --index take no SOURCE')
        return verify(args.verify, args.workers) if args.verify else index(args.index)
    if not args.out:
        raise InputError('needs SOURCE and OUT')
    if args.photos_per_shard is not None:
        arguments = ShardArguments(None, args.photos_per_shard, args.seed)
    else:
        arguments = ShardArguments(10**9 if args.shard_size is None else args.shard_size, None, args.seed)
    try:
        made = make_shards(args.source, args.out, arguments, args.list, args.workers, args.max_unreadable)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt('stopped; finished shards are kept, and the same command resumes') from stop
    if made['unreadable']:
        print(
            f'warning: {made["unreadable"]} unreadable photos were left out: {args.out / UNREADABLE}', file=sys.stderr
        )
    print(
        f'{args.out}: {made["photos"]} photos in {len(made["shards"])} shards, {made["bytes"]} bytes, '
        f'{made["unreadable"]} unreadable'
    )


def to_bytes(text: str) -> int:
    """``500 MB`` -> 500,000,000."""
    found = re.fullmatch(r'(\d+\.?\d*|\.\d+)\s*([KMGT]?)B?', text.strip().upper())
    if found is None:
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 1GB, 500MB or 1000000')
    return int(float(found[1]) * UNITS[found[2]])


def verify(out: Path, workers: int) -> None:
    """Name what differs from the manifest."""
    manifest = read_manifest(out)
    with tqdm(total=manifest['bytes'], desc='verify', unit='B', unit_scale=True, mininterval=1) as bar:
        wrong = verify_shards(out, workers, bar.update)
    for sentence in wrong:
        print(sentence)
    if wrong:
        raise InputError(
            f'{out}: {len(wrong)} files are not as they were written; remove those shards, and the command that made '
            'them makes them anew'
        )
    print(f'{out}: {len(manifest["shards"])} shards with {manifest["photos"]} photos are as they were written')


def index(shards: list[str]) -> None:
    """Write an index beside each tar."""
    paths = []
    for name in map(Path, shards):
        paths += tars_of(name) if name.is_dir() else [name]
    if not paths:
        raise InputError(f'{shards[0]}: no *.tar in this folder')
    photos = 0
    for path in tqdm(paths, desc='index', unit=' shards', mininterval=1):
        found = scan_tar(path)
        if not len(found):
            print(f'warning: no photos in {path}', file=sys.stderr)
        try:
            write_index(path, found)
        except PermissionError as error:
            raise InputError(f"{index_path(path)}: can't be written ({error.strerror})") from error
        photos += len(found)
    print(f'{photos} photos in {len(paths)} shards')
