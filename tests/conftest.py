"""Real photos and a seeded generator, shared by all tests."""

import numpy as np
import pytest
from skimage import data


@pytest.fixture(scope='session')
def photos() -> list[np.ndarray]:
    """Three real photos: uint8 RGB of shape (H, W, 3). Not to be written to."""
    return [np.ascontiguousarray(photo) for photo in (data.astronaut(), data.coffee(), data.chelsea())]


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
