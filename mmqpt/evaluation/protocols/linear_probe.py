"""Linear probe: how much quality is in frozen features?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.correlation import srcc

PENALTIES = tuple(float(x) for x in np.logspace(0, 5, 21))

FLOOR = 0.1
"""Least spread of a feature, as a share of the root mean square spread of all.

A channel that is silent on nearly all training photos has a tiny spread; divided by it, the first test photo on which
the channel speaks gets a score far outside the scale (docs/experiments.md, section 2).
"""


def ridge_probe(
    train: np.ndarray,
    mos: np.ndarray,
    val: np.ndarray,
    val_mos: np.ndarray,
    test: np.ndarray,
    scales: Sequence[str] | None = None,
    val_scales: Sequence[str] | None = None,
) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features to MOS; spreads are at least :data:`FLOOR` of the usual one.

    The penalty out of :data:`PENALTIES` is the one whose fit to the training photos has the least squared error on the
    validation photos; the regression is then fitted to both. Test photos have no part in it.

    With rating scales the model is ``mos = offset_s + slope_s (w x)``: every scale has an offset of its own, which is
    not penalised, and its slope is the standard deviation of its training scores. In closed form: features and scores
    are centred within their scale, and scores divided by that deviation. The penalty is then the one with the largest
    mean SRCC within the scales of the validation photos, of those with at least 3; predictions are of the common
    quality.

    Args:
        train: (N, C) features.
        mos: (N,) opinion scores.
        val: (V, C) features.
        val_mos: (V,) opinion scores.
        test: (M, C) features.
        scales: N names of the rating scales of the training photos; None where all share one.
        val_scales: V names of those of the validation photos.

    Returns:
        (M,) predictions, and the penalty: in the units of the MOS, or with scales in standard deviations of a scale.
    """
    shapes = [np.shape(x) for x in (train, mos, val, val_mos, test)]
    fits = all(len(s) == 2 for s in (shapes[0], shapes[2], shapes[4])) and len({s[1] for s in shapes[::2]}) == 1
    if not fits or shapes[0][:1] != shapes[1] or shapes[2][:1] != shapes[3] or min(s[0] for s in shapes) < 1:
        raise InputError(f'features and MOS do not fit: {", ".join(map(str, shapes))}')
    train, val, test = (x.astype(np.float64) for x in (train, val, test))
    mos, val_mos = (np.asarray(x, np.float64) for x in (mos, val_mos))
    if scales is not None and val_scales is not None:
        return _ridge_on_scales(train, mos, list(scales), val, val_mos, list(val_scales), test)
    targets = np.tile(mos[:, None], (1, len(PENALTIES)))  # one decomposition for all penalties
    centre, spread = _statistics(train)
    model = Ridge(alpha=np.array(PENALTIES), solver='svd').fit((train - centre) / spread, targets)
    tried = model.predict((val - centre) / spread)  # (V, penalties)
    best = PENALTIES[int(np.argmin(((tried - val_mos[:, None]) ** 2).mean(axis=0)))]
    both = np.concatenate([train, val])
    centre, spread = _statistics(both)
    model = Ridge(alpha=best).fit((both - centre) / spread, np.concatenate([mos, val_mos]))
    return model.predict((test - centre) / spread), best


def _ridge_on_scales(
    train: np.ndarray,
    mos: np.ndarray,
    scales: list[str],
    val: np.ndarray,
    val_mos: np.ndarray,
    val_scales: list[str],
    test: np.ndarray,
) -> tuple[np.ndarray, float]:
    if len(scales) != len(mos) or len(val_scales) != len(val_mos):
        raise InputError(f'every photo needs a scale: {len(mos)}, {len(val_mos)} MOS, {len(scales)}, {len(val_scales)}')
    centre, spread = _statistics(train)
    features, targets = _within_scales((train - centre) / spread, mos, scales)
    repeated = np.tile(targets[:, None], (1, len(PENALTIES)))
    model = Ridge(alpha=np.array(PENALTIES), fit_intercept=False, solver='svd').fit(features, repeated)
    tried = model.predict((val - centre) / spread)  # (V, penalties)
    best = PENALTIES[int(np.argmax([_macro_srcc(column, val_mos, val_scales) for column in tried.T]))]
    both = np.concatenate([train, val])
    centre, spread = _statistics(both)
    features, targets = _within_scales((both - centre) / spread, np.concatenate([mos, val_mos]), scales + val_scales)
    model = Ridge(alpha=best, fit_intercept=False).fit(features, targets)
    return model.predict((test - centre) / spread), best


def _within_scales(features: np.ndarray, mos: np.ndarray, scales: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, C) centred within their scale, and scores (N,) standardised within it."""
    features, targets = features.copy(), np.empty(len(mos))
    for name in sorted(set(scales)):
        same = np.array([scale == name for scale in scales])
        features[same] -= features[same].mean(axis=0)
        deviation = mos[same].std()
        targets[same] = (mos[same] - mos[same].mean()) / (deviation if deviation > 0 else 1.0)
    return features, targets


def _macro_srcc(predicted: np.ndarray, mos: np.ndarray, scales: list[str]) -> float:
    """Mean SRCC within scales; those in which it is not defined are left out. -1 where it is defined in none."""
    found = []
    for name in sorted(set(scales)):
        same = np.array([scale == name for scale in scales])
        try:
            found.append(srcc(predicted[same], mos[same]))
        except InputError:
            continue
    return float(np.mean(found)) if found else -1.0


def _statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and spread (C,), the standard deviation or :data:`FLOOR` of the usual one where that is more."""
    spread = features.std(axis=0)
    usual = np.sqrt((spread**2).mean())
    return features.mean(axis=0), np.maximum(spread, FLOOR * usual if usual > 0 else 1.0)
