"""Rating scales of rated photos: which scale a row is on, and the scores of each."""

from __future__ import annotations

from collections.abc import Iterable

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating

ScaleLabels = dict[str, tuple[list[float], tuple[float, float]]]
"""For every scale the scores of its photos, from 0 to 1, and its ``mos_range``."""


def scale_of(rating: Rating, column: str) -> str:
    """The scale of a photo. InputError where the column is empty."""
    if not rating.row[column]:
        raise InputError(f'{rating.name}: column {column!r} is empty; every photo needs the name of its rating scale')
    return rating.row[column]


def group_labels(rows: Iterable[tuple[str | None, float, tuple[float, float]]]) -> ScaleLabels:
    """Scores by their scale.

    Args:
        rows: scale, score from 0 to 1 and ``mos_range`` of every photo; photos without a scale are left out.

    Raises:
        InputError: two ranges of one scale.
    """
    found: ScaleLabels = {}
    for scale, score, mos_range in rows:
        if scale is None:
            continue
        scores, known = found.setdefault(scale, ([], mos_range))
        if known != mos_range:
            raise InputError(
                f'scale {scale!r} has two ranges, {known} and {mos_range}; give the sets scales of their own'
            )
        scores.append(score)
    return found
