"""Labels in a CSV: pyiqa's meta_info files, or anyone's own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.columns import find_columns
from mmqpt.datasets.rated.readers.authentic import PARTS
from mmqpt.datasets.rated.readers.labels import Labels, read_csv

RANDOM = re.compile(r'ratio\d+_seed\d+_split_\d+')
"""Names of random splits in pyiqa's meta_info files, and in ours."""
_VALUES = {*PARTS, 'drop'}


def read_meta_info(path: Path, root: Path) -> Labels:
    """Photos, scores and, where there are such, references, in columns that are found by their names.

    Columns with ``split`` in
    their name and nothing but names of parts in them become splits. Rows of FLIVE's patches are left out.

    Args:
        path: the CSV, with a header.
        root: folder of the photos.

    Raises:
        FileNotFoundError: no such CSV or folder.
        InputError: it can't be told which column is which (see :func:`~mmqpt.datasets.rated.columns.find_columns`), or
            a score that is no number.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of scores: {path}')
    if not root.is_dir():
        raise FileNotFoundError(f'no such folder of photos: {root}')
    table = read_csv(path)
    header = list(table[0])
    columns = find_columns(header, path, dmos=True)
    for row in table:
        if not _is_number(row[columns.score]):
            raise InputError(f'{path}: the score of {row[columns.name]!r} is {row[columns.score]!r}, not a number')
    used = [column for column in columns if column]
    splits = {c: _protocol(c, path) for c in header if c not in used and 'split' in c and _is_split(table, c)}
    rows = []
    for row in table:
        given = {'name': row[columns.name], 'score': row[columns.score]}
        if columns.reference:
            given['ref'] = Path(row[columns.reference]).stem
        for column in header:
            if column not in used:
                kept_as = f'{column}_of_file' if column in ('name', 'mos', 'dmos', 'score', 'ref') else column
                given[kept_as] = PARTS.get(row[column], 'drop') if column in splits else row[column]
        rows.append(given)
    kept = [row for row in rows if not row['name'].startswith('patches/')]
    notes = [f'{len(rows) - len(kept)} rows of patches left out'] if len(kept) < len(rows) else []
    return Labels(root, kept, splits, notes=tuple(notes))


def without_training_photos(labels: Labels) -> Labels:
    """CLIVE's labels without the photos ``t1.bmp`` to ``t7.bmp`` that trained its observers."""
    kept = [row for row in labels.rows if not re.fullmatch(r't[1-7]\.bmp', Path(row['name']).name)]
    note = f'left out {len(labels.rows) - len(kept)} photos that trained the observers'
    return Labels(labels.photo_root, kept, labels.splits, labels.absent, (*labels.notes, note))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_split(table: Sequence[Mapping[str, str]], column: str) -> bool:
    values = {row[column] for row in table}
    return values <= _VALUES and len(values) > 1


def _protocol(column: str, path: Path) -> str:
    found = re.fullmatch(r'ratio(\d+)_seed(\d+)_split_\d+', column)
    if found:
        return f'random, ratio {found[1]}, seed {found[2]}, of {path.name}'
    return f'official, of {path.name}' if column == 'official_split' else f'column {column} of {path.name}'
