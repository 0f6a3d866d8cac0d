"""Blur, noise and compression against SciPy and Pillow, and closed forms."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from mmqpt.degradations import texture


@pytest.fixture
def photo(photos):
    return photos[1][100:190, 150:271]


def channels(function, photo: np.ndarray) -> np.ndarray:
    return np.stack([function(photo[..., c].astype(float)) for c in range(3)], axis=-1)


@pytest.mark.parametrize('sigma', [0.7, 1.8, 4.8])
def test_gaussian_blur_equals_scipy(photo, sigma):
    radius = int(np.ceil(3 * sigma))
    expected = channels(lambda plane: ndimage.gaussian_filter(plane, sigma, mode='mirror', radius=radius), photo)
    assert np.abs(texture.gaussian_blur(photo, sigma) - expected).max() <= 1.5


@pytest.mark.parametrize('radius', [1, 1.8, 7.5])
def test_defocus_blur_equals_a_disc(photo, radius):
    reach = int(np.ceil(radius))
    disc = np.array(
        [
            [min(1, max(0, radius + 0.5 - np.sqrt(x * x + y * y))) for x in range(-reach, reach + 1)]
            for y in range(-reach, reach + 1)
        ]
    )
    expected = channels(lambda plane: ndimage.correlate(plane, disc / disc.sum(), mode='mirror'), photo)
    assert np.abs(texture.defocus_blur(photo, radius) - expected).max() <= 1


@pytest.mark.parametrize('seed', range(5))
def test_motion_blur_spreads_a_point_along_a_line(seed):
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    spread = texture.motion_blur(point, 14, seed)[..., 0].astype(float)
    y, x = np.mgrid[-32:33, -32:33]
    mass = spread.sum()
    moments = np.array(
        [[(spread * x * x).sum(), (spread * x * y).sum()], [(spread * x * y).sum(), (spread * y * y).sum()]]
    )
    across, along = np.linalg.eigvalsh(moments / mass)
    angle = np.random.Generator(np.random.PCG64(seed)).uniform(0, np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    # A line of length L has variance L^2 / 12 along itself; across it is about one pixel wide.
    assert along == pytest.approx(14**2 / 12, rel=0.15)
    assert across < 0.5
    assert direction @ moments @ direction / mass == pytest.approx(along, rel=0.02)
    assert mass == pytest.approx(255, rel=0.25)


@pytest.mark.parametrize('size', [3, 7, 17])
def test_denoise_equals_the_median(photo, size):
    """In the middle; at the border OpenCV's median repeats the last pixel."""
    expected = channels(lambda plane: ndimage.median_filter(plane, size=size, mode='mirror'), photo)
    inner = np.s_[size // 2 : -(size // 2), size // 2 : -(size // 2)]
    np.testing.assert_array_equal(texture.denoise(photo, size)[inner], expected[inner])


@pytest.mark.parametrize('amount', [0.6, 2.2, 6.5])
def test_sharpen_is_an_unsharp_mask(photo, amount):
    blurred = channels(lambda plane: ndimage.gaussian_filter(plane, 1.5, mode='mirror', radius=5), photo)
    expected = (photo + amount * (photo - blurred)).clip(0, 255)
    # The blurred photo is rounded before it is amplified.
    assert np.abs(texture.sharpen(photo, amount) - expected).max() <= 1.5 + amount
    assert np.abs(texture.sharpen(photo, amount) - expected).mean() <= 0.3 + 0.3 * amount


@pytest.mark.parametrize('sigma', [5, 18])
def test_white_noise_is_normal_and_independent(sigma):
    flat = np.full((200, 300, 3), 128, np.uint8)
    noise = texture.white_noise(flat, sigma, 7).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=4 * sigma / np.sqrt(noise.size))
    # Rounding adds the variance 1/12.
    assert noise.var() == pytest.approx(sigma**2 + 1 / 12, rel=0.02)
    values = noise + np.random.default_rng(0).uniform(-0.5, 0.5, noise.shape)
    assert stats.kstest(values.ravel() / np.sqrt(sigma**2 + 1 / 12), 'norm').pvalue > 1e-3
    correlations = np.corrcoef(noise.reshape(-1, 3).T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.02
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.02


@pytest.mark.parametrize('gain', [0.4, 3])
@pytest.mark.parametrize('value', [50, 120, 180])
def test_sensor_noise_variance_grows_with_the_value(gain, value):
    flat = np.full((200, 300, 3), value, np.uint8)
    noise = texture.sensor_noise(flat, gain, 7).astype(float) - value
    assert noise.mean() == pytest.approx(0, abs=0.2)
    assert noise.var() == pytest.approx(gain * value + (2 * gain) ** 2 + 1 / 12, rel=0.03)


@pytest.mark.parametrize('share', [0.01, 0.15])
def test_impulse_noise_sets_a_share_of_the_pixels(share):
    flat = np.full((300, 400, 3), 128, np.uint8)
    out = texture.impulse_noise(flat, share, 7)
    assert (out == out[..., :1]).all()
    pixels = out[..., 0]
    assert set(np.unique(pixels)) == {0, 128, 255}
    for extreme in (0, 255):
        assert stats.binomtest(int((pixels == extreme).sum()), pixels.size, share / 2).pvalue > 1e-3


def test_noise_saturates():
    """Values do not wrap around at the ends: half of the noise is cut off, the rest averages sigma / sqrt(2 pi)."""
    for value in (0, 255):
        flat = np.full((100, 100, 3), value, np.uint8)
        read_noise = np.sqrt(3 * value + 36)
        for out, sigma in ((texture.white_noise(flat, 30, 1), 30), (texture.sensor_noise(flat, 3, 1), read_noise)):
            change = np.abs(out.astype(int) - value)
            assert change.mean() == pytest.approx(sigma / np.sqrt(2 * np.pi), rel=0.03)
            assert change.max() < 6 * sigma


@pytest.mark.parametrize('quality', [45, 17, 5])
def test_jpeg_equals_pillow(photo, quality):
    def pillow(subsampling: int) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, 'JPEG', quality=quality, subsampling=subsampling)
        return np.asarray(Image.open(buffer)).astype(int)

    out = texture.jpeg(photo, quality)
    assert np.abs(out - pillow(2)).mean() < 0.5
    # 4:2:0, not 4:4:4.
    assert np.abs(out - pillow(0)).mean() > 1
