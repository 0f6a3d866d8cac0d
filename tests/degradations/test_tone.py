"""Tone changes against their formulas in floating point, and closed forms."""

import numpy as np
import pytest

from mmqpt.degradations import tone


@pytest.fixture
def photo(photos) -> np.ndarray:
    return photos[1][100:190, 150:271]


@pytest.fixture
def ramp() -> np.ndarray:
    """All 256 greys."""
    return np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


def assert_rounded(out: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(out - expected.clip(0, 255)).max() <= 0.501


@pytest.mark.parametrize('shift', [0.3, -0.42])
def test_brightness(photo, shift):
    assert_rounded(tone.brightness(photo, shift), photo + 255 * shift)


@pytest.mark.parametrize('gain', [3.2, 0.22])
def test_contrast(photo, gain):
    assert_rounded(tone.contrast(photo, gain), photo.mean() + gain * (photo - photo.mean()))


@pytest.mark.parametrize('exponent', [3.1, 0.3])
def test_gamma(photo, ramp, exponent):
    assert_rounded(tone.gamma(photo, exponent), 255 * (photo / 255) ** exponent)
    out = tone.gamma(ramp, exponent)
    assert out[0, 0].tolist() == [0, 0, 0]
    assert out[0, 255].tolist() == [255, 255, 255]
    assert (np.sign(out[0, 1:255].astype(int) - ramp[0, 1:255]) == (1 if exponent < 1 else -1)).mean() > 0.9


@pytest.mark.parametrize('shift', [-0.3, 0.12])
def test_midtones_move_mid_grey_and_keep_the_ends(ramp, shift):
    out = tone.midtones(ramp, shift)[..., 0].ravel().astype(int)
    assert out[[0, 255]].tolist() == [0, 255]
    assert out[128] == pytest.approx(128 + 255 * shift, abs=1.5)
    assert (np.diff(out) >= 0).all()


def test_midtones_keep_colour_differences():
    image = np.full((4, 4, 3), (100, 120, 90), np.uint8)
    np.testing.assert_array_equal(np.ptp(tone.midtones(image, 0.1), axis=2), 30)


@pytest.mark.parametrize('stops', [-2, 1])
def test_exposure_multiplies_the_light(ramp, stops):
    def light(value):
        value = value / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)

    expected = (light(ramp.astype(float)) * 2.0**stops).clip(0, 1)
    assert np.abs(light(tone.exposure(ramp, stops).astype(float)) - expected).max() < 0.005
    assert np.isin(255, tone.exposure(ramp, stops)) == (stops > 0)


def test_a_change_of_luma_is_added_to_all_channels(photo, rng):
    """The sums of bytes are those of signed numbers, clipped."""
    luma = rng.integers(0, 256, photo.shape[:2], dtype=np.uint8)
    for change in (300 * np.sin(np.arange(256.0)), np.linspace(0, 90, 256), -np.linspace(0, 90, 256), np.zeros(256)):
        added = photo + change.round().clip(-255, 255)[luma][..., None]
        np.testing.assert_array_equal(tone.add_luma(photo, luma, change), added.clip(0, 255))
