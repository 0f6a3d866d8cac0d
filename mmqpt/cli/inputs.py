"""Which photos the arguments of a command name."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.core.photo import SUFFIXES, find_photos


def list_inputs(paths: Iterable[str], recursive: bool = False, null: bool = False) -> list[str]:
    """Photos in the order in which they were named; those of a folder or a pattern sorted; each once.

    Args:
        paths: files, folders, patterns (with ``**`` for any number of folders), or ``-`` for a list on standard input.
        recursive: whether a folder's subfolders count.
        null: whether the list's names end with a NUL instead of a line break.

    Returns:
        Paths as given. A file that does not exist is among them: it is an error of that photo alone.

    Raises:
        InputError: a folder or a list without photos, or a pattern that no file matches.
    """
    found: dict[str, str] = {}
    for path in paths:
        if path == '-':
            some = _from_stdin(null)
        elif os.path.isdir(path):
            some = _in_folder(path, recursive)
        elif glob.has_magic(path) and not os.path.lexists(path):
            some = sorted(name for name in glob.glob(path, recursive=True) if os.path.isfile(name))
            if not some:
                raise InputError(f'no file matches {path!r}')
        else:
            some = [path]
        for name in some:
            found.setdefault(os.path.abspath(name), name)
    if not found:
        raise InputError('no photos were named')
    return list(found.values())


def printable(path: str) -> str:
    """For people: bytes that are no UTF-8, and line breaks, as escapes."""
    text = os.fsencode(path).decode('utf-8', 'backslashreplace')
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in text)


def _from_stdin(null: bool) -> list[str]:
    data = sys.stdin.buffer.read()
    lines = data.split(b'\0') if null else data.removeprefix(b'\xef\xbb\xbf').replace(b'\r\n', b'\n').split(b'\n')
    return [os.fsdecode(line) for line in lines if line]


def _in_folder(folder: str, recursive: bool) -> list[str]:
    if recursive:
        return [str(path) for path in find_photos(folder)]
    found = sorted(
        path
        for path in Path(folder).iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith('.') and path.is_file()
    )
    if not found:
        raise InputError(f'{printable(folder)}: no photos in this folder itself; -r looks into its subfolders')
    return [str(path) for path in found]
