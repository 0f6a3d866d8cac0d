"""How well predictions follow opinion scores. Plain functions on arrays; no Runner needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from mmqpt.core.errors import InputError


def srcc(predicted: ArrayLike, mos: ArrayLike) -> float:
    """Spearman's rank correlation coefficient, -1 to 1; ties get their mean rank."""
    x, y = check_scores(predicted, mos)
    return float(stats.spearmanr(x, y).statistic)


def plcc(predicted: ArrayLike, mos: ArrayLike) -> float:
    """Pearson's linear correlation coefficient, -1 to 1, of the raw predictions (no logistic fit)."""
    x, y = check_scores(predicted, mos)
    return float(stats.pearsonr(x, y).statistic)


def krcc(predicted: ArrayLike, mos: ArrayLike) -> float:
    """Kendall's rank correlation coefficient (tau-b), -1 to 1."""
    x, y = check_scores(predicted, mos)
    return float(stats.kendalltau(x, y).statistic)


def rmse(predicted: ArrayLike, mos: ArrayLike) -> float:
    """Root mean squared error, in the units of the scores, of the raw predictions (no logistic fit)."""
    x, y = check_scores(predicted, mos, constant=True)
    return float(np.sqrt(np.mean((x - y) ** 2)))


def check_scores(
    predicted: ArrayLike, mos: ArrayLike, constant: bool = False, least: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 of shape (N,).

    Args:
        predicted: N predictions.
        mos: N opinion scores.
        constant: whether one of them may be the same for all photos.
        least: photos that are needed.

    Raises:
        InputError: different lengths, values that are not finite, too few photos, or all the same.
    """
    x, y = np.asarray(predicted, np.float64), np.asarray(mos, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise InputError(f'predictions and MOS must be two lists of one length, got shapes {x.shape} and {y.shape}')
    for name, values in (('predictions', x), ('MOS', y)):
        if not np.isfinite(values).all():
            raise InputError(f'{name} hold {int((~np.isfinite(values)).sum())} values that are not finite')
    if len(x) < least:
        raise InputError(f'a correlation needs at least {least} photos, got {len(x)}')
    for name, values in (('predictions', x), ('MOS', y)):
        if not constant and np.ptp(values) == 0:
            raise InputError(f'{name} are all {values[0]}: a correlation is not defined')
    return x, y
