"""List the photos of a folder that may be used for pre-training: all but test photos and their near-duplicates.

Example, for a folder `photos` that holds the photos of BIQ2021 in `photos/biq2021` and others beside them:
    mmqpt find-duplicates photos --out clusters.csv
    mmqpt make-photo-list photos --clusters clusters.csv --out list.txt \\
        --held-out biq2021.csv --split official_split --folder biq2021

The list goes into a config as train_dataloader.dataset.ann_file. A near-duplicate of a photo that will test the network
is left out wherever it comes from, rated or not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmqpt.cli.options import add_overwrite, check_targets
from mmqpt.core.files import write_text
from mmqpt.datasets.rated.clusters import read_clusters, without_relatives
from mmqpt.datasets.rated.sets import read_set


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument('photos', type=Path, help='folder of photos')
    parser.add_argument('--clusters', type=Path, required=True, help='CSV of mmqpt find-duplicates for that folder')
    parser.add_argument('--held-out', type=Path, required=True, help='prepared CSV of the set that will test')
    parser.add_argument('--split', required=True, help="its split: photos that are not 'train' are held out")
    parser.add_argument('--folder', default='', help="where the set's photos lie below PHOTOS")
    parser.add_argument('--out', type=Path, required=True, help='text file to write, one photo a line')
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Writes the list, and prints what was left out."""
    check_targets(args.overwrite, args.out, inputs=[args.clusters, args.held_out])
    cluster, data = read_clusters(args.clusters), read_set(args.held_out)
    kept, left = without_relatives(args.photos, cluster, data, args.split, args.folder, args.clusters)
    write_text(args.out, '\n'.join(kept) + '\n')
    for text, count in sorted(left.items()):
        print(f'left out, {text}: {count}')
    print(f'{args.out}: {len(kept)} photos')
