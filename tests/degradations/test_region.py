"""A region of a degraded photo: the pixels of the whole degraded photo, for less work."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, OPERATORS, Operator, Recipe, Region, Step, apply, apply_region, apply_regions

LOCAL = [row for row in OPERATORS.values() if row.local]
EXACT = [row for row in LOCAL if not row.approximate]
APPROXIMATE = [row for row in LOCAL if row.approximate]
KEYS = [(row.name, level, sign) for row in OPERATORS.values() for level in LEVELS for sign in row.signs]
LOCAL_KEYS = [key for key in KEYS if OPERATORS[key[0]].local]
SEEDS = st.integers(0, 2**63 - 1)
seeded = settings(derandomize=True, deadline=None, database=None, max_examples=150)


def steps(keys):
    exact = [key for key in keys if not OPERATORS[key[0]].ties and not OPERATORS[key[0]].approximate]
    return st.builds(lambda key, seed: Step(*key, seed), st.sampled_from(exact), SEEDS)


# Any steps, and then some that do not need the whole photo.
recipes = st.builds(
    lambda some, local: Recipe((*some, *local)),
    st.lists(steps(KEYS), max_size=2),
    st.lists(steps(LOCAL_KEYS), max_size=4),
)


@st.composite
def regions(draw, rows: int, columns: int):
    """Regions in ``rows`` x ``columns`` px, many of them at a border."""
    place = []
    for side in (rows, columns):
        length = draw(st.integers(1, side))
        place.append((draw(st.sampled_from([0, side - length]) | st.integers(0, side - length)), length))
    (top, height), (left, width) = place
    return top, left, height, width


def cut(image: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(image[top : top + height, left : left + width])


@pytest.fixture(scope='module')
def images(photos):
    """A photo and noise, which finds ties; sides that are no multiple of what a processor takes at once."""
    noise = np.random.default_rng(1).integers(0, 256, (131, 173, 3), dtype=np.uint8)
    return [np.ascontiguousarray(photos[2][60:211, 90:291]), noise]


@pytest.fixture
def seen(monkeypatch):
    """Names and image shapes of all calls of operators."""
    calls = []
    call = Operator.__call__

    def spy(row, image, *args):
        calls.append((row.name, image.shape[:2]))
        return call(row, image, *args)

    monkeypatch.setattr(Operator, '__call__', spy)
    return calls


@pytest.mark.parametrize('row', EXACT, ids=lambda row: row.name)
def test_every_operator_at_corners_edges_and_inside(row, images):
    bound = int(row.ties)
    for image, level, sign in itertools.product(images, LEVELS, row.signs):
        recipe = Recipe((Step(row.name, level, sign, seed=level),))
        whole = apply(recipe, image)
        for height, width in ((1, 1), (37, 51), (64, 30)):
            rows, columns = ((0, side // 3, side) for side in (image.shape[0] - height, image.shape[1] - width))
            for top, left in itertools.product(rows, columns):
                region = (top, left, height, width)
                part = apply_region(recipe, image, *region)
                assert cv2.absdiff(part, cut(whole, *region)).max() <= bound, f'level {level}, sign {sign}, {region}'


@pytest.mark.parametrize('row', APPROXIMATE, ids=lambda row: row.name)
def test_codecs_lose_as_much_in_a_region_as_in_the_photo(row, photos):
    """Other values, for they decide by all that they are given; the loss agrees within a quarter."""
    photo = photos[0]
    for level, (top, left) in itertools.product(LEVELS, ((0, 0), (51, 83), (160, 200))):
        region = (top, left, 150, 170)
        recipe = Recipe((Step(row.name, level),))
        original, whole, part = (
            cut(photo, *region),
            cut(apply(recipe, photo), *region),
            apply_region(recipe, photo, *region),
        )
        losses = [cv2.absdiff(degraded, original).mean() for degraded in (whole, part)]
        assert losses[1] == pytest.approx(losses[0], rel=0.25), f'level {level}, {region}'
        assert cv2.absdiff(whole, part).mean() < losses[0]


def test_all_but_what_looks_at_the_whole_photo_is_local():
    assert {row.name for row in OPERATORS.values() if not row.local} == {'contrast', 'palette'}


@seeded
@given(recipes, st.lists(regions(67, 83), min_size=1, max_size=4), SEEDS)
def test_several_regions_are_those_of_the_photo(recipe, several, seed):
    image = np.random.default_rng(seed).integers(0, 256, (67, 83, 3), dtype=np.uint8)
    whole = apply(recipe, image)
    boxes = [Region(top, left, top + height, left + width) for top, left, height, width in several]
    for region, part in zip(several, apply_regions(recipe, image, boxes), strict=True):
        np.testing.assert_array_equal(part, cut(whole, *region))
        assert not np.shares_memory(part, image)


@seeded
@given(recipes, regions(67, 83), SEEDS)
def test_any_recipe_and_region(recipe, region, seed):
    image = np.random.default_rng(seed).integers(0, 256, (67, 83, 3), dtype=np.uint8)
    kept = image.copy()
    part = apply_region(recipe, image, *region)
    np.testing.assert_array_equal(part, cut(apply(recipe, image), *region))
    assert part.flags.c_contiguous
    assert not np.shares_memory(part, image)
    np.testing.assert_array_equal(image, kept)


@seeded
@given(recipes, regions(151, 201))
def test_any_recipe_and_region_of_a_photo(images, recipe, region):
    np.testing.assert_array_equal(apply_region(recipe, images[0], *region), cut(apply(recipe, images[0]), *region))


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (3, 2), (9, 60)])
@pytest.mark.parametrize('row', EXACT, ids=lambda row: row.name)
def test_photos_smaller_than_the_reach(row, shape, rng):
    """The border is mirrored more than once."""
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    recipe = Recipe((Step(row.name, 5, seed=3), Step('gaussian_blur', 3)))
    whole = apply(recipe, image)
    for top, left in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 2)):
        part = apply_region(recipe, image, top, left, 1, 1)
        assert cv2.absdiff(part, cut(whole, top, left, 1, 1)).max() <= int(row.ties)


def test_steps_see_what_is_needed_and_no_more(images, seen):
    photo = images[0]
    local = (Step('gaussian_blur', 2), Step('sharpen', 2), Step('haze', 1))
    blur, sharpen = (OPERATORS[step.operator].margin(2) for step in local[:2])
    recipe = Recipe((Step('hue', 1), Step('contrast', 3), *local))
    apply_region(recipe, photo, 60, 70, 20, 30)
    assert seen == [
        ('hue', (151, 201)),
        ('contrast', (151, 201)),
        ('gaussian_blur', (20 + 2 * (blur + sharpen), 30 + 2 * (blur + sharpen))),
        ('sharpen', (20 + 2 * sharpen, 30 + 2 * sharpen)),
        ('haze', (20, 30)),
    ]
    seen.clear()
    apply_region(recipe, photo, 0, 171, 20, 30)
    assert seen[2:] == [
        ('gaussian_blur', (20 + blur + sharpen, 30 + blur + sharpen)),
        ('sharpen', (20 + sharpen, 30 + sharpen)),
        ('haze', (20, 30)),
    ]


def test_blocks_of_a_codec_are_whole(images, seen):
    apply_region(Recipe((Step('jpeg', 3),)), images[0], 60, 70, 20, 30)
    assert seen == [('jpeg', (48, 48))]  # rows 48 to 96, columns 64 to 112


def test_regions_far_apart_are_degraded_alone_and_near_ones_together(photos, seen):
    recipe = Recipe((Step('contrast', 3), Step('gaussian_blur', 1)))
    reach = OPERATORS['gaussian_blur'].margin(1)
    side = 100 + 2 * reach
    apply_regions(recipe, photos[0], [Region(50, 50, 150, 150), Region(200, 300, 300, 400)])
    assert seen == [('contrast', photos[0].shape[:2]), *[('gaussian_blur', (side, side))] * 2]
    seen.clear()
    apply_regions(recipe, photos[0], [Region(50, 50, 150, 150), Region(60, 100, 160, 200)])
    assert seen[1:] == [('gaussian_blur', (side + 10, side + 50))]


def test_without_steps_or_with_the_whole_photo(images):
    photo = images[0]
    for region in ((0, 0, 151, 201), (3, 0, 10, 201), (5, 6, 7, 8)):
        part = apply_region(Recipe(), photo, *region)
        np.testing.assert_array_equal(part, cut(photo, *region))
        assert part.flags.c_contiguous
        assert not np.shares_memory(part, photo)


def test_mirrored_view_of_a_photo(images):
    """What is handed over need not be contiguous."""
    view = images[0][::-1, ::-1, ::-1]
    recipe = Recipe((Step('gaussian_blur', 3),))
    np.testing.assert_array_equal(apply_region(recipe, view, 9, 8, 20, 30), cut(apply(recipe, view), 9, 8, 20, 30))


@pytest.mark.parametrize(
    'region', [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 0, 5), (0, 0, 5, 0), (148, 0, 4, 5), (0, 197, 5, 5), (9, 9, -1, 1)]
)
def test_region_outside(images, region):
    with pytest.raises(InputError, match=r'region must lie in 151 x 201 px, got '):
        apply_region(Recipe(), images[0], *region)


def test_bad_image():
    with pytest.raises(InputError, match=r'image must be an RGB uint8 array of shape \(H, W, 3\), got uint8 \(4, 4\)'):
        apply_region(Recipe(), np.zeros((4, 4), np.uint8), 0, 0, 1, 1)
