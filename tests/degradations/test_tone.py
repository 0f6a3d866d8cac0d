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


@pytest.mark.parametrize('density', [0.12, 0.72])
def test_haze(photo, density):
    assert_rounded(tone.haze(photo, density), (1 - density) * photo + density * 220)


@pytest.mark.parametrize('values', [2, 4, 9, 24])
def test_quantise_keeps_evenly_spaced_values(ramp, photo, values):
    kept = np.unique(tone.quantise(ramp, values))
    np.testing.assert_allclose(kept, np.linspace(0, 255, values), atol=0.5)
    assert np.isin(tone.quantise(photo, values), kept).all()
    # The nearest of them is taken.
    error = np.abs(tone.quantise(photo, values).astype(int) - photo)
    assert error.max() <= 255 / (values - 1) / 2 + 0.5


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


def test_banding_makes_steps_of_a_gradient_and_keeps_detail():
    image = np.linspace(20, 230, 200).astype(np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    out = tone.banding(image, 32)[20, 10:-10, 0].astype(int)
    assert len(np.unique(np.rint(out / 32))) <= 8
    assert np.abs(out - 32 * np.rint(out / 32)).max() <= 2
    detailed = image.copy()
    detailed[20, 100] += 10
    difference = tone.banding(detailed, 32).astype(int) - tone.banding(image, 32)
    assert difference[20, 100].tolist() == pytest.approx([10, 10, 10], abs=1)


def test_vignette_loses_its_share_in_the_corners():
    image = np.full((61, 101, 3), 200, np.uint8)
    out = tone.vignette(image, 0.6)
    assert out[0, 0].tolist() == [80, 80, 80]
    assert out[30, 50].tolist() == [200, 200, 200]
    assert out[30, 0, 0] == pytest.approx(200 * (1 - 0.6 * 101**2 / (101**2 + 61**2)), abs=1)
    np.testing.assert_array_equal(out, out[::-1, ::-1])
