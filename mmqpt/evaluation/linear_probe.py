"""Linear probe: how much quality is in frozen features?"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmqpt.core.errors import InputError

PENALTIES = tuple(float(x) for x in np.logspace(0, 5, 21))


def ridge_probe(
    train: np.ndarray, mos: np.ndarray, val: np.ndarray, val_mos: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, float]:
    """Ridge regression from standardised features to MOS.

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
    errors = []
    for penalty in PENALTIES:
        errors.append(np.mean((_fit(train, mos, penalty).predict(val) - val_mos) ** 2))
    best = PENALTIES[int(np.argmin(errors))]
    model = _fit(np.concatenate([train, val]), np.concatenate([mos, val_mos]), best)
    return model.predict(test), best


def _fit(features: np.ndarray, mos: np.ndarray, penalty: float):  # type: ignore[no-untyped-def]
    return make_pipeline(StandardScaler(), Ridge(alpha=penalty)).fit(features, np.asarray(mos, np.float64))
