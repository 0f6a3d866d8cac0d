"""Too few values and colours: closed forms."""

import numpy as np
import pytest

from mmqpt.degradations import quantisation


@pytest.fixture
def photo(photos) -> np.ndarray:
    return photos[1][100:190, 150:271]


@pytest.fixture
def ramp() -> np.ndarray:
    """All 256 greys."""
    return np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)


@pytest.mark.parametrize('values', [2, 4, 9, 24])
def test_quantise_keeps_evenly_spaced_values(ramp, photo, values):
    kept = np.unique(quantisation.quantise(ramp, values))
    np.testing.assert_allclose(kept, np.linspace(0, 255, values), atol=0.5)
    assert np.isin(quantisation.quantise(photo, values), kept).all()
    # The nearest of them is taken.
    error = np.abs(quantisation.quantise(photo, values).astype(int) - photo)
    assert error.max() <= 255 / (values - 1) / 2 + 0.5


@pytest.mark.parametrize('colours', [10, 64])
def test_palette_has_at_most_that_many_colours(photo, colours):
    found = len(np.unique(quantisation.palette(photo, colours).reshape(-1, 3), axis=0))
    assert colours / 2 <= found <= colours


def test_banding_makes_steps_of_a_gradient_and_keeps_detail():
    image = np.linspace(20, 230, 200).astype(np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    out = quantisation.banding(image, 32)[20, 10:-10, 0].astype(int)
    assert len(np.unique(np.rint(out / 32))) <= 8
    assert np.abs(out - 32 * np.rint(out / 32)).max() <= 2
    detailed = image.copy()
    detailed[20, 100] += 10
    difference = quantisation.banding(detailed, 32).astype(int) - quantisation.banding(image, 32)
    assert difference[20, 100].tolist() == pytest.approx([10, 10, 10], abs=1)
