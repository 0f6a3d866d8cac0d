"""How the opinions behind a MOS are spread, from further columns of its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating


def read_histogram(rating: Rating, columns: Sequence[str], ann_file: str | Path) -> list[float]:
    """Shares of the opinions per category, from the columns of their numbers or shares; they sum to 1.

    Raises:
        InputError: fewer than 2 columns, a value that is no finite number >= 0, or all 0; names file and row.
    """
    if len(columns) < 2:
        raise InputError(f'histogram_columns must be 2 or more columns, got {list(columns)}')
    counts = [_number(rating, column, ann_file) for column in columns]
    total = sum(counts)
    if not total > 0:
        raise InputError(f'{ann_file}, row of {rating.name!r}: no opinions, {", ".join(columns)} are all 0')
    return [count / total for count in counts]


def read_deviation(rating: Rating, column: str, ann_file: str | Path) -> float:
    """Standard deviation of the opinions in units of the scale.

    Raises:
        InputError: no finite number >= 0; names file and row.
    """
    return _number(rating, column, ann_file)


def _number(rating: Rating, column: str, ann_file: str | Path) -> float:
    text = rating.row[column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f'{ann_file}, row of {rating.name!r}: {column} must be a finite number >= 0, got {text!r}')
    return value
