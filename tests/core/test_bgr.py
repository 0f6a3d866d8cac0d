"""OpenCV and Pillow decode a JPEG to the same pixels: what scores a photo and what trains on it see the same."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mmqpt.core.bgr import decode_jpeg, swap_channels
from mmqpt.core.errors import PhotoError
from mmqpt.core.photo import read_photo, read_photo_and_size
from tests.core.test_photo import ORIENTATIONS

SAMPLING = {'4:4:4': 0x111111, '4:2:2': 0x211111, '4:2:0': 0x221111, '4:4:0': 0x121111, '4:1:1': 0x411111}
SIZES = [(203, 157), (512, 384), (17, 8), (9, 2), (40, 1), (1, 1), (33, 31), (15, 47)]


def encode(photo, sampling='4:2:0', progressive=False, quality=90, restart=0):
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling], cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    return cv2.imencode('.jpg', photo, options)[1].tobytes()


def by_pillow(image, file_format='JPEG', **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def assert_same(data, min_side=None):
    """By both, to the bit; and OpenCV did decode it."""
    header = Image.open(io.BytesIO(data))
    assert decode_jpeg(data, header.size) is not None
    bgr, size = read_photo_and_size(data, min_side=min_side, bgr=True)
    rgb, same = read_photo_and_size(data, min_side=min_side)
    assert size == same
    np.testing.assert_array_equal(bgr[..., ::-1], rgb)


@pytest.mark.parametrize('min_side', [None, 1, 39])
@pytest.mark.parametrize('progressive', [False, True])
@pytest.mark.parametrize('sampling', SAMPLING)
def test_every_sampling_and_size(photos, sampling, progressive, min_side):
    for number, size in enumerate(SIZES):
        photo = cv2.resize(photos[number % 3], size, interpolation=cv2.INTER_AREA)
        for quality, restart in ((30, 0), (75, 3), (100, 0)):
            assert_same(encode(photo, sampling, progressive, quality, restart), min_side)


@pytest.mark.parametrize('min_side', [None, 39])
def test_grey_stored_rgb_noise_and_several_pictures(photos, rng, min_side):
    photo = Image.fromarray(photos[1])
    noise = Image.fromarray(rng.integers(0, 256, (157, 203, 3), dtype=np.uint8))
    for data in (
        by_pillow(photo.convert('L')),
        by_pillow(photo.convert('L'), progressive=True),
        by_pillow(photo, keep_rgb=True),
        by_pillow(noise, quality=100, subsampling=2),
        by_pillow(noise, quality=5, subsampling=1),
        by_pillow(photo, 'MPO', save_all=True, append_images=[noise]),
    ):
        assert_same(data, min_side)


@pytest.mark.parametrize('min_side', [None, 39])
@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_orientations(photos, orientation, min_side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_same(by_pillow(Image.fromarray(photos[2]).resize((203, 157)), exif=exif), min_side)


def test_photos_of_a_folder(photo_folder):
    for path in photo_folder.iterdir():
        assert_same(path.read_bytes())


def test_cmyk_is_left_to_pillow(photos):
    data = by_pillow(Image.fromarray(photos[0]).convert('CMYK'))
    np.testing.assert_array_equal(read_photo_and_size(data, bgr=True)[0][..., ::-1], read_photo(data))


def test_damage_gives_the_same_pixels_or_a_refusal(photos, rng):
    """Pillow stops at a few files that OpenCV decodes; then it is Pillow's word that counts for scores."""
    photo = photos[0][100:228, 100:260]
    files = [encode(photo, sampling, progressive) for sampling in ('4:4:4', '4:2:0') for progressive in (False, True)]
    same = refused = 0
    for number in range(200):
        data = bytearray(files[number % 4])
        for place in rng.integers(2 if number % 3 else 700, len(data) - 2, 3):
            data[place] = rng.integers(0, 256)
        try:
            rgb = read_photo(bytes(data))
        except PhotoError:
            refused += 1
            continue
        np.testing.assert_array_equal(read_photo_and_size(bytes(data), bgr=True)[0][..., ::-1], rgb)
        same += 1
    assert same > 100
    assert refused > 5


def test_swap_channels(photos):
    window = photos[0][10:50, 20:90]  # not contiguous
    out = np.empty((40, 70, 3), np.uint8)
    swap_channels(window, out=out)
    np.testing.assert_array_equal(out, window[..., ::-1])
    np.testing.assert_array_equal(swap_channels(window), window[..., ::-1])
    np.testing.assert_array_equal(swap_channels(out), window)
