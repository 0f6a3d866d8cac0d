"""Clusters of near-duplicates: in a CSV of their own, in the CSV of a set, and as a sheet to look at."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from mmqpt.core.errors import InputError
from mmqpt.core.photo import find_photos, read_photo
from mmqpt.datasets.rated.sets import RatedSet
from mmqpt.datasets.rated.splits import add_columns, check_split, group_of

if TYPE_CHECKING:
    from mmqpt.datasets.rated.duplicates import Fingerprints, Pairs

COLUMN = 'cluster'
SHOWN = 60
SIDE = 128


def write_clusters(path: Path, prints: Fingerprints, found: list[str]) -> None:
    """Write a CSV of name, cluster, and photos in the cluster; a photo that could not be read is its own cluster."""
    sizes = Counter(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['name', COLUMN, 'photos'])
        writer.writerows([name, cluster, sizes[cluster]] for name, cluster in zip(prints.names, found, strict=True))
        writer.writerows([name, name, 1] for name in prints.unreadable)


def read_clusters(path: Path) -> dict[str, str]:
    """Name -> cluster, of a CSV of :func:`write_clusters`.

    Raises:
        FileNotFoundError: no such file.
        InputError: not such a CSV.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of clusters: {path}')
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        if not {'name', 'cluster'} <= set(reader.fieldnames or ()):
            raise InputError(f'{path}: needs the columns name and cluster, as mmqpt find-duplicates --out writes them')
        try:
            return {Path(row['name']).as_posix(): row['cluster'] for row in reader}
        except csv.Error as error:
            raise InputError(f'{path}, line {reader.line_num}: not a CSV ({error})') from error


def add_clusters(data: RatedSet, prints: Fingerprints, pairs: Pairs) -> list[str]:
    """Put clusters into a set's CSV, as the column ``cluster``, and make them its groups.

    Groups that the set has already stay together too.

    Returns:
        The cluster of every photo of the set.

    Raises:
        InputError: the set has another column of that name.
    """
    from mmqpt.datasets.rated.duplicates import Pairs, clusters  # needs imagehash, which reading clusters does not

    names = [rating.name for rating in data.ratings]
    at = {name: i for i, name in enumerate(names)}
    moved = np.array([at.get(name, -1) for name in prints.names])
    first, second = moved[pairs.first], moved[pairs.second]
    known = (first >= 0) & (second >= 0)
    pairs = Pairs(first[known], second[known], pairs.distance[known], pairs.correlation[known])
    own = data.info.group_column
    if own != COLUMN and COLUMN in data.ratings[0].row:
        raise InputError(f'{data.path}: has a column {COLUMN!r} already, which is not its group_column; rename it')
    found = clusters(names, pairs, [group_of(rating, own) for rating in data.ratings] if own else None)
    add_columns(data, {COLUMN: found}, replace(data.info, group_column=COLUMN))
    return found


def draw_pairs(path: Path, root: Path, prints: Fingerprints, pairs: Pairs, columns: int = 5) -> int:
    """Draw pairs side by side into a PNG, the least alike first: what lies just inside the threshold.

    Returns:
        How many were drawn; without any there is no PNG.
    """
    order = np.argsort(-pairs.distance, kind='stable')[:SHOWN]
    if not len(order):
        return 0
    width, height = 2 * SIDE + 8, SIDE + 28
    sheet = Image.new('RGB', (columns * width, -(-len(order) // columns) * height), 'white')
    draw = ImageDraw.Draw(sheet)
    for number, at in enumerate(order):
        x, y = number % columns * width, number // columns * height
        for side, i in enumerate((pairs.first[at], pairs.second[at])):
            photo = Image.fromarray(read_photo(root / prints.names[i])).resize((SIDE, SIDE))
            sheet.paste(photo, (x + side * SIDE, y + 26))
            draw.text((x + side * SIDE + 2, y + 13), prints.names[i][-18:], fill='black')
        draw.text((x + 2, y), f'{pairs.distance[at]} bits, correlation {pairs.correlation[at]:.2f}', fill='black')
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return len(order)


def without_relatives(
    photos: Path, cluster: dict[str, str], data: RatedSet, split: str, folder: str, where: str
) -> tuple[list[str], Counter[str]]:
    """The photos of a folder that are in no cluster with a photo that a set's split holds out.

    Args:
        photos: folder.
        cluster: of every photo of the folder, by its path below it.
        data: the set whose photos that are not ``train`` are held out.
        split: its column.
        folder: where the set's photos lie below ``photos``.
        where: what the clusters come from, for errors.

    Returns:
        Paths below ``photos``, and how many were left out for what reason.

    Raises:
        InputError: no such split, a photo that has no cluster, or nothing is left.
    """
    check_split(data, split)
    held = {}
    for rating in data.ratings:
        name = str(PurePosixPath(folder) / rating.name)
        if rating.row[split] != 'train':
            if name not in cluster:
                raise InputError(f'{where}: does not know {name!r}, which {data.path} holds out')
            held[name] = cluster[name]
    tested = set(held.values())
    kept, left = [], Counter[str]()
    for path in find_photos(photos):
        name = path.relative_to(photos).as_posix()
        if name not in cluster:
            raise InputError(f'{where}: does not know {name!r}; find the duplicates of this folder again')
        subfolder = name.split('/')[0] if '/' in name else '.'
        if name in held:
            left[f'{subfolder}: held out'] += 1
        elif cluster[name] in tested:
            left[f'{subfolder}: near-duplicates of photos that are held out'] += 1
        else:
            kept.append(name)
    if not kept:
        raise InputError(f'{photos}: every photo is held out or a near-duplicate of one that is')
    return kept, left
