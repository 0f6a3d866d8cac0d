"""Small copies keep their shape, and small photos their pixels."""

import numpy as np

from mmqpt.core.fit import fit_box


def test_the_tighter_side_decides():
    photo = np.zeros((100, 200, 3), np.uint8)
    assert fit_box(photo, 50, 50).shape == (25, 50, 3)
    assert fit_box(photo, 500, 50).shape == (50, 100, 3)
    assert fit_box(np.zeros((1000, 2), np.uint8), 10, 10).shape == (10, 1)


def test_it_never_enlarges():
    photo = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    assert fit_box(photo, 6, 4) is photo
    assert fit_box(photo, 60, 40) is photo
