"""Percentile bootstrap over photos, jointly for all splits: intervals of a measure and of the difference of two models.

A replicate draws groups of photos with replacement out of all groups of the test parts, and the same draw holds in
every part in which a photo occurs: random splits share photos, so that their figures are not independent. It also draws
the splits with replacement, where there are several, and its value is the median over the splits drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.groups import macro, members
from mmqpt.evaluation.statistics.measures import LOWER_IS_BETTER
from mmqpt.evaluation.statistics.predictions import Predictions
from mmqpt.evaluation.statistics.weighted import WEIGHTED

Statistic = Callable[[np.ndarray, np.ndarray], float]  # (predicted, mos), like srcc
CHUNK = 1_000_000  # counts in memory at once
DEGENERATE = 0.05  # share of the replicates that may lack a value


@dataclass(frozen=True)
class Difference:
    """The difference of two models in one measure.

    Args:
        difference: median over the splits of (a - b).
        low: lower end of its interval.
        high: upper end.
        replicates: how many had a value.
        level: of the interval, 0 to 1.
    """

    difference: float
    low: float
    high: float
    replicates: int
    level: float


def interval(
    parts: Sequence[Predictions],
    statistic: Statistic,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
    draw_splits: bool = True,
    within: bool = False,
) -> tuple[float, float]:
    """Interval of the median over splits of a measure.

    Args:
        parts: the predictions for the test part of each split.
        statistic: takes predictions and MOS of a part and returns a figure. Those of correlation.py are fast, others
            are called for every replicate and part.
        level: 0 to 1.
        replicates: how often to draw.
        seed: of the draws.
        draw_splits: whether to draw splits, too; without it, an interval holds for these splits and trainings only.
        within: whether the figure is the mean over the subsets of a part, instead of that of all its photos.

    Raises:
        InputError: no parts, a bad level, too few replicates for the level, or too many replicates in which the
            statistic is not defined.
    """
    _check(parts, level, replicates)
    values, splits = zip(*_replicates([parts], statistic, replicates, seed, draw_splits, within), strict=True)
    return _percentiles(np.concatenate(values)[:, 0], np.concatenate(splits), level)[:2]


def paired_difference(
    a: Sequence[Predictions],
    b: Sequence[Predictions],
    statistic: Statistic,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
    draw_splits: bool = True,
    within: bool = False,
) -> Difference:
    """Difference of two models on the same photos, and its interval.

    The difference is taken within each split, and then the median over splits: what makes a split easy or hard moves
    both models and cancels. A difference of medians may compare two different splits.

    Args:
        a: the predictions of one model for the test part of each split.
        b: those of the other model, for the same parts; photos may be in another order.
        statistic: see :func:`interval`.
        level: 0 to 1.
        replicates: how often to draw.
        seed: of the draws.
        draw_splits: see :func:`interval`.
        within: see :func:`interval`.

    Raises:
        InputError: as :func:`interval`; the parts do not hold the same photos, MOS and groups.
    """
    _check(a, level, replicates)
    if len(a) != len(b):
        raise InputError(f'a comparison needs the same splits of both models, got {len(a)} and {len(b)}')
    aligned = [_align(one, other, number) for number, (one, other) in enumerate(zip(a, b, strict=True), start=1)]
    values, splits = zip(*_replicates([a, aligned], statistic, replicates, seed, draw_splits, within), strict=True)
    values = np.concatenate(values)
    low, high, count = _percentiles(values[:, 0] - values[:, 1], np.concatenate(splits), level)
    observed = [_figure(statistic, x, within) - _figure(statistic, y, within) for x, y in zip(a, aligned, strict=True)]
    return Difference(float(np.median(observed)), low, high, count, level)


def describe_difference(name_a: str, name_b: str, measure: str, difference: Difference) -> str:
    """One sentence: is there a difference, and which of the two is better?

    Args:
        name_a: the model that was ``a`` of :func:`paired_difference`.
        name_b: the one that was ``b``.
        measure: its name; lower is better for RMSE, RMSE4 and RMSE5.
        difference: a - b.
    """
    level = f'{100 * difference.level:g} %'
    if difference.low <= 0 <= difference.high:
        digits = _digits(difference.low, difference.high)
        value, low, high = (_number(x, digits) for x in (difference.difference, difference.low, difference.high))
        return (
            f'No difference between {name_a} and {name_b} in {measure} can be shown: {value}, '
            f'{level} interval {low} to {high} includes 0.'
        )
    gain = -1 if measure in LOWER_IS_BETTER else 1
    word = 'better' if gain * difference.low > 0 else 'worse'
    ends = sorted(abs(x) for x in (difference.low, difference.high))
    digits = _digits(*ends)
    value, low, high = (_number(abs(x), digits) for x in (difference.difference, *ends))
    return (
        f'{name_a} is {word} than {name_b} in {measure} by {value} '
        f'({level} interval {low} to {high}, which excludes 0).'
    )


def chance_note(comparisons: int, level: float = 0.95) -> str:
    """One sentence on how many differences chance alone would show; verdicts are not corrected for that."""
    expected = comparisons * (1 - level)
    return (
        f'{comparisons} comparisons at {100 * level:g} % each: if no two models differed, about {expected:.2g} '
        f'would exclude 0 by chance.'
    )


def _check(parts: Sequence[Predictions], level: float, replicates: int) -> None:
    if not parts:
        raise InputError('a bootstrap needs the predictions of at least one split, got none')
    if not 0 < level < 1:
        raise InputError(f'level must be between 0 and 1, got {level}')
    if replicates * (1 - level) < 2:
        raise InputError(
            f'an interval at level {level} needs at least {int(np.ceil(2 / (1 - level)))} replicates, got {replicates}'
        )


def _replicates(
    models: Sequence[Sequence[Predictions]],
    statistic: Statistic,
    replicates: int,
    seed: int,
    draw_splits: bool,
    within: bool,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values (R, models, splits) and the splits drawn (R, splits), in chunks of R replicates."""
    for model in models:
        for part in model:
            _figure(statistic, part, within)  # raises if it is not defined on a whole part
    rng = np.random.default_rng(seed)
    parts = models[0]
    number = {group: i for i, group in enumerate(dict.fromkeys(group for part in parts for group in part.groups))}
    members = [np.array([number[group] for group in part.groups], int) for part in parts]
    chunk = max(1, CHUNK // max(1, len(number)))
    for start in range(0, replicates, chunk):
        rows = min(chunk, replicates - start)
        drawn = rng.integers(len(number), size=(rows, len(number))) + len(number) * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * len(number)).reshape(rows, -1)
        splits = rng.integers(len(parts), size=(rows, len(parts)))
        values = [
            [_values(statistic, part, counts[:, member], within) for part, member in zip(model, members, strict=True)]
            for model in models
        ]
        yield (
            np.array(values).transpose(2, 0, 1),
            splits if draw_splits else np.arange(len(parts))[None].repeat(rows, 0),
        )


