"""Operators by name: those of this package, and those that a user's module registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.imports import import_named
from mmqpt.degradations.rows import Operator, row_of
from mmqpt.degradations.table import OPERATORS

_REGISTERED: dict[str, Operator] = {}
_Function = TypeVar('_Function', bound=Callable[..., np.ndarray])


def register_operator(function: _Function) -> _Function:
    """Let spaces, recipes and configs name a user's operator. It takes part only where it is named.

        @register_operator
        @row('texture', unit='share of the rows', levels=(0.01, 0.02, 0.04, 0.08, 0.16), source='my camera')
        def dead_rows(image, share, seed):
            ...

    A function that is registered again, as by a module that is loaded again, replaces itself.

    Raises:
        InputError: the function has no row, or another operator has its name.
    """
    row = row_of(function)
    if row is None:
        raise InputError(f'register_operator takes a function with a row: write @row(...) under it, got {function!r}')
    known = OPERATORS.get(row.name) or _REGISTERED.get(row.name)
    if known is not None and not _same_origin(known.function, row.function):
        raise InputError(f'there is an operator {row.name!r} already, in {known.function.__module__}: rename yours')
    if row.name not in OPERATORS:
        _REGISTERED[row.name] = row
    return function


def operator(name: str) -> Operator:
    """Look up a row.

    Raises:
        InputError: no operator has that name; the message lists those there are.
    """
    try:  # asked several times a step
        return OPERATORS[name]
    except (KeyError, TypeError):
        found = _REGISTERED.get(name) if isinstance(name, str) else None
    if found is None:
        raise InputError(
            f'unknown degradation operator {name!r} (if it is your own, first import the module that registers it); '
            f'there are: {", ".join(all_operators())}'
        )
    return found


def all_operators() -> dict[str, Operator]:
    """The operators of this package, then those registered, by name."""
    return {**OPERATORS, **_REGISTERED}


def load_operators(source: str) -> tuple[str, ...]:
    """Import a module or a ``.py`` file that registers operators.

    Returns:
        The names of the operators registered by functions of that module.

    Raises:
        InputError: there is no such module or file, or it registers nothing.
    """
    module = import_named(source)
    found = tuple(row.name for row in _REGISTERED.values() if row.function.__module__ == module.__name__)
    if not found:
        raise InputError(f'{source} registers no operator: see register_operator')
    return found


def _same_origin(one: Callable[..., np.ndarray], two: Callable[..., np.ndarray]) -> bool:
    """Whether two functions come from one definition, in a module loaded twice or under two names."""
    if one.__qualname__ != two.__qualname__:
        return False
    files = [getattr(getattr(function, '__code__', None), 'co_filename', function) for function in (one, two)]
    return one.__module__ == two.__module__ or files[0] == files[1]
