"""One random recipe, applied to the photo of any pipeline."""

import numpy as np
import pytest

from mmqpt.datasets.transforms.random_degradation import RandomDegradation
from mmqpt.degradations import DegradationSpace, apply


@pytest.fixture
def bgr(photos):
    return np.ascontiguousarray(photos[1][100:228, 150:310, ::-1])


def test_random_degradation(bgr):
    space = {'operators': ['jpeg', 'hue'], 'skip': 0}
    kept = bgr.copy()
    results = RandomDegradation(space)({'img': bgr, 'rng': np.random.default_rng(2)})
    assert results['recipe'] == DegradationSpace(**space).draw(np.random.default_rng(2))
    np.testing.assert_array_equal(results['img'], apply(results['recipe'], bgr[..., ::-1])[..., ::-1])
    assert results['img'].flags.c_contiguous
    np.testing.assert_array_equal(bgr, kept)
