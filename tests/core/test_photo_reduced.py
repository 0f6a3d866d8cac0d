"""JPEGs decoded at 1/2, 1/4 and 1/8 of their size: the same photo, and the same rules as at full size."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo, read_photo_and_size
from mmqpt.core.reduced import reduction
from tests.core.test_photo import ORIENTATIONS

SIZE = (203, 157)  # width and height; neither is a multiple of 2, 4 or 8


def encode(image, file_format='JPEG', **options):
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, file_format, **({'quality': 95} if file_format == 'JPEG' else {}), **options)
    return buffer.getvalue()


@pytest.fixture(scope='module')
def photo(photos):
    """A real photo of SIZE."""
    return cv2.resize(photos[0], SIZE, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ('side', 'min_side', 'factor'),
    [
        *((100, None, 1), (100, 101, 1), (100, 100, 1), (100, 51, 1), (100, 50, 2), (99, 50, 1), (100, 26, 2)),
        *((100, 25, 4), (99, 25, 2), (100, 13, 4), (104, 13, 8), (100, 12, 8), (100, 1, 8), (7, 1, 4), (1, 1, 1)),
    ],
)
def test_largest_reduction_that_keeps_the_side(side, min_side, factor):
    assert reduction(side, min_side) == factor


@pytest.mark.parametrize('subsampling', ['4:4:4', '4:2:2', '4:2:0'])
@pytest.mark.parametrize(('min_side', 'factor'), [(79, 1), (78, 2), (39, 4), (19, 8)])
def test_is_the_photo_reduced(photo, min_side, factor, subsampling):
    data = encode(photo, subsampling=subsampling)
    out, size = read_photo_and_size(data, min_side=min_side)
    assert size == photo.shape[:2]
    assert out.shape == (-(-157 // factor), -(-203 // factor), 3)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert out.flags.writeable
    full = read_photo(data)
    if factor == 1:
        np.testing.assert_array_equal(out, full)
        return
    whole = full[: 157 // factor * factor, : 203 // factor * factor]
    area = cv2.resize(whole, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA).astype(float)
    found = out[: area.shape[0], : area.shape[1]].astype(float)
    assert np.abs(found - area).mean() < 4
    for shifted in (np.roll(area, 1, axis=0), np.roll(area, 1, axis=1), area[..., ::-1]):
        assert np.abs(found - shifted).mean() > 2 * np.abs(found - area).mean()


@pytest.mark.parametrize('factor', [2, 4, 8])
def test_equals_pillow_and_path_equals_bytes(photo, factor, tmp_path):
    data = encode(photo, subsampling='4:4:4', progressive=factor == 4)
    image = Image.open(io.BytesIO(data))
    image.draft('RGB', (203 // factor, 157 // factor))
    out = read_photo(data, min_side=157 // factor)
    assert out.shape[1::-1] == image.size
    assert np.abs(out.astype(int) - np.asarray(image)).max() <= 1
    (tmp_path / 'photo.jpg').write_bytes(data)
    np.testing.assert_array_equal(out, read_photo(tmp_path / 'photo.jpg', min_side=157 // factor))
    np.testing.assert_array_equal(out, read_photo(bytearray(data), 'photo', 157 // factor))


@pytest.mark.parametrize('orientation', ORIENTATIONS)
@pytest.mark.parametrize('factor', [2, 4, 8])
def test_exif_orientation_is_applied(photo, orientation, factor):
    exif = Image.Exif()
    exif[0x0112] = orientation
    out, size = read_photo_and_size(encode(photo, exif=exif), min_side=157 // factor)
    np.testing.assert_array_equal(out, ORIENTATIONS[orientation](read_photo(encode(photo), min_side=157 // factor)))
    assert size == ORIENTATIONS[orientation](photo).shape[:2]


@pytest.mark.parametrize('factor', [1, 2, 4, 8])
def test_flat_photos_keep_their_colour(factor):
    for colour in ((255, 255, 255), (0, 0, 0), (200, 30, 90)):
        data = encode(np.full((157, 203, 3), colour, np.uint8))
        out = read_photo(data, min_side=157 // factor)
        np.testing.assert_array_equal(out, np.broadcast_to(read_photo(data)[0, 0], out.shape))


@pytest.mark.parametrize('min_side', [None, 39])
@pytest.mark.parametrize('orientation', [1, 5, 6])
@pytest.mark.parametrize('kind', ['JPEG', 'CMYK', 'PNG'])
def test_bgr_holds_the_same_pixels(photo, kind, orientation, min_side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(photo)
    image = image.convert('CMYK') if kind == 'CMYK' else image
    data = encode(image, 'PNG' if kind == 'PNG' else 'JPEG', exif=exif)
    out, size = read_photo_and_size(data, min_side=min_side, bgr=True)
    assert size == read_photo_and_size(data)[1]
    assert out.flags.c_contiguous
    assert out.flags.writeable
    np.testing.assert_array_equal(out[..., ::-1], read_photo(data, min_side=min_side))


def test_grey_is_repeated(photo):
    out = read_photo(encode(photo[..., 1]), min_side=39)
    assert out.shape == (40, 51, 3)
    assert (out == out[..., :1]).all()
    np.testing.assert_allclose(out[:-1, :-1].mean(), photo[:156, :200, 1].mean(), atol=0.2)  # whole blocks


def test_other_kinds_are_read_in_full(photo):
    cmyk = encode(Image.fromarray(photo).convert('CMYK'))
    for data in (cmyk, *(encode(photo, kind) for kind in ('PNG', 'BMP', 'TIFF', 'WEBP', 'GIF'))):
        out, size = read_photo_and_size(data, min_side=8)
        assert size == out.shape[:2] == (157, 203)
        np.testing.assert_array_equal(out, read_photo(data))


def test_first_picture_of_an_mpo(photo):
    data = encode(Image.fromarray(photo), 'MPO', save_all=True, append_images=[Image.fromarray(photo[::-1].copy())])
    out, size = read_photo_and_size(data, min_side=39)
    assert out.shape == (40, 51, 3)
    assert size == (157, 203)
    np.testing.assert_array_equal(out, read_photo(encode(photo, 'MPO'), min_side=39))


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (9, 2), (17, 8)])
def test_tiny_photos(size, rng):
    data = encode(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    out, whole = read_photo_and_size(data, min_side=1)
    factor = reduction(min(size), 1)
    assert whole == size
    assert out.shape[:2] == tuple(-(-side // factor) for side in size)


def test_truncated_photos_are_refused_with_the_same_words(photo):
    data = encode(photo)
    for length in np.linspace(1, len(data) - 32, 12).astype(int):
        with pytest.raises(PhotoError, match=r'^holiday: ') as full:
            read_photo(data[:length], 'holiday')
        with pytest.raises(PhotoError) as reduced:
            read_photo(data[:length], 'holiday', 19)
        assert str(reduced.value) == str(full.value)


@pytest.mark.parametrize('min_side', [0, -1, 1.5, '224', True])
def test_min_side_is_checked(photo, min_side):
    with pytest.raises(InputError, match='min_side must be an integer >= 1 or None, got '):
        read_photo(encode(photo), min_side=min_side)
