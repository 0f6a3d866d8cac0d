"""Errors that a user can act on. The message names the thing, and the rule that it broke."""

from __future__ import annotations

import difflib
import pickle
import struct
from collections.abc import Iterable

UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, ImportError, ArithmeticError, MemoryError, struct.error),
)
"""What ``torch.load(weights_only=True)`` raises for bytes that are no file of torch, or a damaged one."""


class InputError(ValueError):
    """Something the user gave (file, folder, option) can't be used; the message says what and why."""


class PhotoError(InputError):
    """One photo can't be read. The message names the file."""


def first_line(error: BaseException) -> str:
    """The first line of another library's error; the name of its class where it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def did_you_mean(name: str, known: Iterable[str], least: float = 0.6) -> str:
    """``'; did you mean ...?'`` with the most similar of the known names; ``''`` where none is similar.

    Args:
        name: what was given; case does not count.
        known: what there is.
        least: similarity from 0 to 1 that counts, as of :mod:`difflib`.
    """
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=least)
    return f'; did you mean {by_lower[found[0]]!r}?' if found else ''
