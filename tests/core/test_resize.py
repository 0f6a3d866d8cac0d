"""Resizing without torch: strips change nothing, and the result is the reference written out."""

import numpy as np
import pytest

from mmqpt.core import resize as module
from mmqpt.core.resize import resize_planes


def reference_row(values, size):
    """The formula: bicubic (a = -0.5), stretched by the scale where it shrinks, cut off and normalised at the ends."""
    scale = len(values) / size
    stretch = max(scale, 1)
    out = []
    for x in range(size):
        centre = (x + 0.5) * scale
        first = max(int(centre - 2 * stretch + 0.5), 0)
        last = min(int(centre + 2 * stretch + 0.5), len(values))
        t = np.abs((np.arange(first, last) + 0.5 - centre) / stretch)
        weight = np.where(t < 1, (1.5 * t - 2.5) * t * t + 1, np.where(t < 2, ((-0.5 * t + 2.5) * t - 4) * t + 2, 0))
        out.append(float(weight @ values[first:last] / weight.sum()))
    return np.array(out)


@pytest.mark.parametrize('size', [(7, 5), (40, 90), (33, 12), (90, 100), (1, 1)])
def test_is_the_formula(size, rng):
    plane = rng.random((30, 41))
    rows = np.stack([reference_row(row, size[1]) for row in plane])
    expected = np.stack([reference_row(column, size[0]) for column in rows.T], axis=1).clip(0, 1)
    np.testing.assert_allclose(resize_planes(plane, size), expected, atol=1e-6)


@pytest.mark.parametrize('size', [(60, 91), (91, 60), (1, 200), (200, 1), (17, 23), (300, 40)])
@pytest.mark.parametrize('target', [(20, 31), (120, 64), (1, 5), (77, 1)])
@pytest.mark.parametrize('strip', [1, 200, 10_000])
def test_strips_of_8_bit_photos_equal_the_whole_as_floats(size, target, strip, rng, monkeypatch):
    pixels = rng.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    kept = pixels.copy()
    images = pixels.transpose(0, 3, 1, 2)
    whole = resize_planes(images.astype(np.float32) / 255, target)
    assert whole.shape == (2, 3, *target)
    monkeypatch.setattr(module, 'STRIP', strip)
    for photos in (images, np.ascontiguousarray(images), images[:1]):
        out = resize_planes(photos, target)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out, whole[: len(out)], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(pixels, kept)


def test_clips_once_at_the_end(monkeypatch):
    """Bicubic overshoots in both passes; a clip between them would change the result."""
    checker = ((np.arange(60)[:, None] // 4 + np.arange(60) // 4) % 2 * 255).astype(np.uint8)
    whole = resize_planes(checker / 255, (97, 97))
    assert (whole.min(), whole.max()) == (0, 1)
    monkeypatch.setattr(module, 'STRIP', 300)
    np.testing.assert_allclose(resize_planes(checker, (97, 97)), whole, rtol=0, atol=1e-6)
    between = resize_planes(resize_planes(checker / 255, (60, 97)), (97, 97))
    assert np.abs(between - whole).max() > 1e-3
