"""A figure and its bootstrap replicates over photos, so that figures of many encoders can be compared pair by pair.

All figures that are made from the same counts share their draws: the difference of two is then paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.bootstrap import DEGENERATE, Difference
from mmqpt.evaluation.statistics.correlation import srcc
from mmqpt.evaluation.statistics.weighted import weighted_srcc

CHUNK = 4_000_000  # counts of rows in memory at once


@dataclass(frozen=True)
class Replicated:
    """A figure with its replicates.

    Args:
        value: of the photos themselves; NaN where it is not defined.
        replicates: (B,) of photos drawn again; NaN where it is not defined.
    """

    value: float
    replicates: np.ndarray

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """The percentile interval, moved by the bias; None where too many replicates, or the value, are not defined.

        A replicate holds fewer different photos, among which a correlation is higher: with a dozen photos, the
        replicates' median lies far above the value. The interval is moved by that difference.
        """
        good = self.replicates[np.isfinite(self.replicates)]
        if not np.isfinite(self.value) or len(self.replicates) - len(good) > DEGENERATE * len(self.replicates):
            return None
        low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
        bias = np.median(good) - self.value
        return float(low - bias), float(high - bias)

    def minus(self, other: Replicated, level: float = 0.95) -> Difference | None:
        """This less another on the same draws; None where no interval can be given."""
        both = Replicated(self.value - other.value, self.replicates - other.replicates)
        found = both.interval(level)
        if found is None:
            return None
        return Difference(both.value, *found, int(np.isfinite(both.replicates).sum()), level)


def draw_counts(groups: Sequence[str], replicates: int, seed: int = 0) -> np.ndarray:
    """How often each photo is drawn: groups with replacement, photos of one group together.

    Args:
        groups: of N photos.
        replicates: how often to draw, B.
        seed: of the draws.

    Returns:
        (B, N) counts.

    Raises:
        InputError: no photos, or fewer than 40 replicates.
    """
    if not groups or replicates < 40:
        raise InputError(f'a bootstrap needs photos and at least 40 replicates, got {len(groups)} and {replicates}')
    names, which = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=replicates)
    return drawn[:, which]


def replicated_srcc(predicted: np.ndarray, target: np.ndarray, photo: np.ndarray, counts: np.ndarray) -> Replicated:
    """Spearman's coefficient.

    Args:
        predicted: (R,) values.
        target: (R,) what they predict.
        photo: (R,) number of the photo of each row.
        counts: (B, N) of N photos.
    """
    try:
        value = srcc(predicted, target)
    except InputError:  # all the same
        value = float('nan')
    return Replicated(value, _in_chunks(lambda rows: weighted_srcc(predicted, target, rows), photo, counts))


def replicated_mean(values: np.ndarray, photo: np.ndarray, counts: np.ndarray) -> Replicated:
    """Mean over rows; arguments as of :func:`replicated_srcc`."""
    size = counts.shape[1]
    total = counts @ np.bincount(photo, values, minlength=size)
    rows = counts @ np.bincount(photo, minlength=size)
    with np.errstate(invalid='ignore', divide='ignore'):
        return Replicated(float(values.mean()) if len(values) else float('nan'), total / rows)


def replicated_macro(parts: Sequence[Replicated]) -> Replicated:
    """Mean of several figures; in a replicate, of those that are defined there."""
    table = np.array([part.replicates for part in parts])
    known = np.isfinite(table)
    with np.errstate(invalid='ignore', divide='ignore'):
        replicates = np.where(known, table, 0).sum(axis=0) / known.sum(axis=0)
    values = np.array([part.value for part in parts])
    good = values[np.isfinite(values)]
    return Replicated(float(good.mean()) if len(good) else float('nan'), replicates)


def _in_chunks(figure: Callable[[np.ndarray], np.ndarray], photo: np.ndarray, counts: np.ndarray) -> np.ndarray:
    rows = max(1, CHUNK // max(1, len(photo)))
    return np.concatenate([figure(counts[i : i + rows][:, photo]) for i in range(0, len(counts), rows)])
