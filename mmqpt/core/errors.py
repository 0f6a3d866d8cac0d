"""Errors that a user can act on. The message names the thing, and the rule that it broke."""

from __future__ import annotations

import pickle
import struct

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
