"""The random generator of operators that need one."""

from __future__ import annotations

import numpy as np


def generator(seed: int) -> np.random.Generator:
    """The generator of a step: a named bit generator, so that a seed keeps its meaning when NumPy's default changes."""
    return np.random.Generator(np.random.PCG64(seed))
