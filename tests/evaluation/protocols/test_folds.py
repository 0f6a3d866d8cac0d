"""Folds: even, and near-duplicates in one."""

from collections import Counter

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.folds import draw_folds


@pytest.mark.parametrize('seed', [0, 1])
def test_folds_are_even_and_keep_groups(rng, seed):
    groups = [f'g{i}' for i in rng.integers(0, 40, 100)]
    folds = draw_folds(groups, 5, seed)
    assert all(len({fold for fold, g in zip(folds, groups, strict=True) if g == group}) == 1 for group in groups)
    sizes = np.bincount(folds)
    assert sizes.max() - sizes.min() <= max(Counter(groups).values())
    np.testing.assert_array_equal(folds, draw_folds(groups, 5, seed))
    assert (folds != draw_folds(groups, 5, seed + 1)).any()


def test_folds_need_photos():
    with pytest.raises(InputError, match='2 photos that are no near-duplicates of each other cannot make 3 folds'):
        draw_folds(['a', 'b', 'a'], 3)
    with pytest.raises(InputError, match='folds must be >= 3'):
        draw_folds(['a', 'b', 'c'], 2)
