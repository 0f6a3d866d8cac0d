"""Opinion scores in a CSV: the rows, the choice of rows, the part held out for validation."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside
from mmqpt.datasets.rated.columns import check_listed_once, find_columns


@dataclass(frozen=True)
class Rating:
    """One row of a CSV: a photo and its mean opinion score in the set's own units."""

    name: str
    mos: float
    row: Mapping[str, str]


def read_ratings(ann_file: str | Path, mos_range: tuple[float, float]) -> list[Rating]:
    """Read a CSV with a header: a column of photos and one of opinion scores, found by their names.

    See :func:`~mmqpt.datasets.rated.columns.find_columns`; pyiqa's meta_info files are such.

    Args:
        ann_file: the CSV.
        mos_range: the least and the greatest score of the scale, in its units.

    Raises:
        FileNotFoundError: there is no such CSV.
        InputError: no header or none that says which column is which, no rows, a name that leads out of the folder of
            the photos, a photo that is listed twice, or a MOS that is no number, not finite or outside the range; names
            file and line.
    """
    path = Path(ann_file)
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of scores: {path}')
    low, high = mos_range
    if not low < high:
        raise InputError(f'mos_range must be (low, high) with low < high, got {mos_range}')
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(f'{path}: not UTF-8 text ({error})') from error
    reader = csv.reader(io.StringIO(text, newline=''))
    try:
        lines = [(fields, reader.line_num) for fields in reader]
    except csv.Error as error:
        raise InputError(f'{path}, line {reader.line_num}: {error}') from error
    header = [name.strip() for name in (lines.pop(0)[0] if lines else [])]
    if len(header) < 2:
        raise InputError(f'{path}: needs a header and at least the columns name and MOS, got {header}')
    columns = find_columns(header, path)
    ratings, places = [], []
    for fields, line in lines:
        if not fields:
            continue
        where = f'{path}, line {line}'
        while len(fields) > len(header) and not fields[-1].strip():
            fields.pop()
        if len(fields) != len(header):
            raise InputError(f'{where}: {len(fields)} columns, but the header has {len(header)}: {fields}')
        row = dict(zip(header, fields, strict=True))
        name, score = row[columns.name], row[columns.score]
        if not name.strip():
            raise InputError(f'{where}: no photo in the column {columns.name!r}: {fields}')
        check_inside(name, where)
        try:
            mos = float(score)
        except ValueError:
            raise InputError(f'{where}: no MOS in the column {columns.score!r}: {fields}') from None
        if not math.isfinite(mos):
            raise InputError(f'{where}: MOS of {name!r} is {score}, not a finite number')
        if not low <= mos <= high:
            raise InputError(f'{where}: MOS of {name!r} is {mos}, outside mos_range {low} to {high}')
        ratings.append(Rating(name, mos, row))
        places.append((name, where))
    if not ratings:
        raise InputError(f'{path}: no rows below the header')
    check_listed_once(places)
    return ratings


def check_files_once(ratings: Sequence[Rating], root: str | Path, ann_file: str | Path) -> None:
    """Refuse a CSV that lists one file under two names; all its rows are looked at, as far as their photos are there.

    Raises:
        InputError: names both.
    """
    check_listed_once(((rating.name, str(ann_file)) for rating in ratings), root)


def check_columns(ratings: Sequence[Rating], columns: Iterable[str], ann_file: str | Path) -> None:
    """Raise InputError for a column that the CSV does not have; ``ann_file`` is its name in the message."""
    for column in columns:
        if column not in ratings[0].row:
            raise InputError(f'{ann_file}: no column {column!r}; there are: {", ".join(ratings[0].row)}')


def select_ratings(ratings: Sequence[Rating], where: Mapping[str, Any], ann_file: str | Path) -> list[Rating]:
    """The rows whose columns have the values of ``where``.

    Raises:
        InputError: a column that does not exist, or a value that none of its rows has.
    """
    try:
        check_columns(ratings, where, ann_file)
    except InputError as error:
        raise InputError(
            f'{error}; mmqpt prepare-dataset NAME PHOTOS --ann-file CSV adds columns of random splits'
        ) from error
    for column, value in where.items():
        there = dict.fromkeys(r.row[column] for r in ratings)
        if str(value) not in there:
            shown = ', '.join(map(repr, list(there)[:8])) + (', ...' if len(there) > 8 else '')
            raise InputError(f'{ann_file}: no row has {str(value)!r} in column {column!r}; there are: {shown}')
    return [r for r in ratings if all(r.row[column] == str(value) for column, value in where.items())]


def split_holdout(
    ratings: Sequence[Rating], share: float, group_column: str | None, salt: str = ''
) -> tuple[list[Rating], list[Rating]]:
    """Cut a part off for validation, always the same one for the same names.

    Groups are ordered by a hash of their name and the first ones are held out until they have ``share`` of the photos.

    Args:
        ratings: what to cut.
        share: 0 to 1.
        group_column: photos with the same value stay on one side; None for every photo on its own.
        salt: another text gives another part; with the same one, a smaller share is part of a larger one.

    Returns:
        The part to fit, and the held-out part, in the order given.
    """
    groups: dict[str, int] = {}
    for rating in ratings:
        groups[group_of(rating, group_column)] = groups.get(group_of(rating, group_column), 0) + 1
    held: set[str] = set()
    count = 0
    for group in sorted(groups, key=lambda name: hashlib.sha256(f'{salt}{name}'.encode()).digest()):
        if count >= share * len(ratings):
            break
        held.add(group)
        count += groups[group]
    fit = [rating for rating in ratings if group_of(rating, group_column) not in held]
    return fit, [rating for rating in ratings if group_of(rating, group_column) in held]


def group_of(rating: Rating, column: str | None) -> str:
    """The group of a photo; without a column its name. InputError where the column is empty."""
    group = rating.row[column] if column else rating.name
    if not group:
        raise InputError(f'{rating.name}: column {column!r} is empty; every photo needs a group, if only its own')
    return group