def _figure(statistic: Statistic, part: Predictions, within: bool) -> float:
    """The statistic of a part, or its mean over the part's subsets."""
    if within:
        return macro(statistic, part.predicted, part.mos, part.subsets)
    return statistic(part.predicted, part.mos)


def _values(statistic: Statistic, part: Predictions, counts: np.ndarray, within: bool) -> np.ndarray:
    """(R,) values for (R, N) counts; NaN where the statistic is not defined, if only in one subset."""
    if within:
        places = members(part.subsets)
        found = [_values(statistic, part.subset(name), counts[:, same], False) for name, same in places.items()]
        return np.mean(found, axis=0)
    if statistic in WEIGHTED:
        return WEIGHTED[statistic](part.predicted, part.mos, counts)
    values = np.full(len(counts), np.nan)
    for row, count in enumerate(counts):
        index = np.repeat(np.arange(len(count)), count)
        try:
            values[row] = statistic(part.predicted[index], part.mos[index])
        except InputError:
            continue
    return values


def _percentiles(values: np.ndarray, splits: np.ndarray, level: float) -> tuple[float, float, int]:
    """Interval of the medians over the drawn splits of (R, splits) values, and how many replicates had one."""
    medians = np.median(np.take_along_axis(values, splits, axis=1), axis=1)
    good = medians[np.isfinite(medians)]
    if len(medians) - len(good) > DEGENERATE * len(medians):
        raise InputError(
            f'{len(medians) - len(good)} of {len(medians)} replicates have too few different photos for the figure: '
            f'no interval can be given'
        )
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), len(good)


def _align(a: Predictions, b: Predictions, number: int) -> Predictions:
    """b in the order of a."""
    where = {name: i for i, name in enumerate(b.names)}
    for name in a.names:
        if name not in where:
            raise InputError(f'split {number}: {name!r} was predicted by the first model only')
    if len(b.names) != len(a.names):
        other = next(name for name in b.names if name not in set(a.names))
        raise InputError(f'split {number}: {other!r} was predicted by the second model only')
    order = np.array([where[name] for name in a.names], int)
    for i, name in enumerate(a.names):
        if not np.isclose(a.mos[i], b.mos[order[i]], rtol=1e-9, atol=0):
            raise InputError(
                f'split {number}: {name!r} has MOS {a.mos[i]} for the first model and {b.mos[order[i]]} for the second'
            )
        if a.groups[i] != b.groups[order[i]]:
            raise InputError(
                f'split {number}: {name!r} is in group {a.groups[i]!r} for the first model and in '
                f'{b.groups[order[i]]!r} for the second'
            )
    return Predictions(a.names, a.mos, b.predicted[order], a.groups, a.subsets)


def _digits(low: float, high: float) -> int:
    """Decimals: 3, more if an end that is not 0 would look like it."""
    digits = 3
    while digits < 9 and any(x != 0 and round(x, digits) == 0 for x in (low, high)):
        digits += 1
    return digits


def _number(value: float, digits: int) -> str:
    return f'{round(value, digits) + 0.0:.{digits}f}'
