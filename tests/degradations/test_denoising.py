"""Smoothing against SciPy and slow loops."""

import numpy as np
import pytest
import scipy.ndimage

from mmqpt.degradations import denoising, noise

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def patch(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[0][90:130, 200:250])


@pytest.mark.parametrize('size', [3, 5])
def test_small_median_against_scipy(patch, size):
    expected = scipy.ndimage.median_filter(patch, (size, size, 1), mode='nearest')
    np.testing.assert_array_equal(denoising.denoise(patch, size), expected)


@pytest.mark.parametrize('size', [7, 10, 14])
def test_large_median_is_near_the_exact_one(photos, size):
    image = photos[2]
    expected = scipy.ndimage.median_filter(image, (size, size, 1), mode='nearest').astype(float)
    assert np.abs(denoising.denoise(image, size) - expected).mean() < 0.5 * np.abs(image - expected).mean()


def test_over_smoothing_against_a_loop(patch):
    luma = np.rint(patch @ LUMA)
    padded, padded_luma = np.pad(patch, ((4, 4), (4, 4), (0, 0)), 'reflect').astype(float), np.pad(luma, 4, 'reflect')
    expected = np.empty(patch.shape)
    for y in range(patch.shape[0]):
        for x in range(patch.shape[1]):
            share = 15**2 / (15**2 + padded_luma[y : y + 9, x : x + 9].var())
            expected[y, x] = share * padded[y : y + 9, x : x + 9].mean((0, 1)) + (1 - share) * patch[y, x]
    assert np.abs(denoising.over_smoothing(patch, 15) - expected).max() <= 2


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
    off = np.abs(denoising.smear(patch, amount) - expected).max(2) > 1.1
    assert off.mean() < 0.01  # where two windows are as flat


def test_denoised_noise_is_quieter_than_noise():
    grey = np.full((256, 256, 3), 128, np.uint8)
    noisy, denoised = noise.white_noise(grey, 30, 0), denoising.denoised_noise(grey, 30, 0)
    assert (denoised.astype(float) - grey).std() < 0.3 * (noisy.astype(float) - grey).std()
