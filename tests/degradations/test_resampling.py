import numpy as np
import pytest
from PIL import Image

from mmqpt.degradations import resampling


@pytest.fixture
def image(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[0][:120, :180])


@pytest.mark.parametrize('block', [2, 3, 4, 6])
def test_pixelate_is_the_mean_of_each_block(image, block):
    means = image.reshape(120 // block, block, 180 // block, block, 3).mean((1, 3))
    expected = means.repeat(block, 0).repeat(block, 1)
    assert np.abs(resampling.pixelate(image, block) - expected).max() <= 0.51


def test_nearest_keeps_the_middle_pixel_of_each_block(image):
    np.testing.assert_array_equal(resampling.resample_nearest(image, 3), image[1::3, 1::3].repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize(
    ('function', 'up'),
    [('resample_bilinear', Image.Resampling.BILINEAR), ('resample_bicubic', Image.Resampling.BICUBIC)],
)
def test_enlarging_comes_near_pillow(image, function, up):
    # At an odd whole factor every kernel reduces to the middle pixel.
    small = np.ascontiguousarray(image[1::3, 1::3])
    expected = np.asarray(Image.fromarray(small).resize((180, 120), up)).astype(float)
    error = np.abs(getattr(resampling, function)(image, 3) - expected)[6:-6, 6:-6]
    assert error.mean() < 1.5  # OpenCV's a = -0.75 against Pillow's -0.5


def test_only_area_averaging_is_free_of_aliases():
    stripes = np.zeros((60, 60, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.ptp(resampling.resample_area(stripes, 4)[:, 8:-8]) == 0
    for function in (resampling.resample_nearest, resampling.resample_bilinear, resampling.resample_lanczos):
        assert np.ptp(function(stripes, 2.8)[:, 8:-8]) > 50


def test_lanczos_gives_back_a_smooth_photo():
    x = np.arange(120)
    wave = (128 + 100 * np.sin(2 * np.pi * x / 40)).astype(np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(wave[None, :, None], (90, 120, 3)))
    assert np.abs(resampling.resample_lanczos(image, 2).astype(int) - image)[:, 10:-10].max() <= 3
