"""Over every row of the table: what all operators promise."""

import inspect
import itertools
import pickle
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from mmqpt import degradations
from mmqpt.core.errors import InputError
from mmqpt.degradations import KINDS, LEVELS, OPERATORS, Operator, operator

SEED = 7
PHOTOS = [getattr(skimage.data, name)() for name in ('astronaut', 'coffee', 'chelsea')]
ROWS = [pytest.param(row, id=row.name) for row in OPERATORS.values()]
SIGNED = [pytest.param(row, sign, id=f'{row.name}{sign:+d}') for row in OPERATORS.values() for sign in row.signs]
# Wherever in the photo: what needs its place or a grid is tested with apply_region, in test_region.py.
FREE = [param for param in ROWS if not param.values[0].framed and param.values[0].grid == 1]
SIZES = [(1, 1), (1, 2), (2, 1), (1, 7), (9, 1), (1, 64), (64, 1), (2, 2), (3, 5), (7, 4), (16, 16), (17, 31), (33, 64)]
# Tone and colour change flat areas, noise roughens them; warps, blurs and filters leave a flat photo flat.
FLAT = [
    row
    for row in OPERATORS.values()
    if row.kind == 'geometry'
    or 'blur' in row.name
    or row.name in ('contrast', 'channel_shift', 'chromatic_aberration')
    or (row.function.__module__.endswith(('.denoising', '.sharpening')) and not row.seeded)
]


@pytest.fixture(scope='module')
def small_photos() -> list[np.ndarray]:
    return [cv2.resize(photo, (256, 192), interpolation=cv2.INTER_AREA) for photo in PHOTOS]


def distance(one: np.ndarray, two: np.ndarray) -> float:
    return float(cv2.absdiff(one, two).mean())


def test_there_are_enough_rows_of_each_kind():
    assert len(OPERATORS) >= 45
    assert all(sum(row.kind == kind for row in OPERATORS.values()) >= 10 for kind in KINDS)


@pytest.mark.parametrize('row', ROWS)
def test_summary_is_a_sentence(row: Operator):
    assert row.summary[0].isupper()
    assert 15 < len(row.summary) < 200
    assert not row.summary.endswith('.')
    assert '``' not in row.summary


def test_every_function_with_a_row_is_in_the_table():
    folder = Path(degradations.__file__).parent
    written = [re.findall(r'^@row\(', path.read_text(encoding='utf-8'), re.M) for path in folder.glob('*.py')]
    assert sum(map(len, written)) == len(OPERATORS)


@pytest.mark.parametrize('row', ROWS)
def test_row_is_complete_and_pickles(row: Operator):
    assert operator(row.name) is row
    assert row.kind in KINDS
    assert row.name == row.function.__name__
    names = ['image', row.parameter, *['seed'] * row.seeded, *['frame'] * row.framed]
    assert list(inspect.signature(row.function).parameters) == names
    assert pickle.loads(pickle.dumps(row)) == row


@pytest.mark.parametrize(('row', 'sign'), SIGNED)
def test_value_of_each_direction(row: Operator, sign):
    expected = row.levels if sign == 1 else row.negative or tuple(-value for value in row.levels)
    assert tuple(row.value(level, sign) for level in LEVELS) == tuple(expected)


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


@pytest.mark.parametrize('row', [param for param in ROWS if len(param.values[0].signs) == 2])
def test_directions_differ(row: Operator, small_photos):
    assert distance(row(small_photos[0], 3, 1), row(small_photos[0], 3, -1)) > 1


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


@pytest.mark.parametrize('row', FLAT, ids=lambda row: row.name)
def test_a_flat_photo_stays_flat(row: Operator):
    """No black wedges at the border, and filters whose weights sum to 1."""
    for grey in (0, 100, 255):
        flat = np.full((41, 57, 3), grey, np.uint8)
        for sign in row.signs:
            for level in LEVELS:
                np.testing.assert_array_equal(row(flat, level, sign, level), flat)


@pytest.mark.parametrize(
    'row',
    [param for param in FREE if param.values[0].reach == 0],
)
def test_without_reach_pixels_do_not_matter_to_each_other(row: Operator, small_photos, rng):
    """Shuffled pixels come out as the shuffled result."""
    pixels = np.ascontiguousarray(small_photos[1][:40, :50]).reshape(-1, 1, 3)
    order = rng.permutation(len(pixels))
    for sign in row.signs:
        expected = row(pixels, 3, sign, SEED)[order]
        np.testing.assert_array_equal(row(np.ascontiguousarray(pixels[order]), 3, sign, SEED), expected)


@pytest.mark.parametrize('row', [param for param in FREE if param.values[0].reach is not None])
def test_cropping_within_reach_comes_to_the_same(row: Operator, small_photos):
    for level, sign in itertools.product(LEVELS, row.signs):
        margin = row.margin(level, sign)
        assert margin is not None
        assert margin >= 0
        for image, y, x in ((small_photos[0], 101, 131), (small_photos[2], 96, 128)):
            whole = row(image, level, sign, SEED)[y - 3 : y + 4, x - 3 : x + 4]
            top, left = max(0, y - 3 - margin), max(0, x - 3 - margin)
            crop = np.ascontiguousarray(image[top : y + 4 + margin, left : x + 4 + margin])
            part = row(crop, level, sign, SEED)[y - 3 - top :, x - 3 - left :][:7, :7]
            assert cv2.absdiff(whole, part).max() <= 1, f'level {level}, margin {margin}'


@pytest.mark.parametrize('row', [param for param in FREE if callable(param.values[0].reach)])
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


@pytest.mark.parametrize('level', [0, 6, -1, None, '1'])
def test_bad_level(level):
    with pytest.raises(InputError, match=r'jpeg: level must be one of \(1, 2, 3, 4, 5\), got '):
        OPERATORS['jpeg'].value(level)


def test_bad_sign():
    with pytest.raises(InputError, match=r'jpeg: sign must be one of \(1,\), got -1'):
        OPERATORS['jpeg'].value(1, -1)
    with pytest.raises(InputError, match=r'rotate: sign must be one of \(1, -1\), got 0'):
        OPERATORS['rotate'](np.zeros((3, 3, 3), np.uint8), 1, 0)


@pytest.mark.parametrize('name', ['blurr', '', None, ['jpeg']])
def test_unknown_operator(name):
    with pytest.raises(InputError, match=r'unknown degradation operator .*; there are: rotate, .*, jpeg'):
        operator(name)
