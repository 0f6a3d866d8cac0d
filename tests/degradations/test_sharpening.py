"""Halos against their formulas."""

import numpy as np
import pytest
import scipy.ndimage

from mmqpt.degradations import sharpening


@pytest.fixture
def patch(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[0][90:130, 200:250])


def test_sharpen_is_the_formula(patch):
    blurred = scipy.ndimage.gaussian_filter(patch.astype(float), (1.5, 1.5, 0), mode='mirror', truncate=3.4)
    expected = (patch + 1.2 * (patch - blurred)).clip(0, 255)
    assert np.abs(sharpening.sharpen(patch, 1.2) - expected).max() < 3


def test_local_contrast_moves_away_from_the_wide_mean():
    image = np.full((120, 120, 3), 100, np.uint8)
    image[:, 60:] = 120
    out = sharpening.local_contrast(image, 1.5)
    np.testing.assert_array_equal(out[:, [0, -1]], image[:, [0, -1]])
    assert out[60, 59, 0] == pytest.approx(100 - 15, abs=2)
    assert out[60, 60, 0] == pytest.approx(120 + 15, abs=2)


@pytest.mark.parametrize('cutoff', [0.5, 0.26])
def test_ringing_passes_below_and_stops_above_the_cutoff(cutoff):
    x = np.arange(256)
    for share, low, high in ((0.5, 0.85, 1.15), (1.8, 0, 0.1)):
        wave = np.rint(128 + 100 * np.sin(np.pi * cutoff * share * x + 0.5)).astype(np.uint8)
        out = sharpening.ringing(np.ascontiguousarray(np.broadcast_to(wave[None, :, None], (8, 256, 3))), cutoff)
        gain = out[4, 40:-40, 0].std() / wave[40:-40].std()
        assert low <= gain <= high


def test_ringing_overshoots_at_an_edge():
    image = np.full((40, 80, 3), 80, np.uint8)
    image[:, 40:] = 160
    out = sharpening.ringing(image, 0.3)
    assert out.max() > 164
    assert out.min() < 76
