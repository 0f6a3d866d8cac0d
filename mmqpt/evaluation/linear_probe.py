"""Linear probe: how much quality is in frozen features?"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
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
    targets = np.tile(np.asarray(mos, np.float64)[:, None], (1, len(PENALTIES)))  # one decomposition for all penalties
    tried = _ridge(np.array(PENALTIES)).fit(train, targets).predict(val)  # (V, penalties)
    best = PENALTIES[int(np.argmin(((tried - np.asarray(val_mos)[:, None]) ** 2).mean(axis=0)))]
    model = _ridge(best).fit(np.concatenate([train, val]), np.concatenate([mos, val_mos]))
    return model.predict(test), best


def _ridge(penalty: float | np.ndarray) -> Pipeline:
    return make_pipeline(StandardScaler(), Ridge(alpha=penalty, solver='svd' if np.ndim(penalty) else 'auto'))
