"""A data set with opinion scores: a CSV in pyiqa's meta_info format, and a JSON file that says what it means."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.datasets.rated.ratings import Rating, check_columns, read_ratings


@dataclass(frozen=True)
class SetInfo:
    """What the numbers and columns of a set's CSV mean; the JSON file beside the CSV holds these fields.

    Args:
        name: of the set, such as ``'koniq10k'``.
        mos_range: least and greatest score of the column MOS, in its units; higher is better.
        original_score: ``'MOS'``, or ``'DMOS'`` if the set's own scores rise with distortion; then MOS is
            ``low + high - DMOS``, which keeps the range, and the CSV keeps the original in its column ``dmos``.
        group_column: column whose equal values must stay on one side of a split (reference image, near-duplicates), or
            None where every photo stands for itself.
        subset_column: column to report results by, or None.
        splits: for each split column of the CSV (values ``train``, ``test`` and, where the set has one, ``val``) the
            name of its protocol, such as ``'official'`` or ``'random 80/20, seed 123, grouped by reference'``.
        source: who made the set; one citation.
        scale_column: column whose equal values share a rating scale, where the set has several; protocols then fit a
            map for each, see ``IQARegressor(scales=...)``. None where all photos share one.
    """

    name: str
    mos_range: tuple[float, float]
    original_score: str = 'MOS'
    group_column: str | None = None
    subset_column: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    source: str = ''
    scale_column: str | None = None

    def __post_init__(self) -> None:
        low, high = (float(x) for x in self.mos_range)
        if not low < high:
            raise InputError(f'mos_range must be (low, high) with low < high, got {tuple(self.mos_range)}')
        object.__setattr__(self, 'mos_range', (low, high))
        if self.original_score not in ('MOS', 'DMOS'):
            raise InputError(f"original_score must be 'MOS' or 'DMOS', got {self.original_score!r}")


@dataclass(frozen=True)
class RatedSet:
    """The rows of a set, in the order of its CSV, and their meaning."""

    path: Path
    info: SetInfo
    ratings: Sequence[Rating]


def info_path(ann_file: str | Path) -> Path:
    """The JSON file beside a CSV: the same name with the suffix ``.json``."""
    return Path(ann_file).with_suffix('.json')


def read_info(ann_file: str | Path) -> SetInfo:
    """What the JSON file beside a CSV says.

    Raises:
        FileNotFoundError: there is none; the message says what to do.
        InputError: it is not JSON, or its fields are not those of :class:`SetInfo`.
    """
    path = info_path(ann_file)
    if not path.is_file():
        raise FileNotFoundError(
            f'no such file: {path}, which says what the scores in {Path(ann_file).name} mean; '
            'mmqpt prepare-dataset writes both, or give the range of the scores'
        )
    try:
        fields = json.loads(path.read_text(encoding='utf-8'))
        return SetInfo(**fields)
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(f'{path}: {error}') from error


def read_set(ann_file: str | Path, info: SetInfo | None = None) -> RatedSet:
    """Read a CSV and the JSON file beside it.

    Args:
        ann_file: the CSV.
        info: instead of the JSON file.

    Raises:
        FileNotFoundError: CSV or JSON file is missing.
        InputError: a bad row (see :func:`read_ratings`), or a column that the info names and the CSV does not have.
    """
    path = Path(ann_file)
    if not path.is_file():
        raise FileNotFoundError(f'no such CSV of scores: {path}')
    info = info or read_info(path)
    ratings = read_ratings(path, info.mos_range)
    columns = (info.group_column, info.subset_column, info.scale_column, *info.splits)
    check_columns(ratings, [column for column in columns if column], path)
    return RatedSet(path, info, ratings)


def write_set(path: str | Path, info: SetInfo, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV and the JSON file beside it.

    Args:
        path: the CSV; its folder is made.
        info: what it means.
        rows: one a photo, all with the same columns; the first two columns must be ``name`` and ``mos``.

    Raises:
        InputError: no rows, rows of different columns, or other first columns.
    """
    if not rows:
        raise InputError(f'{path}: no rows to write')
    columns = list(rows[0])
    if columns[:2] != ['name', 'mos']:
        raise InputError(f"the first two columns must be 'name' and 'mos', got {columns[:2]}")
    for row in rows:
        if list(row) != columns:
            raise InputError(f'the row of {row.get("name")!r} has the columns {list(row)}, the first row {columns}')
    replace_set(path, info, [columns, *(list(row.values()) for row in rows)])


def replace_set(path: str | Path, info: SetInfo, lines: Sequence[Sequence[Any]]) -> None:
    """Put a CSV and its JSON file in place of the old ones; a run that is stopped leaves those.

    Args:
        path: the CSV; its folder is made.
        info: what it means.
        lines: header and rows.
    """
    files = [Path(path).resolve(), info_path(path).resolve()]
    files[0].parent.mkdir(parents=True, exist_ok=True)
    # The CSV is renamed first: columns that the JSON file does not name yet are valid, the reverse is not.
    with replacing(files[1]) as meta, replacing(files[0]) as table:
        with open(table, 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows(lines)
        Path(meta).write_text(json.dumps(asdict(info), indent=2) + '\n', encoding='utf-8')
