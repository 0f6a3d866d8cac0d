"""Linear probe: how much quality is in frozen features?

Two ways to choose the penalty of one ridge regression: :func:`cross_validated_probe` for opinion scores, which may be
few, :func:`ridge_probe` where a validation part is at hand and large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.folds import draw_folds

PENALTIES = tuple(float(x) for x in np.logspace(0, 5, 21))

FOLDS = 5
"""Parts of the labelled photos; each is predicted by a fit to the others, and all together choose the penalty."""

FLOOR = 0.1
"""Least spread of a feature, as a share of the root mean square spread of all.

A channel that is silent on nearly all training photos has a tiny spread; divided by it, the first test photo on which
the channel speaks gets a score far outside the scale (docs/experiments.md, section 2).
"""


def ridge_probe(
    train: np.ndarray, target: np.ndarray, val: np.ndarray, val_target: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features; spreads are at least :data:`FLOOR` of the usual one.

    The penalty out of :data:`PENALTIES` is the one whose fit to the training part has the least squared error on the
    validation part; the regression is then fitted to both. The test part has no part in it.

    Args:
        train: (N, C) features.
        target: (N,) what is to be read from them.
        val: (V, C) features.
        val_target: (V,).
        test: (M, C) features.

    Returns:
        (M,) predictions, and the penalty.

    Raises:
        InputError: shapes that do not fit.
    """
    shapes = [np.shape(x) for x in (train, target, val, val_target, test)]
    fits = all(len(s) == 2 for s in (shapes[0], shapes[2], shapes[4])) and len({s[1] for s in shapes[::2]}) == 1
    if not fits or shapes[0][:1] != shapes[1] or shapes[2][:1] != shapes[3] or min(s[0] for s in shapes) < 1:
        raise InputError(f'features and targets do not fit: {", ".join(map(str, shapes))}')
    train, val, test = (x.astype(np.float64) for x in (train, val, test))
    target, val_target = (np.asarray(x, np.float64) for x in (target, val_target))
    targets = np.tile(target[:, None], (1, len(PENALTIES)))  # one decomposition for all penalties
    centre, spread = _statistics(train)
    model = Ridge(alpha=np.array(PENALTIES), solver='svd').fit((train - centre) / spread, targets)
    tried = model.predict((val - centre) / spread)  # (V, penalties)
    best = PENALTIES[int(np.argmin(((tried - val_target[:, None]) ** 2).mean(axis=0)))]
    both = np.concatenate([train, val])
    centre, spread = _statistics(both)
    model = Ridge(alpha=best).fit((both - centre) / spread, np.concatenate([target, val_target]))
    return model.predict((test - centre) / spread), best


