"""Linear readers of distortions: level, type, and the order of levels, from frozen features, split by photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.distortions import CLEAN, RUNGS, Design
from mmqpt.evaluation.protocols.linear_probe import FLOOR, PENALTIES, ridge_probe


@dataclass(frozen=True)
class Readings:
    """What readers say of every image, each fitted to other photos.

    Args:
        level: (I,) level of each image, by the reader of all distortions.
        kind: (I,) number of the distortion of each image; :data:`CLEAN` for photos as they are, which are not asked.
        level_each: (L, 6) level of each rung, by a reader of that distortion alone.
        position: (L, 6) place of each rung along the mean displacement of that distortion.
    """

    level: np.ndarray
    kind: np.ndarray
    level_each: np.ndarray
    position: np.ndarray


def read_distortions(features: np.ndarray, design: Design, done: Callable[[int], object] | None = None) -> Readings:
    """Fit readers and read every image by those that did not see its photo, nor a near-duplicate of it.

    For every fold, the next one chooses the penalties and the others are fitted to; then all but the fold itself. All
    readers are ridge regressions on standardised features, as in the linear probe:

    - level: one regression to the level, 0 to 5, of all distortions together; a photo counts once at level 0 for each
      of its distortions. The penalty has the least squared error.
    - type: a regression to an indicator of each distortion, of images at level 1 to 5; the largest wins. The penalty
      has the highest accuracy.
    - level, one distortion at a time: a regression for each distortion.
    - position: nothing is fitted. The features of a rung along the mean difference between level 5 and the photo
      itself, over the other photos that have the distortion.

    Args:
        features: (I, C) of the design's images.
        design: of I images.
        done: called with 1 after each fold.

    Raises:
        InputError: features of another number of images.
    """
    photo, kind, level = design.images.T
    if features.ndim != 2 or len(features) != len(photo):
        raise InputError(f'{len(photo)} images need as many rows of features, got shape {features.shape}')
    fold = design.folds[photo]
    fold_of_ladder = design.folds[design.ladders[:, 0]]
    folds = range(int(design.folds.max()) + 1)
    x = features.astype(np.float64)
    x = x - x.mean(axis=0)  # for the precision of sums; readers centre on their own photos
    found = Readings(
        np.zeros(len(x)),
        np.full(len(x), CLEAN),
        np.zeros(design.rungs.shape),
        np.zeros(design.rungs.shape),
    )
    ladders_of = np.bincount(design.ladders[:, 0], minlength=len(design.names))
    is_clean = kind == CLEAN
    weight = np.where(is_clean, ladders_of[photo], 1.0)  # levels count alike
    indicator = (kind[:, None] == np.arange(len(design.distortions))).astype(np.float64)
    levels = [_sums(x[fold == f], level[fold == f, None], weight[fold == f]) for f in folds]
    types = [_sums(x[fold == f], indicator[fold == f], (~is_clean[fold == f]).astype(float)) for f in folds]
    for test in folds:
        val = (test + 1) % len(folds)
        fit = [f for f in folds if f not in (test, val)]
        here, chosen = fold == test, fold == val
        best = _best_for_level(levels, fit, x[chosen], level[chosen], weight[chosen])
        found.level[here] = _reader(levels, [*fit, val], best)(x[here])[:, 0]
        asked, chosen = here & ~is_clean, chosen & ~is_clean
        best = _best_for_type(types, fit, x[chosen], kind[chosen])
        found.kind[asked] = _reader(types, [*fit, val], best)(x[asked]).argmax(axis=1)
        spread = _standard(_joined(levels, [*fit, val]))[1]
        for number in range(len(design.distortions)):
            own = design.ladders[:, 1] == number
            parts = [own & np.isin(fold_of_ladder, part) for part in (fit, [val], [test])]
            found.level_each[parts[2]] = _read_one(x, design.rungs, parts)
            found.position[parts[2]] = _positions(x / spread, design.rungs, parts[0] | parts[1], parts[2])
        if done:
            done(1)
    return found


def ordered_pairs(position: np.ndarray) -> np.ndarray:
    """(L,) share of the pairs of rungs in which the harsher one is further; (L, 6). Equal ones count half."""
    pairs = [np.sign(position[:, harsh] - position[:, mild]) for mild, harsh in combinations(range(len(RUNGS)), 2)]
    return (np.mean(pairs, axis=0) + 1) / 2


@dataclass(frozen=True)
class _Sums:
    """Weighted sums over images that a regression needs: sums of several folds add up."""

    count: float
    x: np.ndarray  # (C,)
    xx: np.ndarray  # (C, C)
    y: np.ndarray  # (T,)
    xy: np.ndarray  # (C, T)


def _sums(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> _Sums:
    weighted = x * weight[:, None]
    return _Sums(float(weight.sum()), weighted.sum(axis=0), weighted.T @ x, weight @ y, weighted.T @ y)


def _joined(parts: Sequence[_Sums], chosen: Sequence[int]) -> _Sums:
    fields = [[getattr(parts[i], name) for i in chosen] for name in ('count', 'x', 'xx', 'y', 'xy')]
    return _Sums(*(sum(values[1:], values[0]) for values in fields))


def _standard(sums: _Sums) -> tuple[np.ndarray, np.ndarray]:
    """Means and spreads (C,), the latter at least :data:`FLOOR` of the usual one."""
    centre = sums.x / sums.count
    variance = np.maximum(np.diag(sums.xx) / sums.count - centre**2, 0)
    usual = np.sqrt(variance.mean())
    return centre, np.maximum(np.sqrt(variance), FLOOR * usual if usual > 0 else 1.0)


Read = Callable[[np.ndarray], np.ndarray]


def _reader(parts: Sequence[_Sums], chosen: Sequence[int], penalty: float) -> Read:
    return next(_readers(parts, chosen, [penalty]))


def _readers(parts: Sequence[_Sums], chosen: Sequence[int], penalties: Sequence[float]) -> Iterator[Read]:
    """Ridge regressions with an intercept, (n, C) -> (n, T), one for each penalty."""
    sums = _joined(parts, chosen)
    centre, spread = _standard(sums)
    target = sums.y / sums.count
    gram = (sums.xx - sums.count * np.outer(centre, centre)) / np.outer(spread, spread)
    moment = (sums.xy - np.outer(sums.x, target)) / spread[:, None]
    diagonal = np.diag(gram).copy()
    for penalty in penalties:
        np.fill_diagonal(gram, diagonal + penalty)
        weights = cho_solve(cho_factor(gram, check_finite=False), moment) / spread[:, None]
        yield partial(_read, weights=weights, centre=centre, target=target)


def _read(x: np.ndarray, weights: np.ndarray, centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    return (x - centre) @ weights + target


def _best_for_level(
    parts: Sequence[_Sums], fit: Sequence[int], x: np.ndarray, level: np.ndarray, weight: np.ndarray
) -> float:
    """The penalty whose reader has the least squared error."""
    errors = [weight @ (read(x)[:, 0] - level) ** 2 for read in _readers(parts, fit, PENALTIES)]
    return PENALTIES[int(np.argmin(errors))]


def _best_for_type(parts: Sequence[_Sums], fit: Sequence[int], x: np.ndarray, kind: np.ndarray) -> float:
    """The penalty whose reader is right most often; of equal ones the least."""
    right = [np.mean(read(x).argmax(axis=1) == kind) for read in _readers(parts, fit, PENALTIES)]
    return PENALTIES[int(np.argmax(right))]


def _read_one(x: np.ndarray, rungs: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """(L', 6) levels of the last part's ladders by a regression to the first part; the second chooses the penalty."""
    fit, val, test = (x[rungs[part].ravel()] for part in parts)
    levels = np.array(RUNGS, np.float64)
    known = [np.tile(levels, int(part.sum())) for part in parts[:2]]
    return ridge_probe(fit, known[0], val, known[1], test)[0].reshape(-1, len(RUNGS))


def _positions(x: np.ndarray, rungs: np.ndarray, others: np.ndarray, test: np.ndarray) -> np.ndarray:
    """(L', 6) places of the test ladders along the mean displacement of the others, less that of level 0."""
    direction = (x[rungs[others, -1]] - x[rungs[others, 0]]).mean(axis=0)
    length = np.linalg.norm(direction)
    moved = x[rungs[test]] - x[rungs[test, 0]][:, None]
    return moved @ (direction / length if length > 0 else direction)
