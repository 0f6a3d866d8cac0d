"""What the models take: tensors in their order of axes, and what is known of each photo beside them."""

import itertools

import numpy as np
import pytest
import torch

from mmqpt.core.photo import read_photo
from mmqpt.datasets.transforms.level_ladder import LevelLadder
from mmqpt.datasets.transforms.packing import PackPatchPairs, PackRatedPhoto
from mmqpt.degradations import Recipe, Step


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def test_patch_pairs_are_transposed_and_what_is_there_is_kept(rng):
    results = {
        'patches': rng.integers(0, 256, (2, 2, 32, 32, 3), dtype=np.uint8),
        'recipes': [Recipe((Step('jpeg', level),)) for level in (1, 2)],
        'positions': rng.integers(0, 9, (2, 2, 2)),
    }
    packed = PackPatchPairs()({**results, 'img_path': 'a.jpg', 'skipped': [('b.jpg', 'why')]})
    for v, p, c in itertools.product(range(2), range(2), range(3)):
        np.testing.assert_array_equal(packed['inputs'][v, p, c].numpy(), results['patches'][v, p, :, :, c])
    info = packed['data_samples'].metainfo
    assert info['img_path'] == 'a.jpg'
    assert info['recipes'] == results['recipes']
    assert info['skipped'] == [('b.jpg', 'why')]
    np.testing.assert_array_equal(info['positions'], results['positions'])


@pytest.mark.parametrize('mirrored', [False, True])
def test_a_rated_photo(photo_folder, mirrored):
    path = min(photo_folder.iterdir())
    results = {'img_path': str(path), 'name': path.name, 'mos': 4.0, 'score': 0.75}
    image = read_photo(path)
    image = image[:, ::-1] if mirrored else image
    packed = PackRatedPhoto()({**results, 'img': image})
    assert packed['inputs'].shape == (3, 256, 320)
    assert packed['inputs'].dtype == torch.uint8
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0).numpy(), image)
    sample = packed['data_samples']
    assert sample.gt_score.tolist() == [0.75]
    assert sample.gt_score.dtype == torch.float32
    assert (sample.img_path, sample.name, sample.mos) == (results['img_path'], path.name, 4.0)


def test_crops_and_opinions(photo, rng):
    results = {'img_path': 'a.png', 'name': 'a', 'mos': 3.0, 'score': 0.5, 'histogram': [0.25, 0.75], 'score_sd': 0.1}
    crops = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    packed = PackRatedPhoto()({**results, 'img': crops})
    assert packed['inputs'].shape == (2, 3, 32, 32)
    np.testing.assert_array_equal(packed['inputs'][1].permute(1, 2, 0).numpy(), crops[1])
    sample = packed['data_samples']
    assert sample.gt_score.tolist() == [0.5]
    assert sample.gt_histogram.tolist() == [0.25, 0.75]
    assert sample.gt_score_sd.tolist() == pytest.approx([0.1])
    plain = PackRatedPhoto()({'img_path': 'a.png', 'name': 'a', 'mos': 3.0, 'score': 0.5, 'img': photo})['data_samples']
    assert 'gt_histogram' not in plain
    assert 'gt_score_sd' not in plain


def test_a_ladder(photo):
    results = {'img': photo, 'img_path': 'a.png', 'name': 'a.png', 'mos': 3.0, 'score': 0.5}
    results = LevelLadder(32, rungs=3, view={'min_side': 32})({**results, 'rng': np.random.default_rng(0)})
    sample = PackRatedPhoto()(results)['data_samples']
    assert sample.ladder.shape == (3, 3, 32, 32)
    np.testing.assert_array_equal(sample.ladder[1].permute(1, 2, 0), results['ladder'][1])
    assert sample.ladder_levels.tolist() == results['ladder_levels'].tolist()
    assert sample.ladder_operator == results['ladder_operator']
