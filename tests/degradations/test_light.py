"""Vignette and haze against their formulas."""

import numpy as np
import pytest

from mmqpt.degradations import light


@pytest.fixture
def photo(photos) -> np.ndarray:
    return photos[1][100:190, 150:271]


def assert_rounded(out: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(out - expected.clip(0, 255)).max() <= 0.501


@pytest.mark.parametrize('density', [0.12, 0.72])
def test_haze(photo, density):
    assert_rounded(light.haze(photo, density), (1 - density) * photo + density * 220)


def test_vignette_loses_its_share_in_the_corners():
    image = np.full((61, 101, 3), 200, np.uint8)
    out = light.vignette(image, 0.6)
    assert out[0, 0].tolist() == [80, 80, 80]
    assert out[30, 50].tolist() == [200, 200, 200]
    assert out[30, 0, 0] == pytest.approx(200 * (1 - 0.6 * 101**2 / (101**2 + 61**2)), abs=1)
    np.testing.assert_array_equal(out, out[::-1, ::-1])
