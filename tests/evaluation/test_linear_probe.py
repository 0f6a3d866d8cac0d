"""The linear probe: features of whole photos, and ridge regression that never sees the test part."""

import numpy as np
import pytest
import timm
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.core.view import View
from mmqpt.evaluation.linear_probe import photo_features, ridge_probe


def test_features_are_the_networks_own(photo_folder):
    torch.manual_seed(0)
    backbone = timm.create_model('test_resnet', num_classes=0, global_pool='').eval()
    paths = sorted(photo_folder.iterdir())[:2]
    found = photo_features(backbone, paths, [10, 20, 30], [2, 3, 4], scales=(1.0, 0.5), view=View())
    photo = torch.from_numpy(read_photo(paths[1])).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        x = (photo - torch.tensor([10.0, 20, 30]).view(3, 1, 1)) / torch.tensor([2.0, 3, 4]).view(3, 1, 1)
        expected = backbone(x).mean(dim=(2, 3))[0]
    assert found.shape == (2, 2 * len(expected))
    np.testing.assert_allclose(found[1, : len(expected)], expected, rtol=1e-3, atol=1e-4)
    assert not np.allclose(found[1, : len(expected)], found[1, len(expected) :])


def test_ridge_finds_a_linear_rule(rng):
    features = rng.normal(size=(300, 20)).astype(np.float32)
    rule = rng.normal(size=20)
    mos = features @ rule + 0.1 * rng.normal(size=300)
    predicted, penalty = ridge_probe(features[:200], mos[:200], features[200:])
    assert np.corrcoef(predicted, mos[200:])[0, 1] > 0.99
    assert penalty >= 1
    noise, high = ridge_probe(features[:200], rng.normal(size=200), features[200:])
    assert high > penalty  # nothing to learn: the strongest penalty wins
    assert noise.std() < 0.5


def test_bad_input(rng):
    with pytest.raises(InputError, match=r'features and MOS do not fit: \(3, 2\), \(4,\), \(1, 2\)'):
        ridge_probe(np.zeros((3, 2)), np.zeros(4), np.zeros((1, 2)))
    with pytest.raises(InputError, match=r'scales must be > 0, got \(0,\)'):
        photo_features(torch.nn.Identity(), [], [0, 0, 0], [1, 1, 1], scales=(0,))
