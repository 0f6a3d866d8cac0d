import numpy as np
import pytest

from mmqpt.degradations import tone


@pytest.fixture
def ramp() -> np.ndarray:
    return np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)


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


@pytest.mark.parametrize('values', [2, 9, 24])
def test_quantise_leaves_that_many_values(ramp, values):
    out = tone.quantise(ramp, values)
    assert len(np.unique(out)) == values
    assert np.abs(out.astype(int) - ramp).max() <= np.ceil(127.5 / (values - 1))


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
