"""The random numbers of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np


def sample_rng(results: dict[str, Any]) -> np.random.Generator:
    """The sample's generator; for other datasets one seeded from NumPy's global state, which MMEngine seeds."""
    if 'rng' in results:
        return results['rng']
    return np.random.default_rng(np.random.randint(0, 2**32, size=4, dtype=np.uint64))  # noqa: NPY002
