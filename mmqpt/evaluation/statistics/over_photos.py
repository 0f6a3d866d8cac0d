"""A mean over photos with its interval, by NumPy alone: for commands that need no SciPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_REPLICATES = 2000


def mean_over_photos(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """Mean over photos, and its 95 % bootstrap interval; of differences on the same photos, a paired one.

    Args:
        values: N, one a photo.

    Returns:
        The mean, and the ends of the interval; None of a single photo.
    """
    found = np.asarray(values, dtype=float)
    if len(found) < 2:
        return float(found.mean()), None
    drawn = np.random.default_rng(0).integers(len(found), size=(_REPLICATES, len(found)))
    low, high = np.quantile(found[drawn].mean(axis=1), [0.025, 0.975])
    return float(found.mean()), (float(low), float(high))
