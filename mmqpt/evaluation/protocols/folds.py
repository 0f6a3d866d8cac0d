"""Folds for cross-validation that keep near-duplicates together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmqpt.core.errors import InputError


def draw_folds(groups: Sequence[str], folds: int, seed: int = 0) -> np.ndarray:
    """Parts of about one size that keep groups together.

    Args:
        groups: of N photos.
        folds: how many, at least 3: one to test, one to choose a penalty, the rest to fit.
        seed: of the draw.

    Returns:
        (N,) numbers from 0 to ``folds`` - 1.

    Raises:
        InputError: fewer than 3 folds, or fewer groups than folds.
    """
    if folds < 3:
        raise InputError(f'folds must be >= 3 (to fit, to choose the penalty, to test), got {folds}')
    sizes = Counter(groups)
    if len(sizes) < folds:
        raise InputError(
            f'{len(sizes)} photos that are no near-duplicates of each other cannot make {folds} folds: '
            'give more photos, or fewer folds'
        )
    names = sorted(sizes)
    names = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    filled = np.zeros(folds, int)
    place: dict[str, int] = {}
    for name in sorted(names, key=lambda name: -sizes[name]):  # stable: the large ones first, the others as drawn
        place[name] = int(filled.argmin())
        filled[place[name]] += sizes[name]
    return np.array([place[group] for group in groups])
