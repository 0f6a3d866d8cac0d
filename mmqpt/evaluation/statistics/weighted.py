"""Correlations of many bootstrap replicates at once.

A replicate is a list of counts: how often each photo was drawn. Each function takes (N,) predictions, (N,) opinion
scores and (R, N) counts, and returns (R,) values: those of the function of the same name in correlation.py
for the photos repeated that often. NaN where that would raise InputError.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmqpt.evaluation.statistics.correlation import krcc, plcc, rmse, srcc

Weighted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
BLOCK = 1000  # rows of the table of pairs that are in memory at once


def weighted_srcc(predicted: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's coefficient; ties get their mean rank."""
    total = counts.sum(axis=1)
    x, y = (_centred_ranks(values, counts, total) for values in (predicted, mos))
    return _ratio((counts * x * y).sum(axis=1), (counts * x * x).sum(axis=1), (counts * y * y).sum(axis=1), total)


def weighted_plcc(predicted: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Pearson's coefficient."""
    total = counts.sum(axis=1)
    x, y = (_standardised(values) for values in (predicted, mos))
    sums = counts @ np.stack([x, y, x * x, y * y, x * y], axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        mean_x, mean_y, xx, yy, xy = (sums / total[:, None]).T
    xx, yy, xy = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    tiny = 1e-12  # of the variance of all photos: equal values, up to rounding
    return _ratio(xy, np.where(xx > tiny, xx, 0), np.where(yy > tiny, yy, 0), total)


def weighted_krcc(predicted: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Kendall's tau-b."""
    total = counts.sum(axis=1)
    concordant = np.zeros(len(counts))
    drawn = counts.astype(np.float32)  # exact below 2**24
    for start in range(0, len(mos), BLOCK):
        rows = slice(start, start + BLOCK)
        pairs = np.sign(predicted[rows, None] - predicted) * np.sign(mos[rows, None] - mos)
        concordant += (counts[:, rows] * (drawn @ pairs.T.astype(np.float32))).sum(axis=1)
    untied = [total**2 - np.square(_by_value(values, counts)[0]).sum(axis=1) for values in (predicted, mos)]
    return _ratio(concordant, untied[0], untied[1], total)


def weighted_rmse(predicted: np.ndarray, mos: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Root mean squared error."""
    total = counts.sum(axis=1)
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(total >= 3, np.sqrt(counts @ np.square(predicted - mos) / total), np.nan)


WEIGHTED: dict[Callable[..., float], Weighted] = {
    srcc: weighted_srcc,
    plcc: weighted_plcc,
    krcc: weighted_krcc,
    rmse: weighted_rmse,
}


def _ratio(covariance: np.ndarray, x: np.ndarray, y: np.ndarray, total: np.ndarray) -> np.ndarray:
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where((total >= 3) & (x > 0) & (y > 0), covariance / np.sqrt(x) / np.sqrt(y), np.nan)


def _standardised(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1)


def _by_value(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(R, U) counts of the U different values in rising order, and for each photo which of them it has, (N,)."""
    different, which = np.unique(values, return_inverse=True)
    order = np.argsort(which, kind='stable')
    starts = np.searchsorted(which[order], np.arange(len(different)))
    return np.add.reduceat(counts[:, order], starts, axis=1), which


def _centred_ranks(values: np.ndarray, counts: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(R, N) mean ranks less their mean, (total + 1) / 2; 0 for all photos of a constant replicate."""
    tied, which = _by_value(values, counts)
    ranks = np.cumsum(tied, axis=1) - (tied + total[:, None]) / 2
    return ranks[:, which]
