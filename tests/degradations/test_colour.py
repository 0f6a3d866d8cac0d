"""Colour changes against their formulas in floating point, and closed forms."""

import cv2
import numpy as np
import pytest
from scipy import ndimage

from mmqpt.degradations import colour

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def photo(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[1][100:260, 150:350])


@pytest.fixture
def ramp() -> np.ndarray:
    """All 256 greys."""
    return np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


def assert_rounded(out: np.ndarray, expected: np.ndarray, tolerance: float = 0.501) -> None:
    """Equal up to rounding; matrices are applied with 10 fractional bits and need 1."""
    assert np.abs(out - expected.clip(0, 255)).max() <= tolerance


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


def test_no_saturation_in_lab_is_grey_of_the_same_lightness(photo):
    grey = colour.saturation_lab(photo, 0)
    assert np.ptp(grey, axis=2).max() <= 1
    lightness = [cv2.cvtColor(image, cv2.COLOR_RGB2LAB)[..., 0].astype(int) for image in (photo, grey)]
    assert np.abs(lightness[0] - lightness[1]).max() <= 2


def test_tint_is_magenta_or_green():
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert colour.tint(grey, 0.2)[0, 0].tolist() == [110, 80, 110]
    assert colour.tint(grey, -0.2)[0, 0].tolist() == [90, 120, 90]


def test_cast_has_no_luma():
    grey = np.full((2, 2, 3), 128, np.uint8)
    casts = np.array([colour.colour_cast(grey, 20, seed)[0, 0] for seed in range(50)], float) - 128
    assert np.abs(casts @ LUMA).max() < 1
    cr, cb = casts[:, 0] / 1.402, casts[:, 2] / 1.772
    assert np.hypot(cr, cb) == pytest.approx(np.full(50, 20), abs=0.6)
    assert np.abs([cr.mean(), cb.mean()]).max() < 6


def test_fade_ends_on_yellowed_paper():
    image = np.array([[[0, 0, 0], [200, 30, 60]]], np.uint8)
    dark, red = colour.fade(image, 0.4)[0].astype(float)
    assert dark == pytest.approx(0.2 * np.array([205, 190, 160]), abs=1)
    assert np.ptp(red) < np.ptp(image[0, 1].astype(float))


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


def test_chromatic_aberration_grows_from_the_centre():
    dots = np.zeros((101, 101, 3), np.uint8)
    dots[50, [50, 70, 90]] = 255
    out = colour.chromatic_aberration(dots, 7.0711)
    assert out[50, 50].tolist() == [255, 255, 255]
    for x, shift in ((70, 2), (90, 4)):
        assert out[50, x + shift - 1 : x + shift + 2, 0].argmax() == 1
        assert out[50, x - shift - 1 : x - shift + 2, 2].argmax() == 1
        assert out[50, x, 1] == 255


@pytest.mark.parametrize(('width', 'pixels'), [(9, 4), (14, 6.5), (21, 10), (3, 10)])
def test_chromatic_aberration_of_a_photo_as_small_as_the_shift(width, pixels):
    """Blue was reduced to one point, which no matrix undoes, or turned over."""
    ramp = np.tile(np.arange(width, dtype=np.uint8)[None, :, None] * 10, (1, 1, 3))
    out = colour.chromatic_aberration(ramp, pixels)
    assert out.shape == ramp.shape
    assert (np.diff(out[0, :, 0].astype(int)) >= 0).all()  # enlarged: still in order
    blue = out[0, :, 2].astype(int)
    assert blue + blue[::-1] == pytest.approx(10 * (width - 1), abs=2)  # reduced about the centre


def test_blotches_keep_luma_and_are_smooth():
    grey = np.full((300, 400, 3), 128, np.uint8)
    added = colour.chroma_blotches(grey, 12, 0).astype(float) - 128
    assert np.abs(added @ LUMA).max() < 1
    assert np.abs(np.diff(added, axis=1)).max() <= 4
    assert 5 < (added[..., 0] / 1.402).std() < 12


def test_diffusion_is_a_blur_of_chroma_alone(photo):
    out = colour.colour_diffusion(photo, 8)
    before, after = (cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).astype(float) for image in (photo, out))
    expected = before[..., 1:]
    for _ in range(3):
        expected = ndimage.uniform_filter(expected, (17, 17, 0), mode='mirror')
    inside = ((out > 0) & (out < 255)).all(2)
    assert np.abs(after[..., 0] - before[..., 0])[inside].max() <= 2
    assert np.abs(after[..., 1:] - expected)[inside].max() <= 3
