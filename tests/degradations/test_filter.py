"""What several families of operators share."""

import cv2
import numpy as np
import pytest

from mmqpt.degradations import _filter
from mmqpt.degradations._filter import BORDER, product, shifted


@pytest.mark.parametrize(
    'shapes', [((16, 24), (5, 24, 999)), ((2, 30, 20), (20, 700)), ((3, 4), (4, 5)), ((600, 700), (700, 2))]
)
def test_a_product_takes_one_thread(shapes, monkeypatch):
    """OpenBLAS decides by the number of multiplications of a call."""
    left, right = (np.random.default_rng(seed).standard_normal(shape) for seed, shape in enumerate(shapes))
    whole = np.matmul(left, right)
    calls = []
    matmul = np.matmul

    def spy(one, two, out=None):
        calls.append(one.shape[-2] * one.shape[-1] * two.shape[-1])
        return matmul(one, two, out=out)

    monkeypatch.setattr(_filter.np, 'matmul', spy)
    np.testing.assert_allclose(product(left, right), whole, rtol=1e-10)
    assert calls
    assert max(calls) <= max(1 << 18, shapes[0][-2] * shapes[0][-1])


@pytest.mark.parametrize(('x', 'y'), [(0, 0), (1.25, 0), (-3.5, 2.015625), (12, -7.984375), (-40.5, 30.25)])
@pytest.mark.parametrize('shape', [(1, 1), (2, 9), (37, 51, 3), (64, 40)])
def test_shifted_is_the_warp_to_the_bit(rng, shape, x, y):
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    matrix = np.array([[1, 0, x], [0, 1, y]], float)
    warped = cv2.warpAffine(image, matrix, shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=BORDER)
    np.testing.assert_array_equal(shifted(image, x, y), warped)
