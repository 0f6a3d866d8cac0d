"""Every row of the table of operators."""

import inspect

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.degradations import KINDS, LEVELS, OPERATORS, Recipe, Step, apply, operator

ROWS = list(OPERATORS.values())
DIRECTIONS = [(row, sign) for row in ROWS for sign in row.signs]
SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (33, 64)]
# Quantisation and tone curves change flat areas, noise roughens them; all else leaves a flat photo flat.
KEEPS_FLAT = [row for row in ROWS if row.kind == 'geometry' or 'blur' in row.name] + [
    OPERATORS[name] for name in ('denoise', 'sharpen', 'contrast', 'channel_shift')
]


def row_id(value):
    return value.name if hasattr(value, 'name') else f'{value:+}'


def distance(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - other).mean())


@pytest.mark.parametrize('row', ROWS, ids=row_id)
def test_row_is_well_formed(row):
    assert operator(row.name) is row
    assert row.kind in KINDS
    assert row.unit
    assert row.source
    names = list(inspect.signature(row.function).parameters)
    assert names == ['image', row.parameter] + (['seed'] if row.seeded else [])
    assert row.function.__module__ == f'mmqpt.degradations.{"colour" if row.kind == "colour" else row.kind}'
    for levels in filter(None, (row.levels, row.negative)):
        steps = np.diff(levels)
        assert len(levels) == len(LEVELS)
        assert (steps > 0).all() or (steps < 0).all()


def test_every_kind_has_operators():
    assert {row.kind for row in ROWS} == set(KINDS)


@pytest.mark.parametrize(('row', 'sign'), DIRECTIONS, ids=row_id)
def test_value_of_each_direction(row, sign):
    expected = row.levels if sign == 1 else row.negative or tuple(-value for value in row.levels)
    assert tuple(row.value(level, sign) for level in LEVELS) == tuple(expected)


@pytest.mark.parametrize(('row', 'sign'), DIRECTIONS, ids=row_id)
@pytest.mark.parametrize('size', SIZES)
def test_any_size_works(row, sign, size, rng):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    kept = image.copy()
    for level in LEVELS:
        out = row(image, level, sign, seed=3)
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        assert not np.shares_memory(out, image)
    np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize(('row', 'sign'), DIRECTIONS, ids=row_id)
def test_harsher_level_is_farther_from_the_original(row, sign, photos):
    for photo in photos:
        kept = photo.copy()
        distances = [0.0] + [distance(photo, row(photo, level, sign, seed=5)) for level in LEVELS]
        # Strictly growing from 0: level 1 is not the identity, and every level is harsher than the one before.
        assert (np.diff(distances) > 0.1).all(), distances
        np.testing.assert_array_equal(photo, kept)


@pytest.mark.parametrize(('row', 'sign'), DIRECTIONS, ids=row_id)
def test_same_recipe_same_pixels(row, sign, photos):
    photo = photos[2][:90, :120]
    recipe = Recipe((Step(row.name, 3, sign, seed=12),))
    out = apply(recipe, photo)
    np.testing.assert_array_equal(out, row(photo, 3, sign, seed=12))
    np.testing.assert_array_equal(out, apply(Recipe.from_json(recipe.to_json()), photo))


@pytest.mark.parametrize('row', ROWS, ids=row_id)
def test_only_seeded_operators_depend_on_the_seed(row, photos):
    photo = photos[1][100:200, 200:330]
    same = np.array_equal(row(photo, 3, seed=1), row(photo, 3, seed=2))
    assert same != row.seeded


@pytest.mark.parametrize('row', [row for row in ROWS if len(row.signs) == 2], ids=row_id)
def test_directions_differ(row, photos):
    photo = photos[0][:100, :130]
    assert distance(row(photo, 3, 1), row(photo, 3, -1)) > 1


@pytest.mark.parametrize('row', ROWS, ids=row_id)
def test_memory_layout_does_not_matter(row, photos):
    bgr = np.ascontiguousarray(photos[0][:64, :80, ::-1])
    view = bgr[10:50, 20:70, ::-1]
    recipe = Recipe((Step(row.name, 4, seed=8),))
    np.testing.assert_array_equal(apply(recipe, view), apply(recipe, view.copy()))


@pytest.mark.parametrize('row', KEEPS_FLAT, ids=row_id)
@pytest.mark.parametrize('grey', [0, 100, 255])
def test_flat_photos_stay_flat(row, grey):
    """No black wedges at the border, and filters whose weights sum to 1."""
    flat = np.full((41, 57, 3), grey, np.uint8)
    for sign in row.signs:
        for level in LEVELS:
            np.testing.assert_array_equal(row(flat, level, sign, seed=level), flat)


@pytest.mark.parametrize(
    'row', [row for row in ROWS if row.kind == 'colour' and row.name != 'channel_shift'], ids=row_id
)
def test_colour_moves_no_pixel(row, photos, rng):
    """Shuffled pixels come out as the shuffled result."""
    photo = photos[1][:40, :50]
    order = rng.permutation(40 * 50)
    for sign in row.signs:
        shuffled = row(photo.reshape(-1, 1, 3)[order], 3, sign)
        np.testing.assert_array_equal(shuffled, row(photo, 3, sign).reshape(-1, 1, 3)[order])


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
