"""Crops of a rated photo: windows of it, mirrored at random, one or several."""

import numpy as np
import pytest
import torch
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.datasets.transforms.quality_crop import RandomQualityCrop


@pytest.fixture
def numbered():
    """Every pixel is different, so that a crop tells where it comes from."""
    number = np.arange(90 * 120)
    return np.stack([number % 256, number // 256, number * 0], axis=-1).astype(np.uint8).reshape(90, 120, 3)


def crop_of(transform: RandomQualityCrop, image: np.ndarray, seed: int) -> np.ndarray:
    return transform({'img': image, 'rng': np.random.default_rng(seed)})['img']


@pytest.mark.parametrize('flip', [0, 1])
def test_crop_is_a_window_of_the_photo(numbered, flip):
    transform = RandomQualityCrop(32, flip=flip, view={'min_side': 32})
    kept = numbered.copy()
    corners = set()
    for seed in range(60):
        out = crop_of(transform, numbered, seed)
        out = out[:, ::-1] if flip else out
        assert out.dtype == np.uint8
        number = out[..., 0].astype(int) + 256 * out[..., 1].astype(int)
        y, x = divmod(int(number[0, 0]), 120)
        np.testing.assert_array_equal(out, numbered[y : y + 32, x : x + 32])
        assert out.shape == (32, 32, 3)
        corners.add((y, x))
    assert len(corners) > 50
    np.testing.assert_array_equal(numbered, kept)


def test_flip_is_a_probability(numbered):
    transform = RandomQualityCrop(32, flip=0.3, view={'min_side': 32})
    outs = [crop_of(transform, numbered, seed)[0, :2].astype(int) for seed in range(500)]
    mirrored = sum(out[0] @ (1, 256, 0) > out[1] @ (1, 256, 0) for out in outs)
    assert stats.binomtest(int(mirrored), 500, 0.3).pvalue > 1e-3


def test_crop_is_a_function_of_the_rng(numbered):
    transform = RandomQualityCrop(32, view={'min_side': 32})
    np.testing.assert_array_equal(crop_of(transform, numbered, 4), crop_of(transform, numbered, 4))
    assert not np.array_equal(crop_of(transform, numbered, 4), crop_of(transform, numbered, 5))


def test_every_place_is_reached(numbered):
    transform = RandomQualityCrop(32, flip=0, view={'min_side': 32})
    image = numbered[:33, :34]
    corners = {tuple(crop_of(transform, image, seed)[0, 0]) for seed in range(100)}
    assert corners == {tuple(image[y, x]) for y in range(2) for x in range(3)}


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 3), (33, 64), (200, 40)])
def test_small_and_large_photos_follow_the_size_rule(photos, size):
    image = np.ascontiguousarray(photos[0][: size[0], : size[1], ::-1])
    view = View(min_side=48, max_side=150)
    out = crop_of(RandomQualityCrop(48, flip=0, view=view.as_dict()), image, 0)
    height, width = view.target_size(*size)
    assert out.shape == (48, 48, 3)
    out = out[: min(48, height), : min(48, width)]  # the rest is its mirror image
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 255
    resized = (
        view.resize(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0].permute(1, 2, 0).numpy() * 255
    )
    windows = np.lib.stride_tricks.sliding_window_view(resized, out.shape).reshape(-1, *out.shape)
    assert np.abs(windows - out).max(axis=(1, 2, 3)).min() < 1e-3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'crop': 0}, 'crop must be >= 1 px and flip a probability, got 0 and 0.5'),
        ({'crop': 8, 'flip': 1.5}, 'crop must be >= 1 px and flip a probability, got 8 and 1.5'),
        ({'crop': 33, 'view': {'min_side': 32}}, r'crop is 33 px, more than min_side \(32 px\) of the view'),
        ({'crop': 8, 'view': {'min_side': 0}}, 'min_side must be >= 1 px'),
        ({'crop': 32, 'view': {'min_side': 32}, 'crops': 0}, 'crops must be >= 1, got 0'),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        RandomQualityCrop(**options)


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def cut(crops, photo, seed=0, **options):
    transform = RandomQualityCrop(32, view={'min_side': 32}, crops=crops, **options)
    return transform({'img': photo, 'rng': np.random.default_rng(seed)})['img']


def test_many_crops_are_windows_of_the_photo_and_differ(photo):
    found = cut(5, photo)
    assert found.shape == (5, 32, 32, 3)
    assert found.dtype == np.uint8
    windows = np.lib.stride_tricks.sliding_window_view(photo, (32, 32, 3)).reshape(-1, 32, 32, 3)
    for crop in found:
        assert any(np.array_equal(windows[i], x) for x in (crop, crop[:, ::-1]) for i in _starting(windows, x))
    assert len({crop.tobytes() for crop in found}) == 5


def _starting(windows, crop):
    return np.flatnonzero((windows[:, 0, 0] == crop[0, 0]).all(axis=1))


def test_first_of_many_crops_is_the_only_one(photo):
    np.testing.assert_array_equal(cut(3, photo, seed=4)[0], cut(1, photo, seed=4))


def test_every_crop_is_mirrored_on_its_own(photo):
    small = photo[:32, :32]
    mirrored = [np.array_equal(crop, small[:, ::-1]) for crop in cut(200, small, flip=0.5)]
    assert 60 < sum(mirrored) < 140
    assert all(np.array_equal(crop, small) for crop in cut(5, small, flip=0))


def test_crops_of_a_resized_photo_are_float(photo):
    found = RandomQualityCrop(48, view={'min_side': 48}, crops=2)({'img': photo[:20], 'rng': np.random.default_rng(0)})
    assert found['img'].shape == (2, 48, 48, 3)
    assert found['img'].dtype == np.float32


@pytest.mark.parametrize('size', [(20, 300), (300, 20), (1, 400)])
@pytest.mark.parametrize('crops', [1, 3])
def test_crops_of_very_long_photos_are_filled_by_their_mirror_image(photos, size, crops):
    image = np.resize(photos[0], (*size, 3)).astype(np.uint8)
    view = View(min_side=48, max_side=150)
    transform = RandomQualityCrop(48, flip=0, view=view.as_dict(), crops=crops)
    out = crop_of(transform, image, 0)
    assert out.shape == ((48, 48, 3) if crops == 1 else (3, 48, 48, 3))
    cut = out if crops == 1 else out[0]
    height, width = (min(48, side) for side in view.target_size(*size))
    assert min(height, width) < 48
    for axis, side in enumerate((height, width)):
        lines = np.moveaxis(cut, axis, 0)
        for place in range(side, 48):
            turn, rest = divmod(place, side)
            np.testing.assert_array_equal(lines[place], lines[side - 1 - rest if turn % 2 else rest])
