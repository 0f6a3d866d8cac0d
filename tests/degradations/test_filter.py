"""Filters that families share, against OpenCV's plain calls."""

import cv2
import numpy as np

from mmqpt.degradations._filter import BORDER, warp


def test_a_warp_on_four_channels_gives_the_pixels_of_three(rng):
    image = rng.integers(0, 256, (75, 83, 3), dtype=np.uint8)
    field = rng.normal(0, 4, (2, 75, 83)).astype(np.float32)

    def origin(x, y):
        rows = slice(int(y[0, 0]), int(y[-1, 0]) + 1)
        return x + field[0, rows], y + field[1, rows]

    x, y = np.arange(83, dtype=np.float32)[None, :], np.arange(75, dtype=np.float32)[:, None]
    expected = cv2.remap(image, *origin(x, y), cv2.INTER_LINEAR, borderMode=BORDER)
    np.testing.assert_array_equal(warp(image, origin), expected)
