"""An operator of your own: rows of the photo that a broken sensor leaves black.

    PYTHONPATH=examples mmqpt pretrain examples/qpt_with_my_operator.py

docs/extend_operator.md goes through it line by line.
"""

import numpy as np

from mmqpt.degradations import register_operator, row


@register_operator
@row('texture', unit='share of the rows', levels=(0.01, 0.02, 0.04, 0.08, 0.16), source='my old camera')
def dead_rows(image: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Black out a ``share`` of the rows, at least one, drawn by ``seed``."""
    height = len(image)
    rng = np.random.Generator(np.random.PCG64(seed))
    rows = rng.permutation(height)[: max(1, round(share * height))]
    out = image.copy()
    out[rows] = 0
    return out
