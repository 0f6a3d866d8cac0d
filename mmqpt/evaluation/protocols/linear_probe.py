"""Linear probe: how much quality is in frozen features?"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError

PENALTIES = tuple(float(x) for x in np.logspace(0, 5, 21))

FLOOR = 0.1
"""Least spread of a feature, as a share of the root mean square spread of all.

A channel that is silent on nearly all training photos has a tiny spread; divided by it, the first test photo on which
the channel speaks gets a score far outside the scale (docs/experiments.md, section 2).
"""


def ridge_probe(
    train: np.ndarray, mos: np.ndarray, val: np.ndarray, val_mos: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features to MOS; spreads are at least :data:`FLOOR` of the usual one.

    The penalty out of :data:`PENALTIES` is the one whose fit to the training photos has the least squared error on the
    validation photos; the regression is then fitted to both. Test photos have no part in it.

    Args:
        train: (N, C) features.
        mos: (N,) opinion scores.
        val: (V, C) features.
        val_mos: (V,) opinion scores.
        test: (M, C) features.

    Returns:
        (M,) predictions, and the penalty.
    """
    shapes = [np.shape(x) for x in (train, mos, val, val_mos, test)]
    fits = all(len(s) == 2 for s in (shapes[0], shapes[2], shapes[4])) and len({s[1] for s in shapes[::2]}) == 1
    if not fits or shapes[0][:1] != shapes[1] or shapes[2][:1] != shapes[3] or min(s[0] for s in shapes) < 1:
        raise InputError(f'features and MOS do not fit: {", ".join(map(str, shapes))}')
    train, val, test = (x.astype(np.float64) for x in (train, val, test))
    targets = np.tile(np.asarray(mos, np.float64)[:, None], (1, len(PENALTIES)))  # one decomposition for all penalties
    centre, spread = _statistics(train)
    model = Ridge(alpha=np.array(PENALTIES), solver='svd').fit((train - centre) / spread, targets)
    tried = model.predict((val - centre) / spread)  # (V, penalties)
    best = PENALTIES[int(np.argmin(((tried - np.asarray(val_mos)[:, None]) ** 2).mean(axis=0)))]
    both = np.concatenate([train, val])
    centre, spread = _statistics(both)
    model = Ridge(alpha=best).fit((both - centre) / spread, np.concatenate([mos, val_mos]))
    return model.predict((test - centre) / spread), best


def _statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and spread (C,), the standard deviation or :data:`FLOOR` of the usual one where that is more."""
    spread = features.std(axis=0)
    usual = np.sqrt((spread**2).mean())
    return features.mean(axis=0), np.maximum(spread, FLOOR * usual if usual > 0 else 1.0)
