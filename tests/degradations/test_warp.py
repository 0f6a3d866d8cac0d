"""Warps, against OpenCV's plain calls, and what they look at."""

import cv2
import numpy as np
import pytest

from mmqpt.degradations._filter import BORDER
from mmqpt.degradations._warp import WarpFootprint, affine, mirrored, places, warp
from mmqpt.degradations.frame import Frame, Region


def test_a_warp_on_four_channels_gives_the_pixels_of_three(rng):
    image = rng.integers(0, 256, (75, 83, 3), dtype=np.uint8)
    field = rng.normal(0, 4, (2, 75, 83)).astype(np.float32)

    def origin(x, y):
        rows = slice(int(y[0, 0]), int(y[-1, 0]) + 1)
        return x + field[0, rows], y + field[1, rows]

    frame = Frame.of(image)
    expected = cv2.remap(image, *origin(*places(frame.shown)), cv2.INTER_LINEAR, borderMode=BORDER)
    np.testing.assert_array_equal(warp(image, origin, frame), expected)
    np.testing.assert_array_equal(warp(image[..., 1].copy(), origin, frame), expected[..., 1])


def test_affine_is_that_of_opencv(rng):
    image = cv2.GaussianBlur(rng.integers(0, 256, (80, 101, 3), dtype=np.uint8), (0, 0), 2)
    matrix = np.array([[0.9, 0.3], [-0.2, 1.1]])
    centre = np.array([50, 39.5])
    full = np.hstack([matrix, (centre - matrix @ centre)[:, None]])
    expected = cv2.warpAffine(image, full, (101, 80), flags=cv2.INTER_LINEAR, borderMode=BORDER)
    out = warp(image, affine(matrix, 80, 101), Frame.of(image))
    assert cv2.absdiff(out, expected).max() <= 1


@pytest.mark.parametrize('size', [1, 2, 5, 9])
def test_mirrored_is_all_that_sampling_looks_at(size):
    """Against the positions themselves, reflected one by one."""
    for low, high in ((0.0, 0.0), (-0.2, 1.0), (-3.7, -1.2), (2.5, 6.5), (7.5, 12.0), (-30.0, 2.0), (-2.0, 13.0)):
        taps = [place + more for place in range(int(np.floor(low)), int(np.floor(high)) + 1) for more in (0, 1)]
        period = max(1, 2 * (size - 1))
        seen = [min(tap % period, period - tap % period) if size > 1 else 0 for tap in taps]
        first, end = mirrored(low, high, size)
        assert 0 <= first <= min(seen)
        assert max(seen) < end <= size


def quarter_turn(_value, _seed, height, width):
    return affine(np.array([[0.0, 1.0], [-1.0, 0.0]]), height, width)


def test_footprint_of_a_quarter_turn():
    """A strip at the top comes from one at a side."""
    found = WarpFootprint(quarter_turn)(Region(0, 0, 10, 100), 1.0, 0, 100, 100)
    assert (found.top, found.bottom) == (0, 100)
    assert found.right - found.left in (10, 11, 12)
    assert found.right == 100
