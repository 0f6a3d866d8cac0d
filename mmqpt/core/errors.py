"""Errors that a user can act on. Their message names the thing and the rule that it broke."""


class InputError(ValueError):
    """Something the user gave (file, folder, option) can't be used; the message says what and why."""


class PhotoError(InputError):
    """One photo can't be read. The message names the file."""
