import cv2
import numpy as np
import pytest

from mmqpt.degradations import noise

LUMA = (0.299, 0.587, 0.114)


@pytest.fixture
def grey() -> np.ndarray:
    return np.full((256, 256, 3), 128, np.uint8)


def change(function, image, value, seed=0) -> np.ndarray:
    return function(image, value, seed).astype(float) - image


@pytest.mark.parametrize('sigma', [5, 18, 30])
def test_white_noise_has_its_sigma(grey, sigma):
    assert change(noise.white_noise, grey, sigma).std() == pytest.approx(sigma, rel=0.02)


def test_white_noise_on_black_is_half_a_normal(grey):
    out = noise.white_noise(grey * 0, 20, 0)
    assert (out == 0).mean() == pytest.approx(0.51, abs=0.01)


def test_colour_noise_keeps_luma(grey):
    added = change(noise.colour_noise, grey, 12)
    assert (added @ LUMA).std() < 0.5
    assert (added[..., 0] / 1.402).std() == pytest.approx(12, rel=0.03)
    assert (added[..., 2] / 1.772).std() == pytest.approx(12, rel=0.03)


@pytest.mark.parametrize('value', [40, 120, 200])
def test_sensor_noise_has_its_variance(value):
    added = change(noise.sensor_noise, np.full((256, 256, 3), value, np.uint8), 3)
    assert added.var() == pytest.approx(3 * value + 36, rel=0.04)


@pytest.mark.parametrize('value', [50, 100])
def test_speckle_is_proportional(value):
    added = change(noise.speckle_noise, np.full((256, 256, 3), value, np.uint8), 0.2)
    assert added.std() == pytest.approx(0.2 * value, rel=0.03)
    assert added.mean() == pytest.approx(0, abs=0.3)


def test_grain_is_grey_and_correlated(grey):
    added = change(noise.grain, grey, 13)
    assert np.ptp(added, axis=2).max() == 0
    plane = added[..., 0]
    assert plane.std() == pytest.approx(13, rel=0.06)
    assert np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1] == pytest.approx(
        np.exp(-1 / (4 * 0.81)), abs=0.05
    )
    assert change(noise.grain, grey // 128 * 5, 13).std() < 8


def test_lines_are_constant(grey):
    added = change(noise.line_noise, grey, 9)
    assert np.ptp(added, axis=(1, 2)).max() == 0
    assert added[:, 0, 0].std() == pytest.approx(9, rel=0.15)


@pytest.mark.parametrize('share', [0.01, 0.15])
def test_impulses_have_their_share(grey, share):
    out = noise.impulse_noise(grey, share, 0)
    assert (out == 0).all(2).mean() == pytest.approx(share / 2, rel=0.2)
    assert (out == 255).all(2).mean() == pytest.approx(share / 2, rel=0.2)
    assert (out == 128).all(2).mean() == pytest.approx(1 - share, rel=0.05)


def test_planes_are_added_to_all_channels(grey):
    plane = np.arange(256, dtype=np.int16).repeat(256).reshape(256, 256) - 200
    expected = np.clip(128 + plane.astype(int), 0, 255)[..., None].repeat(3, 2)
    np.testing.assert_array_equal(noise.add(grey, plane), expected)
    assert cv2.absdiff(noise.add(grey, plane.astype(np.float32)), expected.astype(np.uint8)).max() == 0
