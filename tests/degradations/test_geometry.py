"""Warps against SciPy's interpolation of the formula, and closed forms."""

import numpy as np
import pytest
from scipy import ndimage

from mmqpt.degradations import geometry

HEIGHT, WIDTH = 90, 121


@pytest.fixture
def photo(photos):
    return photos[1][100 : 100 + HEIGHT, 150 : 150 + WIDTH]


@pytest.fixture
def offsets():
    """(y, x) distance of every pixel to the centre of the photo."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    return y - (HEIGHT - 1) / 2, x - (WIDTH - 1) / 2


def sample(photo: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bilinear, mirrored at the border; y and x are distances to the centre."""
    at = [y + (HEIGHT - 1) / 2, x + (WIDTH - 1) / 2]
    planes = [ndimage.map_coordinates(photo[..., c].astype(float), at, order=1, mode='mirror') for c in range(3)]
    return np.stack(planes, axis=-1)


def assert_same(out: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to rounding (0.5) and the fixed point arithmetic of OpenCV's older versions."""
    error = np.abs(out - expected)
    assert error.mean() < 0.7
    assert np.quantile(error, 0.999) < 6


@pytest.mark.parametrize('degrees', [11.0, -16.0, 90.0])
def test_rotate(photo, offsets, degrees):
    y, x = offsets
    angle = np.deg2rad(degrees)
    expected = sample(photo, np.cos(angle) * y + np.sin(angle) * x, np.cos(angle) * x - np.sin(angle) * y)
    assert_same(geometry.rotate(photo, degrees), expected)


def test_rotate_is_anticlockwise(photos):
    square = photos[0][:64, :64]
    np.testing.assert_array_equal(geometry.rotate(square, 90), np.rot90(square))
    np.testing.assert_array_equal(geometry.rotate(square, -90), np.rot90(square, -1))


@pytest.mark.parametrize('factor', [0.28, -0.12])
def test_shear(photo, offsets, factor):
    y, x = offsets
    assert_same(geometry.shear(photo, factor), sample(photo, y, x - factor * y))


@pytest.mark.parametrize('factor', [0.45, -0.3])
def test_stretch(photo, offsets, factor):
    y, x = offsets
    expected = sample(photo, y, x / (1 + factor)) if factor > 0 else sample(photo, y / (1 - factor), x)
    assert_same(geometry.stretch(photo, factor), expected)


@pytest.mark.parametrize('strength', [0.5, 0.1, -0.27])
def test_lens(photo, offsets, strength):
    y, x = offsets
    radius2 = (y**2 + x**2) / (((HEIGHT - 1) / 2) ** 2 + ((WIDTH - 1) / 2) ** 2)
    factor = (1 + strength * radius2) / (1 + strength)
    assert_same(geometry.lens(photo, strength), sample(photo, y * factor, x * factor))


def test_lens_keeps_the_corners(photo):
    for strength in (0.5, -0.27):
        out = geometry.lens(photo, strength).astype(int)
        for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            assert np.abs(out[corner] - photo[corner]).max() <= 1


@pytest.mark.parametrize('seed', range(6))
def test_perspective_maps_lines_to_lines_and_moves_corners(photo, offsets, seed):
    """Against the homography through the four moved corners, solved here by least squares."""
    amount = 0.15
    phase = np.random.Generator(np.random.PCG64(seed)).uniform(0, 2 * np.pi)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    unit = np.sign(corners)
    pull = 1 + amount * (np.cos(phase) * unit[:, 0] + np.sin(phase) * unit[:, 1])
    target = corners * pull[:, None]
    # Rows of the linear system for the map from target (u, v) to source (x, y), h33 = 1.
    rows, right = [], []
    for (u, v), (sx, sy) in zip(target, corners, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -u * sx, -v * sx], [0, 0, 0, u, v, 1, -u * sy, -v * sy]]
        right += [sx, sy]
    h = np.append(np.linalg.solve(rows, right), 1).reshape(3, 3)
    y, x = offsets
    source = np.einsum('ij,jyx->iyx', h, np.stack([x, y, np.ones_like(x)]))
    assert_same(geometry.perspective(photo, amount, seed), sample(photo, source[1] / source[2], source[0] / source[2]))
