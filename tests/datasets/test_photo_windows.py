"""From one photo to a window and its recipes: the same draws as PatchPairs, without the degradation."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import Compose

from mmqpt.core.errors import InputError
from mmqpt.datasets.patch_pairs import PatchPairs
from mmqpt.datasets.photo_windows import PhotoWindows
from mmqpt.degradations import apply


@pytest.fixture
def bgr(photos):
    return np.ascontiguousarray(photos[1][100:228, 150:310, ::-1])


def run(transform: PatchPairs, image: np.ndarray, seed: int = 0) -> dict:
    return transform({'img': image, 'rng': np.random.default_rng(seed)})


@pytest.mark.parametrize('positions', ['independent', 'shared'])
@pytest.mark.parametrize(('versions', 'patches'), [(2, 2), (3, 2), (2, 4)])
def test_draws_what_patch_pairs_draws(bgr, positions, versions, patches):
    options = {'patch_size': 40, 'versions': versions, 'patches': patches, 'window': 96, 'positions': positions}
    kept = bgr.copy()
    for seed in range(6):
        packed, expected = run(PhotoWindows(**options), bgr, seed), run(PatchPairs(**options), bgr, seed)
        sample = packed['data_samples']
        assert sample.recipes == expected['recipes']
        np.testing.assert_array_equal(sample.positions, expected['positions'])
        assert sample.patch_size == 40
        window = packed['inputs'].permute(1, 2, 0).numpy()[..., ::-1]
        for v, p in itertools.product(range(versions), range(patches)):
            y, x = sample.positions[v, p]
            patch = apply(sample.recipes[v], window)[y : y + 40, x : x + 40, ::-1]
            np.testing.assert_array_equal(patch, expected['patches'][v, p])
    np.testing.assert_array_equal(bgr, kept)


def test_distances_of_recipes_count(bgr):
    options = {'patch_size': 32, 'window': 64, 'max_distance': 0.5}
    for seed in range(3):
        assert (
            run(PhotoWindows(**options), bgr, seed)['data_samples'].recipes
            == run(PatchPairs(**options), bgr, seed)['recipes']
        )


@pytest.mark.parametrize('size', [(20, 30), (63, 200), (200, 40), (64, 64), (1, 1), (5, 3), (100, 90)])
def test_windows_of_all_photos_have_one_size(photos, size):
    image = np.ascontiguousarray(photos[0][: size[0], : size[1], ::-1])
    transform = PhotoWindows(patch_size=32, window=64)
    inputs = run(transform, image)['inputs']
    assert inputs.shape == (3, 64, 64)
    assert inputs.dtype == torch.uint8
    assert inputs.is_contiguous()
    height, width = transform.target_size(*size)
    assert min(height, width) >= 64
    assert (height, width) == size or min(height, width) == 64
    large = image if (height, width) == size else cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    window = inputs.permute(1, 2, 0).numpy()
    places = itertools.product(range(height - 63), range(width - 63))
    assert any(
        (large[y, x] == window[0, 0]).all() and (large[y : y + 64, x : x + 64] == window).all() for y, x in places
    )


def test_positions_stay_inside_and_metainfo_is_kept(photo_folder):
    path = str(sorted(photo_folder.iterdir())[0])
    sample = Compose([LoadImageFromFile(), PhotoWindows(window=128, patch_size=64, versions=3)])({'img_path': path})
    info = sample['data_samples']
    assert info.img_path == path
    assert info.positions.shape == (3, 2, 2)
    assert info.positions.min() >= 0
    assert info.positions.max() <= 64
    assert 'skipped' not in info.metainfo


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'window': None}, 'window must be an integer, got None'),
        ({'window': 64.0}, 'window must be an integer, got 64.0'),
        ({'window': True}, 'window must be an integer, got True'),
        ({'window': 47, 'patch_size': 32}, 'window must be >= 48 px to hold 2 patches'),
        ({'versions': 1}, 'versions must be an integer >= 2, got 1'),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        PhotoWindows(**options)
