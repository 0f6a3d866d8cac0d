import numpy as np
import pytest
import scipy.ndimage

from mmqpt.degradations import Frame, blur
from mmqpt.degradations._filter import average_along, spread_filter
from mmqpt.degradations._random import generator

SEEDS = range(5)


def moments(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: kernel.shape[0], : kernel.shape[1]]
    mean = np.array([(kernel * x).sum(), (kernel * y).sum()])
    dx, dy = x - mean[0], y - mean[1]
    return mean, np.array([[(kernel * a * b).sum() for a in (dx, dy)] for b in (dx, dy)])


def response(function, value: float, seed: int) -> np.ndarray:
    """The kernel: a blurred white quadrant holds sums over it, which rounding touches little."""
    image = np.zeros((161, 161, 3), np.uint8)
    image[80:, 80:] = 255
    cumulative = function(image, value, seed)[..., 0].astype(float) / 255
    return np.diff(np.diff(cumulative, axis=0), axis=1)


@pytest.mark.parametrize('sigma', [0.7, 1.8, 4.8])
def test_gaussian_against_scipy(photos, sigma):
    image = photos[0][:100, :120]
    expected = scipy.ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode='mirror', truncate=5)
    assert np.abs(blur.gaussian_blur(image, sigma) - expected).max() < 2.5


@pytest.mark.parametrize('radius', [1, 1.8, 3, 4.6, 7])
def test_defocus_against_a_drawn_disc(photos, radius):
    fine = (np.arange(210) + 0.5) / 10 - 10.5
    disc = (np.hypot(fine[:, None], fine) <= radius).reshape(21, 10, 21, 10).mean((1, 3))
    sharp = photos[2][50:170, 100:240].astype(float)
    expected = scipy.ndimage.convolve(sharp, (disc / disc.sum())[..., None], mode='mirror')
    error = blur.defocus_blur(photos[2][50:170, 100:240], radius) - expected
    assert np.abs(error).mean() < 0.12 * np.abs(sharp - expected).mean() + 0.3


def test_spread_filter_is_a_filter_with_holes(rng):
    image = rng.integers(0, 256, (37, 41, 3), dtype=np.uint8)
    kernel = rng.random((3, 3))
    kernel /= kernel.sum()
    holes = np.zeros((7, 7))
    holes[::3, ::3] = kernel
    expected = scipy.ndimage.correlate(image.astype(float), holes[..., None], mode='mirror')
    assert np.abs(spread_filter(image, kernel, 3) - expected).max() <= 0.51


def test_average_along_is_the_mean_of_all_places(rng):
    image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    line = average_along(image, np.ones((1, 1)), [(1, -2), (2, -4)])
    copies = [np.roll(image.astype(float), (2 * i, -i), (0, 1)) for i in range(4)]
    expected = np.roll(np.mean(copies, axis=0), (-3, 1), (0, 1))
    assert np.abs(line - expected)[10:-10, 10:-10].max() <= 1.3


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('length', [3, 5.5, 9, 14, 22])
def test_motion_blur_is_a_centred_line_of_its_length(length, seed):
    mean, covariance = moments(response(blur.motion_blur, length, seed))
    assert mean == pytest.approx((79, 79), abs=0.2)
    along, across = np.linalg.eigh(covariance)[0][::-1]
    assert along == pytest.approx(length**2 / 12, rel=0.15, abs=0.5)
    assert across < 0.7
    angle = generator(seed).uniform(0, np.pi)
    direction = np.linalg.eigh(covariance)[1][:, 1]
    assert abs(direction @ (np.cos(angle), np.sin(angle))) > 0.99


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('sigma', [1, 1.6, 2.5, 3.9, 6])
def test_anisotropic_blur_has_its_two_widths(sigma, seed):
    mean, covariance = moments(response(blur.anisotropic_blur, sigma, seed))
    assert mean == pytest.approx((79, 79), abs=0.1)
    along, across = np.sqrt(np.linalg.eigh(covariance)[0][::-1].clip(0))
    assert along == pytest.approx(sigma, rel=0.12)
    assert across < max(sigma / 4, 0.35) + 0.5


@pytest.mark.parametrize('row', [(blur.zoom_blur, 0.14), (blur.defocus_blur, 7), (blur.gaussian_blur, 4.8)])
def test_blur_keeps_a_flat_photo(row):
    image = np.full((50, 60, 3), (10, 128, 250), np.uint8)
    assert np.abs(row[0](image, row[1]).astype(int) - image).max() <= 1


def test_zoom_blur_streaks_grow_with_the_radius(photos):
    image = photos[0]
    change = np.abs(blur.zoom_blur(image, 0.06).astype(float) - image).mean(2)
    y, x = np.mgrid[:512, :512] - 255.5
    assert change[np.hypot(y, x) < 20].mean() < 0.3 * change[np.hypot(y, x) > 200].mean()
    streak = np.zeros((257, 257, 3), np.uint8)
    streak[:, 64:] = 255
    row = blur.zoom_blur(streak, 0.14)[128, :, 0].astype(int)
    spread_px = np.count_nonzero((row > 3) & (row < 252))
    assert spread_px == pytest.approx(0.14 * 64, abs=3)


def test_scatter_takes_every_pixel_from_nearby():
    y, x = np.mgrid[:64, :64]
    image = np.dstack([y, x, y]).astype(np.uint8) * 3
    moved = (blur.scatter(image, 1.5, 0, Frame.of(image)).astype(int) - image) / 3
    inner = moved[8:-8, 8:-8, :2]
    assert inner.std() == pytest.approx(np.sqrt(1.5**2 + 1 / 12), rel=0.05)
    assert np.corrcoef(inner.reshape(-1, 2).T)[0, 1] == pytest.approx(0, abs=0.1)
