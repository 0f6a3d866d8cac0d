"""Agreement within groups of photos: what a pooled correlation owes to differences between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import check_scores, srcc

MACRO = 'mean within subsets'
"""What results call the mean of a measure over the subsets of a set."""

CARRIED = 0.5
"""Share of the pooled agreement from which a report says that differences between groups carry it (design choice)."""


@dataclass(frozen=True)
class Grouped:
    """A rank correlation over all photos and within each group.

    Args:
        pooled: over all photos.
        within: for each group.
        macro: mean over the groups.
        between: of a constant for each group, its mean MOS, with the MOS of all photos: what knowing the group alone is
            worth in the pooled figure.
    """

    pooled: float
    within: dict[str, float]
    macro: float
    between: float

    @property
    def share(self) -> float:
        """How much of the pooled agreement a constant for each group reaches alone; 0 where there is none."""
        return max(0.0, self.between) / self.pooled if self.pooled > 0 else 0.0

    @property
    def note(self) -> str:
        """One sentence where groups carry the pooled figure; else empty."""
        if len(self.within) < 2 or self.share < CARRIED:
            return ''
        return (
            f'The pooled SRCC of {self.pooled:.3f} is carried by differences between {len(self.within)} groups: a '
            f'constant for each group alone reaches {self.between:.3f} ({100 * self.share:.0f} % of it); within groups '
            f'the mean is {self.macro:.3f}.'
        )


def grouped_srcc(predicted: ArrayLike, mos: ArrayLike, groups: Sequence[str]) -> Grouped:
    """SRCC over all photos, within each group, and of the groups' means alone.

    Args:
        predicted: (N,) predictions, higher is better.
        mos: (N,) opinion scores.
        groups: N names: subsets that were rated on scales of their own, or whose photos differ in kind.

    Raises:
        InputError: lengths that differ, or a group in which SRCC is not defined (fewer than 3 photos, or constant).
    """
    x, y = check_scores(predicted, mos)
    if len(groups) != len(x):
        raise InputError(f'every photo needs a group: {len(x)} predictions, {len(groups)} groups')
    within = {}
    constant = np.empty(len(y))
    for name, same in members(groups).items():
        constant[same] = y[same].mean()
        try:
            within[name] = srcc(x[same], y[same])
        except InputError as error:
            raise InputError(f'group {name!r}: {error}') from error
    between = srcc(constant, y) if len(within) > 1 else 0.0
    return Grouped(srcc(x, y), within, float(np.mean(list(within.values()))), between)


def macro(
    statistic: Callable[[np.ndarray, np.ndarray], float], predicted: np.ndarray, mos: np.ndarray, groups: Sequence[str]
) -> float:
    """Mean of a statistic of (predicted, mos) over groups.

    Raises:
        InputError: it is not defined in a group.
    """
    return float(np.mean([statistic(predicted[same], mos[same]) for same in members(groups).values()]))


def members(groups: Sequence[str]) -> dict[str, np.ndarray]:
    """The places of each group's photos, groups in alphabetical order."""
    names = np.asarray(groups, dtype=object)
    return {name: np.flatnonzero(names == name) for name in sorted(set(groups))}
