"""Over every row of the table: what all operators promise."""

import inspect
import itertools
import pickle

import cv2
import numpy as np
import pytest
import skimage.data

from mmqpt.degradations import KINDS, LEVELS, OPERATORS, Operator

SEED = 7
PHOTOS = [getattr(skimage.data, name)() for name in ('astronaut', 'coffee', 'chelsea')]
SIGNED = [pytest.param(row, sign, id=f'{row.name}{sign:+d}') for row in OPERATORS.values() for sign in row.signs]
ROWS = [pytest.param(row, id=row.name) for row in OPERATORS.values()]
SIZES = [(1, 1), (1, 2), (2, 1), (1, 7), (9, 1), (1, 64), (64, 1), (2, 2), (3, 5), (7, 4), (16, 16), (17, 31), (33, 64)]

# Name in KADID-10k -> (row, sign)
KADID = {
    'Gaussian blur': ('gaussian_blur', 1),
    'lens blur': ('defocus_blur', 1),
    'motion blur': ('motion_blur', 1),
    'colour diffusion': ('colour_diffusion', 1),
    'colour shift': ('channel_shift', 1),
    'colour quantisation': ('palette', 1),
    'colour saturation 1': ('saturation', -1),
    'colour saturation 2': ('saturation_lab', 1),
    'JPEG 2000': ('jpeg2000', 1),
    'JPEG': ('jpeg', 1),
    'white noise': ('white_noise', 1),
    'white noise in colour component': ('colour_noise', 1),
    'impulse noise': ('impulse_noise', 1),
    'multiplicative noise': ('speckle_noise', 1),
    'denoise': ('denoised_noise', 1),
    'brighten': ('midtones', 1),
    'darken': ('midtones', -1),
    'mean shift': ('brightness', 1),
    'jitter': ('jitter', 1),
    'non-eccentricity patch': ('block_shift', 1),
    'pixelate': ('pixelate', 1),
    'quantisation': ('quantise', 1),
    'colour block': ('colour_blocks', 1),
    'high sharpen': ('sharpen', 1),
    'contrast change': ('contrast', -1),
}


@pytest.fixture(scope='module')
def small_photos() -> list[np.ndarray]:
    return [cv2.resize(photo, (256, 192), interpolation=cv2.INTER_AREA) for photo in PHOTOS]


def distance(one: np.ndarray, two: np.ndarray) -> float:
    return float(cv2.absdiff(one, two).mean())


def test_there_are_enough_rows_of_each_kind():
    assert len(OPERATORS) >= 45
    assert all(sum(row.kind == kind for row in OPERATORS.values()) >= 10 for kind in KINDS)


@pytest.mark.parametrize(('name', 'target'), KADID.items())
def test_each_distortion_of_kadid_has_a_row(name, target):
    row = OPERATORS[target[0]]
    assert target[1] in row.signs
    assert f': {name}' in row.source or f', {name}' in row.source


def test_kadid_is_complete():
    assert len(KADID) == 25


@pytest.mark.parametrize('row', ROWS)
def test_row_is_complete_and_pickles(row):
    assert row.kind in KINDS
    assert row.unit
    assert row.source
    names = list(inspect.signature(row.function).parameters)
    assert names == ['image', row.parameter] + ['seed'] * row.seeded
    assert row.function.__doc__
    assert pickle.loads(pickle.dumps(row)) == row


@pytest.mark.parametrize(('row', 'sign'), SIGNED)
def test_keeps_shape_type_and_input(row: Operator, sign, small_photos):
    image = small_photos[0]
    before = image.copy()
    for level in LEVELS:
        out = row(image, level, sign, SEED)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        assert out.flags.c_contiguous
        assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(('row', 'sign'), SIGNED)
def test_harsher_level_is_farther_from_the_photo(row: Operator, sign):
    for image in (cv2.resize(photo, (512, 384), interpolation=cv2.INTER_AREA) for photo in PHOTOS):
        distances = [distance(row(image, level, sign, SEED), image) for level in LEVELS]
        assert distances[0] > 0
        assert all(one < two for one, two in itertools.pairwise(distances)), distances


@pytest.mark.parametrize('row', ROWS)
def test_only_the_seed_changes_pixels(row: Operator, small_photos):
    one, again, other = (row(small_photos[1], 3, 1, seed) for seed in (SEED, SEED, SEED + 1))
    np.testing.assert_array_equal(one, again)
    assert np.array_equal(one, other) != row.seeded


@pytest.mark.parametrize(('row', 'sign'), SIGNED)
def test_works_on_every_size(row: Operator, sign):
    rng = np.random.default_rng(0)
    for size in SIZES:
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        before = image.copy()
        for level in (1, 5):
            out = row(image, level, sign, SEED)
            assert out.shape == image.shape
            assert out.dtype == np.uint8
            assert not np.shares_memory(out, image)
        np.testing.assert_array_equal(image, before)


@pytest.mark.slow
@pytest.mark.parametrize(('row', 'sign'), SIGNED)
def test_works_on_every_size_up_to_64(row: Operator, sign):
    rng = np.random.default_rng(0)
    for height in range(1, 65):
        for width in {1, 2, 3, height, 64}:
            image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            for level in (1, 5):
                assert row(image, level, sign, SEED).shape == image.shape


@pytest.mark.parametrize('row', ROWS)
def test_takes_any_memory_layout(row: Operator, small_photos):
    image = np.ascontiguousarray(small_photos[2][:97, :131])
    expected = row(image, 3, 1, SEED)
    padded = np.zeros((97, 140, 3), np.uint8)
    padded[:, 4:135] = image
    flipped = np.ascontiguousarray(image[::-1, ::-1, ::-1])
    frozen = image.copy()
    frozen.flags.writeable = False
    for same in (padded[:, 4:135], flipped[::-1, ::-1, ::-1], np.asfortranarray(image), frozen):
        np.testing.assert_array_equal(row(same, 3, 1, SEED), expected)


@pytest.mark.parametrize(('row', 'sign'), [param for param in SIGNED if param.values[0].reach is not None])
def test_cropping_within_reach_comes_to_the_same(row: Operator, sign, small_photos):
    for level in LEVELS:
        margin = row.margin(level, sign)
        assert margin is not None
        assert margin >= 0
        for image, y, x in ((small_photos[0], 101, 131), (small_photos[2], 96, 128)):
            whole = row(image, level, sign, SEED)[y - 3 : y + 4, x - 3 : x + 4]
            top, left = max(0, y - 3 - margin), max(0, x - 3 - margin)
            crop = np.ascontiguousarray(image[top : y + 4 + margin, left : x + 4 + margin])
            part = row(crop, level, sign, SEED)[y - 3 - top :, x - 3 - left :][:7, :7]
            assert cv2.absdiff(whole, part).max() <= 1, f'level {level}, margin {margin}'


@pytest.mark.parametrize('row', [param for param in ROWS if callable(param.values[0].reach)])
def test_a_spike_spreads_no_farther_than_the_reach(row: Operator):
    for level in LEVELS:
        margin = row.margin(level)
        side = 2 * margin + 9
        middle = side // 2
        spike = np.full((side, side, 3), 100, np.uint8)
        spike[middle, middle] = 255
        changed = np.argwhere((row(spike, level, 1, SEED) != 100).any(2))
        if len(changed):
            assert np.abs(changed - middle).max() <= margin
