"""The size rule."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.core.view import View

SIZES = [(1, 1), (1, 7), (5, 3), (33, 64), (64, 33), (100, 101), (7, 500), (300, 200)]


@pytest.fixture
def batch(rng):
    return torch.from_numpy(rng.random((3, 3, 40, 56), dtype=np.float32))


def test_default_shows_the_whole_photo(batch):
    crops = View().crops(batch)
    assert len(crops) == 1
    assert crops[0] is batch


@pytest.mark.parametrize('size', [(32, 32), (40, 64), (64, 64), (32, 64)])
def test_photos_within_the_bounds_are_left_alone(size):
    images = torch.rand(2, 3, *size)
    view = View(min_side=32, max_side=64)
    assert view.target_size(*size) == size
    assert view.resize(images) is images


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize(('min_side', 'max_side'), [(32, 64), (32, None), (1, 50), (64, 64), (224, 1536)])
def test_target_size_keeps_bounds_and_aspect(size, min_side, max_side):
    view = View(min_side=min_side, max_side=max_side)
    target = view.target_size(*size)
    if max_side is None:
        assert min(target) >= min_side
    else:
        assert max(target) <= max_side
        assert min(target) >= min_side or max(target) == max_side
    # One scale for both sides, up to rounding (and at least 1 px).
    scale = max(target) / max(size)
    assert abs(min(target) - max(1, min(size) * scale)) <= 0.5 + 0.5 * min(size) / max(size)
    assert view.target_size(*target) == target
    assert view.target_size(*size[::-1]) == target[::-1]


@pytest.mark.parametrize(
    ('size', 'target'),
    [
        ((20, 30), (32, 48)),
        ((100, 400), (50, 200)),
        ((10, 400), (5, 200)),
        ((1, 1000), (1, 200)),
        ((40, 200), (40, 200)),
    ],
)
def test_target_size_closed_form(size, target):
    assert View(min_side=32, max_side=200).target_size(*size) == target


KINDS = ('array', 'tensor')


def images_of(pixels, kind):
    """(N, C, H, W) of an array (N, H, W, C)."""
    found = pixels.transpose(0, 3, 1, 2)
    return found if kind == 'array' else torch.from_numpy(found)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('size', 'min_side', 'max_side'),
    [((60, 90), 1, 45), ((17, 23), 51, None), ((64, 64), 1, 33), ((900, 1300), 1, 1200), ((200, 300), 384, None)],
)
def test_resize_equals_pillow(size, min_side, max_side, kind, rng):
    """Bicubic with antialiasing is the same rule in torch and in Pillow."""
    pixels = rng.random((1, *size, 1), dtype=np.float32)
    view = View(min_side=min_side, max_side=max_side)
    height, width = view.target_size(*size)
    plane = Image.fromarray(pixels[0, ..., 0])
    expected = np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    out = view.resize(images_of(pixels, kind))
    assert isinstance(out, np.ndarray if kind == 'array' else torch.Tensor)
    np.testing.assert_allclose(np.asarray(out)[0, 0], expected, atol=1e-4)


@pytest.mark.parametrize('size', [(200, 1), (1, 200), (300, 2), (2, 300), (90, 7)])
@pytest.mark.parametrize('layout', ['planes', 'interleaved', 'bytes'])
@pytest.mark.parametrize('kind', KINDS)
def test_lines_equal_pillow(size, layout, kind, rng):
    """torch 2.12 gets results of 1 px in width wrong, in one of two layouts in memory."""
    pixels = rng.integers(0, 256, (1, *size, 3), dtype=np.uint8)
    images = images_of(pixels if layout == 'bytes' else pixels.astype(np.float32) / 255, kind)
    if layout == 'planes':
        images = np.ascontiguousarray(images) if kind == 'array' else images.contiguous()
    view = View(min_side=1, max_side=45)
    height, width = view.target_size(*size)
    plane = Image.fromarray(pixels[0, ..., 1].astype(np.float32) / 255)
    expected = np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
    np.testing.assert_allclose(np.asarray(view.resize(images))[0, 1], expected, atol=1e-4)


@pytest.mark.parametrize('kind', KINDS)
def test_resize_keeps_the_range(kind):
    """Bicubic overshoots at edges."""
    checker = ((np.arange(12)[:, None] // 4 + np.arange(12) // 4) % 2).astype(np.float32)
    out = View(min_side=50).resize(images_of(checker[None, ..., None], kind))
    assert out.min() == 0
    assert out.max() == 1


def test_bytes_resize_as_their_floats(rng):
    pixels = rng.integers(0, 256, (2, 60, 91, 3), dtype=np.uint8)
    view = View(min_side=1, max_side=45)
    for kind in KINDS:
        images = images_of(pixels, kind)
        whole = view.resize(images_of(pixels.astype(np.float32) / 255, kind))
        np.testing.assert_allclose(np.asarray(view.resize(images)), np.asarray(whole), rtol=0, atol=1e-6)


def test_gradient_flows_through_the_resizing_of_floats():
    images = torch.rand(1, 3, 20, 30, dtype=torch.float64) * 0.5 + 0.25
    assert torch.autograd.gradcheck(View(min_side=1, max_side=9).resize, images.requires_grad_())


@pytest.mark.parametrize('size', [(40, 56), (20, 90), (8, 8), (33, 64)])
@pytest.mark.parametrize('crop', [None, 32, 20])
def test_batch_equals_one_by_one(size, crop, rng):
    images = torch.from_numpy(rng.random((3, 3, *size), dtype=np.float32))
    view = View(min_side=32, max_side=70, crop=crop)
    together = view.crops(images)
    for i in range(3):
        alone = view.crops(images[i : i + 1])
        assert len(alone) == len(together)
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], many[i], rtol=0, atol=1e-6)


@pytest.mark.parametrize('size', [(32, 32), (32, 33), (33, 64), (64, 64), (65, 97), (40, 129), (150, 32)])
@pytest.mark.parametrize('crop', [1, 7, 31, 32])
def test_crops_cover_every_pixel_with_the_fewest(size, crop):
    height, width = size
    index = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    crops = View(min_side=32, max_side=None, crop=crop).crops(index)
    assert all(c.shape == (1, 1, crop, crop) for c in crops)
    assert len(crops) == -(-height // crop) * -(-width // crop)
    assert set(torch.cat([c.flatten() for c in crops]).int().tolist()) == set(range(height * width))
    # Row-major: the number of the first pixel grows.
    first = [int(c[0, 0, 0, 0]) for c in crops]
    assert first == sorted(first)


def test_crops_are_evenly_spaced():
    index = torch.arange(100.0).expand(1, 1, 32, 100)
    lefts = [int(c[0, 0, 0, 0]) for c in View(min_side=32, crop=32).crops(index)]
    assert lefts == [0, 23, 45, 68]


def test_crops_of_a_long_strip_are_cut_to_it():
    crops = View(min_side=32, max_side=64, crop=32).crops(torch.rand(1, 3, 4, 128))
    assert [tuple(c.shape) for c in crops] == [(1, 3, 2, 32), (1, 3, 2, 32)]


def numbers(height, width):
    return torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)


def corners_of(view, height, width):
    return [divmod(int(c[0, 0, 0, 0]), width) for c in view.crops(numbers(height, width))]


def test_five_crops_are_corners_and_centre():
    view = View(min_side=32, max_side=None, crop=20, places='five')
    assert corners_of(view, 40, 61) == [(0, 0), (0, 41), (20, 0), (20, 41), (10, 20)]
    assert all(c.shape == (1, 1, 20, 20) for c in view.crops(numbers(40, 61)))


@pytest.mark.parametrize(('size', 'count'), [((20, 20), 1), ((20, 30), 3), ((21, 21), 4)])
def test_five_places_that_coincide_count_once(size, count):
    corners = View(min_side=20, max_side=None, crop=20, places='five').corners(*size)
    assert len(corners) == len(set(corners)) == count


@pytest.mark.parametrize('places', ['grid', 'five', 25])
def test_crops_of_a_photo_as_large_as_the_crop_are_the_photo(places):
    photo = numbers(32, 32)
    (crop,) = View(min_side=32, crop=32, places=places).crops(photo)
    assert torch.equal(crop, photo)


def test_random_places_depend_on_the_size_alone():
    view = View(min_side=32, max_side=None, crop=20, places=25)
    corners = view.corners(100, 150)
    assert corners == View(min_side=32, max_side=None, crop=20, places=25).corners(100, 150)
    assert corners == corners_of(view, 100, 150)
    assert len(corners) == 25
    assert corners[:10] == View(min_side=32, max_side=None, crop=20, places=10).corners(100, 150)
    assert corners != view.corners(100, 151)
    assert corners != view.corners(101, 150)
    assert corners[:3] == [(7, 119), (18, 42), (64, 96)]  # in every version: published scores must not move


def test_random_places_are_spread_over_all_positions():
    corners = View(min_side=20, max_side=None, crop=20, places=300).corners(23, 24)
    assert set(corners) == {(y, x) for y in range(4) for x in range(5)}


@pytest.mark.parametrize('options', [{}, {'crop': 20}, {'crop': 20, 'places': 'five'}, {'crop': 20, 'places': 3}])
def test_flip_adds_the_mirror_image_of_every_view(options):
    photo = numbers(40, 50)
    plain = View(min_side=20, **options).crops(photo)
    both = View(min_side=20, flip=True, **options).crops(photo)
    assert len(both) == 2 * len(plain)
    for one, kept, mirrored in zip(plain, both, both[len(plain) :], strict=False):
        assert torch.equal(one, kept)
        assert torch.equal(one.flip(-1), mirrored)


def test_files_written_before_there_were_places_load_and_are_still_written_so():
    old = {'min_side': 64, 'max_side': 128, 'crop': 32}
    assert View(**old) == View(64, 128, 32, 'grid', False)
    assert View(**old).as_dict() == old
    assert View(**old, flip=True).as_dict() == {**old, 'flip': True}
    assert View(**old, places=5).as_dict() == {**old, 'places': 5}


@pytest.mark.parametrize('options', [{'places': 'five'}, {'places': 7, 'flip': True}])
def test_new_fields_go_through_json(options):
    view = View(min_side=64, crop=48, **options)
    assert View(**json.loads(json.dumps(view.as_dict()))) == view


def test_as_dict_goes_through_json():
    view = View(min_side=64, max_side=None, crop=48)
    assert View(**json.loads(json.dumps(view.as_dict()))) == view


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'min_side': 0}, 'min_side must be >= 1 px, got 0'),
        ({'min_side': 64, 'max_side': 63}, r'max_side must be >= min_side \(64 px\), got 63'),
        ({'crop': 0}, 'crop must be between 1 px and min_side'),
        ({'crop': 8, 'places': 'six'}, "places must be 'grid', 'five' or a number >= 1, got 'six'"),
        ({'crop': 8, 'places': 0}, 'or a number >= 1, got 0'),
        ({'crop': 8, 'places': True}, 'or a number >= 1, got True'),
        ({'crop': 8, 'places': 2.5}, 'or a number >= 1, got 2.5'),
        ({'places': 'five'}, "places 'five' needs a crop"),
        ({'flip': 0.5}, 'flip must be True or False, got 0.5'),
        ({'min_side': 32, 'crop': 33}, r'crop must be between 1 px and min_side \(32 px\), got 33'),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        View(**options)
