import numpy as np
import pytest
import scipy.ndimage

from mmqpt.degradations import detail

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def patch(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[0][90:130, 200:250])


@pytest.mark.parametrize('size', [3, 5])
def test_small_median_against_scipy(patch, size):
    expected = scipy.ndimage.median_filter(patch, (size, size, 1), mode='nearest')
    np.testing.assert_array_equal(detail.denoise(patch, size), expected)


@pytest.mark.parametrize('size', [7, 10, 14])
def test_large_median_is_near_the_exact_one(photos, size):
    image = photos[2]
    expected = scipy.ndimage.median_filter(image, (size, size, 1), mode='nearest').astype(float)
    assert np.abs(detail.denoise(image, size) - expected).mean() < 0.5 * np.abs(image - expected).mean()


def test_over_smoothing_against_a_loop(patch):
    luma = np.rint(patch @ LUMA)
    padded, padded_luma = np.pad(patch, ((4, 4), (4, 4), (0, 0)), 'reflect').astype(float), np.pad(luma, 4, 'reflect')
    expected = np.empty(patch.shape)
    for y in range(patch.shape[0]):
        for x in range(patch.shape[1]):
            share = 15**2 / (15**2 + padded_luma[y : y + 9, x : x + 9].var())
            expected[y, x] = share * padded[y : y + 9, x : x + 9].mean((0, 1)) + (1 - share) * patch[y, x]
    assert np.abs(detail.over_smoothing(patch, 15) - expected).max() <= 2


@pytest.mark.parametrize('amount', [0.4, 1])
def test_smear_against_a_loop(patch, amount):
    luma = np.pad(np.rint(patch @ LUMA), 4, 'reflect')
    padded = np.pad(patch, ((4, 4), (4, 4), (0, 0)), 'reflect').astype(float)
    expected = np.empty(patch.shape)
    for y in range(patch.shape[0]):
        for x in range(patch.shape[1]):
            corners = [(y + dy, x + dx) for dy in (0, 4) for dx in (0, 4)]
            v, u = min(corners, key=lambda at: luma[at[0] : at[0] + 5, at[1] : at[1] + 5].var())
            expected[y, x] = amount * padded[v : v + 5, u : u + 5].mean((0, 1)) + (1 - amount) * patch[y, x]
    off = np.abs(detail.smear(patch, amount) - expected).max(2) > 1.1
    assert off.mean() < 0.01  # where two windows are as flat


def test_sharpen_is_the_formula(patch):
    blurred = scipy.ndimage.gaussian_filter(patch.astype(float), (1.5, 1.5, 0), mode='mirror', truncate=3.4)
    expected = (patch + 1.2 * (patch - blurred)).clip(0, 255)
    assert np.abs(detail.sharpen(patch, 1.2) - expected).max() < 3


def test_local_contrast_moves_away_from_the_wide_mean():
    image = np.full((120, 120, 3), 100, np.uint8)
    image[:, 60:] = 120
    out = detail.local_contrast(image, 1.5)
    np.testing.assert_array_equal(out[:, [0, -1]], image[:, [0, -1]])
    assert out[60, 59, 0] == pytest.approx(100 - 15, abs=2)
    assert out[60, 60, 0] == pytest.approx(120 + 15, abs=2)


@pytest.mark.parametrize('cutoff', [0.5, 0.26])
def test_ringing_passes_below_and_stops_above_the_cutoff(cutoff):
    x = np.arange(256)
    for share, low, high in ((0.5, 0.85, 1.15), (1.8, 0, 0.1)):
        wave = np.rint(128 + 100 * np.sin(np.pi * cutoff * share * x + 0.5)).astype(np.uint8)
        out = detail.ringing(np.ascontiguousarray(np.broadcast_to(wave[None, :, None], (8, 256, 3))), cutoff)
        gain = out[4, 40:-40, 0].std() / wave[40:-40].std()
        assert low <= gain <= high


def test_ringing_overshoots_at_an_edge():
    image = np.full((40, 80, 3), 80, np.uint8)
    image[:, 40:] = 160
    out = detail.ringing(image, 0.3)
    assert out.max() > 164
    assert out.min() < 76
