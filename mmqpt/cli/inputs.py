"""Which photos the arguments of a command name."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable

from mmqpt.cli.terminal import printable
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import SUFFIXES, find_photos, open_regular

MAP_SUFFIX = '-map.png'
"""How the names of maps end by default."""

MAP_MARK = 'mmqpt map'
"""The text ``Software`` in the PNG of a map."""


def list_inputs(paths: Iterable[str], recursive: bool = False, null: bool = False) -> list[str]:
    """Photos in the order in which they were named; those of a folder or a pattern sorted; each once.

    Args:
        paths: files, folders, patterns (with ``**`` for any number of folders), or ``-`` for a list on standard input.
            Maps in a folder are left out.
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


def skipped_kinds(paths: Iterable[str], recursive: bool = False) -> Counter[str]:
    """How many files in the folders among ``paths`` are not called like photos, by the end of their names.

    Hidden ones don't count; ``recursive`` is as of :func:`list_inputs`.
    """
    found: Counter[str] = Counter()
    for path in paths:
        for _, folders, names in os.walk(path) if os.path.isdir(path) else ():
            folders[:] = [name for name in folders if recursive and not name.startswith('.')]
            ends = (os.path.splitext(name)[1].lower() for name in names if not name.startswith('.'))
            found.update(end or 'without an ending' for end in ends if end not in SUFFIXES)
    return found


def _from_stdin(null: bool) -> list[str]:
    data = sys.stdin.buffer.read()
    lines = data.split(b'\0') if null else data.removeprefix(b'\xef\xbb\xbf').replace(b'\r\n', b'\n').split(b'\n')
    return [os.fsdecode(line) for line in lines if line]


def is_map(path: str) -> bool:
    """Whether a file is a map that ``mmqpt map`` drew, under the name that it has by default."""
    if not path.endswith(MAP_SUFFIX):
        return False
    try:
        with open_regular(path) as file:
            return f'tEXtSoftware\0{MAP_MARK}'.encode() in file.read(4096)  # before the pixels
    except (OSError, PhotoError):
        return False


def _in_folder(folder: str, recursive: bool) -> list[str]:
    try:
        found = [str(path) for path in find_photos(folder, recursive)]
    except PhotoError as error:
        if recursive:
            raise
        hint = 'no photos in this folder itself; -r looks into its subfolders'
        raise InputError(f'{printable(folder)}: {hint}') from error
    photos = [path for path in found if not is_map(path)]
    if not photos:
        raise InputError(f'{printable(folder)}: no photos in this folder, only maps')
    return photos
