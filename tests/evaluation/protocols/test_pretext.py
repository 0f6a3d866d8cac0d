"""The control of the pretext check: versions that differ in nothing but their places."""

import numpy as np

from mmqpt.core.photo import swap_channels
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.evaluation.protocols.pretext import same_recipe


def test_all_versions_have_one_recipe(photos):
    def recipes(pairs):
        return [pairs({'img': swap_channels(photos[0]), 'rng': np.random.default_rng(i)})['recipes'] for i in range(8)]

    assert all(one != other for one, other in recipes(PatchPairs(64)))
    found = recipes(same_recipe(PatchPairs(64)))
    assert all(one == other for one, other in found)
    assert len({one for one, _ in found}) > 1
