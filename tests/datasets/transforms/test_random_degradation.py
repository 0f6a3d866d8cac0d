"""One random recipe, applied to the photo of any pipeline."""

import numpy as np
import pytest

from mmqpt.core.errors import InputError
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


def test_leaves_a_share_of_the_photos_alone(bgr):
    transform = RandomDegradation({'operators': ['jpeg', 'hue'], 'skip': 0}, prob=0.3)
    rng = np.random.default_rng(0)
    degraded = 0
    for _ in range(100):
        results = transform({'img': bgr[:24, :24], 'rng': rng})
        touched = bool(results['recipe'].steps)
        np.testing.assert_array_equal(results['img'], apply(results['recipe'], bgr[:24, :24, ::-1])[..., ::-1])
        degraded += touched
    assert 18 <= degraded <= 43  # 30 +- 2.7 standard deviations


@pytest.mark.parametrize('prob', [-0.1, 1.1, True, '0.5', None, float('nan')])
def test_prob_is_a_probability(prob):
    with pytest.raises(InputError, match='prob must be a probability from 0 to 1'):
        RandomDegradation(prob=prob)


def test_never(bgr):
    assert RandomDegradation(prob=0)({'img': bgr})['img'] is bgr
