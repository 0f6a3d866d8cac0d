"""By how much a JPEG may be reduced while it is decoded."""

from __future__ import annotations

from mmqpt.core.errors import InputError


def check_min_side(min_side: int | None) -> None:
    """Check ``min_side`` of :func:`mmqpt.core.photo.read_photo`.

    Raises:
        InputError: neither None nor an integer >= 1.
    """
    if min_side is not None and (isinstance(min_side, bool) or not isinstance(min_side, int) or min_side < 1):
        raise InputError(f'min_side must be an integer >= 1 or None, got {min_side!r}')


def reduction(side: int, min_side: int | None) -> int:
    """8, 4, 2 or 1: the most by which a short side of ``side`` px can be divided and stay at least ``min_side`` px."""
    if min_side is None:
        return 1
    return next((factor for factor in (8, 4, 2) if side >= factor * min_side), 1)
