"""Where the random numbers of a sample come from."""

import numpy as np
import pytest

from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.datasets.transforms.random_degradation import RandomDegradation


@pytest.fixture
def bgr(photos):
    return np.ascontiguousarray(photos[1][100:228, 150:310, ::-1])


@pytest.mark.parametrize('transform', [PatchPairs(32, window=64), RandomDegradation()], ids=['patches', 'whole'])
def test_without_rng_the_global_generator_counts(bgr, transform):
    def once(seed: int | None = None) -> dict:
        if seed is not None:
            np.random.seed(seed)  # noqa: NPY002
        results = transform({'img': bgr})
        return {
            'pixels': results.get('patches', results['img']),
            'recipes': results.get('recipes', results.get('recipe')),
        }

    first, second = once(3), once()
    again, other = once(3), once(4)
    np.testing.assert_array_equal(first['pixels'], again['pixels'])
    assert first['recipes'] == again['recipes']
    assert first['recipes'] != second['recipes']
    assert first['recipes'] != other['recipes']


def test_with_rng_the_global_generator_is_left_alone(bgr):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    PatchPairs(32, window=64)({'img': bgr, 'rng': np.random.default_rng(0)})
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
