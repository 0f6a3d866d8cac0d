"""Errors that a user can act on. Their message names the thing and the rule that it broke."""

from __future__ import annotations

import pickle
import struct

UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(AssertionError, ImportError, ArithmeticError, MemoryError, struct.error),
)
"""What ``torch.load(weights_only=True)`` raises at bytes that are no file of torch, or a damaged one."""


class InputError(ValueError):
    """Something the user gave (file, folder, option) can't be used; the message says what and why."""


class PhotoError(InputError):
    """One photo can't be read. The message names the file."""


def first_line(error: BaseException) -> str:
    """What another library's error says, without the paragraphs after it; its kind, where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