def cross_validated_probe(
    labelled: np.ndarray,
    mos: np.ndarray,
    test: np.ndarray,
    scales: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features to MOS, its penalty chosen by cross-validation.

    The labelled photos make :data:`FOLDS` parts, near-duplicates in one; each is predicted by a fit to the others. The
    penalty out of :data:`PENALTIES` has the least squared error over all of them, and the regression is then fitted to
    all. Test photos have no part in it. With 120 labels, a tenth of which used to choose, the penalty was anything
    from 1 to 30,000 (docs/experiments.md, section 6).

    With rating scales the model is ``mos = offset_s + slope_s (w x)``: every scale has an offset of its own, which is
    not penalised, and its slope is the standard deviation of its scores. In closed form: features and scores are
    centred within their scale, and scores divided by that deviation. Errors are in these deviations, too, so that all
    scales count alike; predictions are of the common quality.

    Args:
        labelled: (N, C) features of the photos whose opinion scores are used.
        mos: (N,) opinion scores.
        test: (M, C) features.
        scales: N names of the rating scales; None where all photos share one.
        groups: N names of groups of near-duplicates; None where every photo is its own.

    Returns:
        (M,) predictions, and the penalty: in the units of the MOS, or with scales in standard deviations of a scale.

    Raises:
        InputError: shapes that do not fit, or fewer than 3 photos that are no near-duplicates of each other.
    """
    shapes = [np.shape(x) for x in (labelled, mos, test)]
    fits = len(shapes[0]) == len(shapes[2]) == 2 and shapes[0][1] == shapes[2][1]
    if not fits or shapes[0][:1] != shapes[1] or not shapes[2][0]:
        raise InputError(f'features and MOS do not fit: {", ".join(map(str, shapes))}')
    count = len(mos)
    for name, given in (('scale', scales), ('group', groups)):
        if given is not None and len(given) != count:
            raise InputError(f'every photo needs a {name}: {count} MOS, {len(given)} {name}s')
    names = [str(number) for number in range(count)] if groups is None else list(groups)
    apart = len(set(names))
    if apart < 3:
        raise InputError(
            f'a linear probe chooses its penalty by cross-validation, which {apart} labelled '
            f'photo{"" if apart == 1 else "s"}, near-duplicates counted once, cannot do: give at least 3'
        )
    labelled, test = (x.astype(np.float64) for x in (labelled, test))
    mos = np.asarray(mos, np.float64)
    scale = np.zeros(count, int) if scales is None else np.unique(list(scales), return_inverse=True)[1]
    fold = draw_folds(names, min(FOLDS, apart))
    errors = np.zeros(len(PENALTIES))
    for number in range(fold.max() + 1):
        here = fold == number
        fit = _Fit(labelled[~here], mos[~here], scale[~here], scales is not None)
        errors += fit.errors(labelled[here], mos[here], scale[here], PENALTIES)
    best = PENALTIES[int(np.argmin(errors))]
    fit = _Fit(labelled, mos, scale, scales is not None)
    return fit.read(test, best) + (0.0 if scales is not None else mos.mean()), best


class _Fit:
    """Ridge regressions with any penalty, from one decomposition.

    Args:
        x: (N, C) features.
        mos: (N,) opinion scores.
        scale: (N,) numbers of the rating scales.
        standardise: whether scores count in deviations of their scale.
    """

    def __init__(self, x: np.ndarray, mos: np.ndarray, scale: np.ndarray, standardise: bool) -> None:
        self.centre, self.spread = _statistics(x)
        x = self._standard(x)
        self.scales: dict[int, tuple[np.ndarray, float, float]] = {}  # means of features, mean and deviation of scores
        y = np.empty(len(mos))
        for number in np.unique(scale):
            same = scale == number
            deviation = mos[same].std() if standardise else 1.0
            means, mean, deviation = x[same].mean(axis=0), mos[same].mean(), deviation if deviation > 0 else 1.0
            self.scales[number] = means, mean, deviation
            x[same] -= means
            y[same] = (mos[same] - mean) / deviation
        wide = x.shape[1] > len(x)  # then in the space of the photos: the smaller matrix
        values, vectors = eigh(x @ x.T if wide else x.T @ x, check_finite=False)
        self.values = np.maximum(values, 0)
        self.back = x.T @ vectors if wide else vectors  # (C, K): to weights of features
        self.moment = vectors.T @ (y if wide else x.T @ y)

    def read(self, x: np.ndarray, penalty: float) -> np.ndarray:
        """(M,) of features (M, C): the common quality, without the offset of a scale."""
        return self._standard(x) @ self._weights([penalty])[:, 0]

    def errors(self, x: np.ndarray, mos: np.ndarray, scale: np.ndarray, penalties: Sequence[float]) -> np.ndarray:
        """(penalties,) sums of squared errors over photos of scales that were fitted."""
        weights = self._weights(penalties)
        x = self._standard(x)
        found = np.zeros(len(penalties))
        for number in np.unique(scale):
            if number in self.scales:
                same = scale == number
                means, mean, deviation = self.scales[number]
                target = (mos[same] - mean) / deviation
                found += (((x[same] - means) @ weights - target[:, None]) ** 2).sum(axis=0)
        return found

    def _standard(self, x: np.ndarray) -> np.ndarray:
        return (x - self.centre) / self.spread

    def _weights(self, penalties: Sequence[float]) -> np.ndarray:
        """(C, penalties)."""
        return self.back @ (self.moment[:, None] / (self.values[:, None] + np.array(penalties)))


def _statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and spread (C,), the standard deviation or :data:`FLOOR` of the usual one where that is more."""
    spread = features.std(axis=0)
    usual = np.sqrt((spread**2).mean())
    return features.mean(axis=0), np.maximum(spread, FLOOR * usual if usual > 0 else 1.0)
