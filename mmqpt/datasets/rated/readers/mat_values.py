"""Run as a program by ``read_mat``: prints the values of a variable of a MATLAB file as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any


def values(path: str, *names: str) -> dict[str, Any]:
    """``values`` of the first of these variables that exists, as a flat list of Python values; or an ``error``."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, squeeze_me=True, variable_names=names)
    except Exception as error:  # whatever SciPy raises for a damaged file, or one of version 7.3
        return {'error': f'not a MATLAB file that can be read ({error})'}
    for name in names:
        if name in content:
            try:
                return {'values': [v if isinstance(v, str) else _plain(v.item()) for v in _flat(content[name])]}
            except (AttributeError, LookupError, TypeError, ValueError):
                return {'error': f'{name!r} is not a list of numbers or texts'}
    return {'error': f'no variable {" or ".join(map(repr, names))}'}


def _plain(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError
    return value


def _flat(found: Any) -> Iterable[Any]:
    import numpy as np

    for value in np.atleast_1d(found).ravel():
        # A cell array of texts squeezes to texts, or to arrays that hold one.
        yield value if isinstance(value, str) or np.ndim(value) == 0 else np.ravel(value)[0]


if __name__ == '__main__':
    print(json.dumps(values(*sys.argv[1:])))
