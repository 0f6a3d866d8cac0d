"""Colour changes against their formulas in floating point, and closed forms."""

import numpy as np
import pytest
from scipy import ndimage

from mmqpt.degradations import colour

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def photo(photos):
    return photos[1][100:190, 150:271]


@pytest.fixture
def ramp():
    """All 256 greys."""
    return np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


def assert_rounded(out: np.ndarray, expected: np.ndarray, tolerance: float = 0.501) -> None:
    """Equal up to rounding; matrices are applied with 10 fractional bits and need 1."""
    assert np.abs(out - expected.clip(0, 255)).max() <= tolerance


@pytest.mark.parametrize('shift', [0.3, -0.42])
def test_brightness(photo, shift):
    assert_rounded(colour.brightness(photo, shift), photo + 255 * shift)


@pytest.mark.parametrize('gain', [3.2, 0.22])
def test_contrast(photo, gain):
    assert_rounded(colour.contrast(photo, gain), photo.mean() + gain * (photo - photo.mean()))


@pytest.mark.parametrize('exponent', [3.1, 0.3])
def test_gamma(photo, ramp, exponent):
    assert_rounded(colour.gamma(photo, exponent), 255 * (photo / 255) ** exponent)
    out = colour.gamma(ramp, exponent)
    assert out[0, 0].tolist() == [0, 0, 0]
    assert out[0, 255].tolist() == [255, 255, 255]
    assert (np.sign(out[0, 1:255].astype(int) - ramp[0, 1:255]) == (1 if exponent < 1 else -1)).mean() > 0.9


@pytest.mark.parametrize('gain', [4.6, 0.3])
def test_saturation(photo, gain):
    luma = (photo @ LUMA)[..., None]
    assert_rounded(colour.saturation(photo, gain), luma + gain * (photo - luma), tolerance=1)


def test_saturation_zero_is_grey(photo):
    out = colour.saturation(photo, 0)
    assert (out == out[..., :1]).all()
    assert_rounded(out[..., 0], photo @ LUMA, tolerance=1)


@pytest.mark.parametrize('degrees', [65, -100, 10])
def test_hue_turns_the_chroma_plane(photo, degrees):
    to_yiq = np.array([LUMA, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
    y, i, q = (photo @ to_yiq.T).transpose(2, 0, 1)
    chroma = (i + 1j * q) * np.exp(1j * np.deg2rad(degrees))
    expected = np.stack([y, chroma.real, chroma.imag], axis=-1) @ np.linalg.inv(to_yiq).T
    assert_rounded(colour.hue(photo, degrees), expected, tolerance=1)


def test_hue_keeps_greys_and_a_full_turn_keeps_all(photo, ramp):
    assert np.abs(colour.hue(ramp, 65).astype(int) - ramp).max() <= 1
    np.testing.assert_array_equal(colour.hue(photo, 360), photo)


@pytest.mark.parametrize('shift', [0.42, -0.2])
def test_temperature(photo, shift):
    assert_rounded(colour.temperature(photo, shift), photo * np.array([1 + shift, 1, 1 - shift]))


def test_warm_is_redder(photo):
    out = colour.temperature(photo, 0.2).astype(float).mean(axis=(0, 1)) - photo.mean(axis=(0, 1))
    assert out[0] > 1
    assert out[1] == 0
    assert out[2] < -1


@pytest.mark.parametrize('seed', range(4))
def test_channel_shift_moves_red_and_blue_apart(photo, seed):
    angle = np.random.Generator(np.random.PCG64(seed)).uniform(0, 2 * np.pi)
    shift = 2.5 * np.array([np.sin(angle), np.cos(angle)])
    out = colour.channel_shift(photo, 2.5, seed)
    for channel, sign in ((0, 1), (1, 0), (2, -1)):
        expected = ndimage.shift(photo[..., channel].astype(float), sign * shift, order=1, mode='mirror')
        error = np.abs(out[..., channel] - expected)
        assert error.mean() < 0.7
        assert np.quantile(error, 0.999) < 6


@pytest.mark.parametrize('values', [2, 4, 9, 24])
def test_quantise_keeps_evenly_spaced_values(ramp, photo, values):
    kept = np.unique(colour.quantise(ramp, values))
    np.testing.assert_allclose(kept, np.linspace(0, 255, values), atol=0.5)
    assert np.isin(colour.quantise(photo, values), kept).all()
    # The nearest of them is taken.
    error = np.abs(colour.quantise(photo, values).astype(int) - photo)
    assert error.max() <= 255 / (values - 1) / 2 + 0.5


@pytest.mark.parametrize('density', [0.12, 0.72])
def test_haze(photo, density):
    assert_rounded(colour.haze(photo, density), (1 - density) * photo + density * 220)
