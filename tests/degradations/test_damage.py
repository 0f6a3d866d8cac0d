import numpy as np
import pytest

from mmqpt.degradations import damage


@pytest.fixture
def image(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[0][:256, :320])


def test_lost_blocks_repeat_the_row_above(image):
    out = damage.lost_blocks(image, 0.1, 0)
    changed = (out != image).any(2).reshape(16, 16, 20, 16).any((1, 3))
    assert 0.04 < changed.mean() < 0.16
    for row, column in np.argwhere(changed):
        block = out[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        expected = image[16 * row - 1, 16 * column : 16 * column + 16] if row else np.uint8(128)
        np.testing.assert_array_equal(block, np.broadcast_to(expected, block.shape))


def test_colour_blocks_are_flat_squares(image):
    out = damage.colour_blocks(image, 0.0125, 1)
    y, x = np.nonzero((out != image).any(2))
    assert np.ptp(y) <= 31
    assert np.ptp(x) <= 31
    assert len(np.unique(out[y, x], axis=0)) == 1


@pytest.mark.parametrize('share', [0.002, 0.03])
def test_dead_pixels_fail_in_one_channel(image, share):
    grey = np.full_like(image, 100)
    out = damage.dead_pixels(grey, share, 0)
    stuck = (out == 0) | (out == 255)
    assert stuck.any(2).mean() == pytest.approx(share, rel=0.15)
    assert (stuck.sum(2) <= 1).mean() > 0.99
    y, x, channel = np.argwhere(damage.dead_pixels(grey, 1e-9, 5) != 100)[2]
    lone = damage.dead_pixels(grey, 1e-9, 5)[..., channel]
    assert sorted(np.unique(lone[y - 1 : y + 2, x - 1 : x + 2])) in ([0, 50, 100], [100, 177, 255])


def test_interlace_moves_odd_rows_alone(image):
    out = damage.interlace(image, 3)
    np.testing.assert_array_equal(out[::2], image[::2])
    np.testing.assert_array_equal(out[1::2, 3:], image[1::2, :-3])


@pytest.mark.parametrize('values', [2, 4, 9])
def test_dither_keeps_the_mean_with_few_values(values):
    for grey in (30, 128, 200):
        out = damage.dither(np.full((64, 64, 3), grey, np.uint8), values)
        assert len(np.unique(out)) <= 2
        assert out.mean() == pytest.approx(grey, abs=255 / (values - 1) / 64 + 1)


def test_bayer_holds_every_threshold_once():
    assert sorted(damage._bayer(3).ravel()) == pytest.approx((np.arange(64) + 0.5) / 64)
    assert damage._bayer(1).tolist() == [[0.125, 0.625], [0.875, 0.375]]
