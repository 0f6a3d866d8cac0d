"""List the photos of a folder that may be used for pre-training: all but test photos and their near-duplicates.

Example, for a folder `photos` that holds the photos of BIQ2021 in `photos/biq2021` and others beside them:
    python tools/find_duplicates.py photos --out clusters.csv
    python tools/make_photo_list.py photos --clusters clusters.csv --out list.txt \\
        --held-out biq2021.csv --split official_split --folder biq2021

The list goes into a config as train_dataloader.dataset.ann_file. A near-duplicate of a photo that will test the network
is left out wherever it comes from, rated or not.
"""

import argparse
import csv
from collections import Counter
from pathlib import Path, PurePosixPath

from mmqpt.core.errors import InputError
from mmqpt.core.photo import find_photos
from mmqpt.datasets.rated.sets import read_set
from mmqpt.datasets.rated.splits import check_split
from mmqpt.engine.launch import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('photos', type=Path, help='folder of photos')
    parser.add_argument('--clusters', type=Path, required=True, help='CSV of tools/find_duplicates.py for that folder')
    parser.add_argument('--held-out', type=Path, required=True, help='prepared CSV of the set that will test')
    parser.add_argument('--split', required=True, help="its split: photos that are not 'train' are held out")
    parser.add_argument('--folder', default='', help="where the set's photos lie below PHOTOS")
    parser.add_argument('--out', type=Path, required=True, help='text file to write, one photo a line')
    args = parser.parse_args()
    cluster = read_clusters(args.clusters)
    data = read_set(args.held_out)
    check_split(data, args.split)
    held = {}
    for rating in data.ratings:
        name = str(PurePosixPath(args.folder) / rating.name)
        if rating.row[args.split] != 'train':
            if name not in cluster:
                raise InputError(f'{args.clusters}: does not know {name!r}, which {args.held_out} holds out')
            held[name] = cluster[name]
    tested = set(held.values())
    kept, left = [], Counter[str]()
    for path in find_photos(args.photos):
        name = path.relative_to(args.photos).as_posix()
        if name not in cluster:
            raise InputError(f'{args.clusters}: does not know {name!r}; find the duplicates of this folder again')
        source = name.split('/')[0] if '/' in name else '.'
        if name in held:
            left[f'{source}: held out'] += 1
        elif cluster[name] in tested:
            left[f'{source}: near-duplicates of photos that are held out'] += 1
        else:
            kept.append(name)
    if not kept:
        raise InputError(f'{args.photos}: every photo is held out or a near-duplicate of one that is')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text('\n'.join(kept) + '\n', encoding='utf-8')
    for text, count in sorted(left.items()):
        print(f'left out, {text}: {count}')
    print(f'{args.out}: {len(kept)} photos')


def read_clusters(path: Path) -> dict[str, str]:
    """Name -> cluster, of the CSV that tools/find_duplicates.py --out writes."""
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of clusters: {path}')
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if not {'name', 'cluster'} <= set(reader.fieldnames or ()):
            raise InputError(
                f'{path}: needs the columns name and cluster, as tools/find_duplicates.py --out writes them'
            )
        try:
            return {Path(row['name']).as_posix(): row['cluster'] for row in reader}
        except csv.Error as error:
            raise InputError(f'{path}, line {reader.line_num}: not a CSV ({error})') from error


if __name__ == '__main__':
    run(main)
