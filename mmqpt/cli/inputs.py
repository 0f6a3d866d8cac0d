"""Which photos the arguments of a command name."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmqpt.cli.terminal import printable
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import SUFFIXES, open_regular
from mmqpt.core.photo_search import Search, search_folder, search_pattern

MAP_SUFFIX = '-map.png'
"""How the names of maps end by default."""

MAP_MARK = 'mmqpt map'
"""The text ``Software`` in the PNG of a map."""


class Inputs(NamedTuple):
    """Photos to score, and what else was met on the way to them.

    Args:
        paths: photos as given; those of folders and patterns sorted; each once.
        skipped: how many files in folders are no photos, by the end of their names, and what was met again by a link.
        refused: a sentence for each folder that can't be searched.
    """

    paths: list[str]
    skipped: Counter[str]
    refused: list[str]


def list_inputs(paths: Iterable[str], recursive: bool = False, null: bool = False) -> Inputs:
    """Photos in the order in which they were named; those of a folder or a pattern sorted; each once.

    Args:
        paths: files, folders, patterns (with ``**`` for any number of folders), or ``-`` for a list on standard input.
            Maps in a folder are left out.
        recursive: whether a folder's subfolders count.
        null: whether the list's names end with a NUL instead of a line break.

    Returns:
        A file that does not exist, and a dead link or a pipe with the name of a photo, are among the paths: each is an
        error of that photo alone.

    Raises:
        InputError: a folder or a list without photos, or a pattern that no file matches.
    """
    found: dict[str, str] = {}
    skipped: Counter[str] = Counter()
    refused: list[str] = []
    for path in paths:
        if path == '-':
            some = _from_stdin(null)
        elif os.path.isdir(path):
            met = search_folder(path, SUFFIXES, recursive)
            some = _photos_of(path, met, recursive)
            skipped, refused = skipped + met.skipped, refused + met.refused
        elif glob.has_magic(path) and not os.path.lexists(path):
            met = search_pattern(path)
            some = met.photos
            if not some and not met.refused:
                raise InputError(f'no file matches {path!r}')
            skipped, refused = skipped + met.skipped, refused + met.refused
        else:
            some = [path]
        for name in some:
            found.setdefault(os.path.abspath(name), name)
    if not found:
        raise InputError(f'no photos were named{"".join(f"; {text}" for text in refused[:3])}')
    return Inputs(list(found.values()), skipped, refused)


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


def _photos_of(folder: str, met: Search, recursive: bool) -> list[str]:
    """The photos and what only has the name of one; InputError where there are none."""
    photos = [str(Path(path)) for path in met.photos if not is_map(path)]
    if not photos and not met.broken and not met.refused:
        if met.photos:
            raise InputError(f'{printable(folder)}: no photos in this folder, only maps')
        kinds = printable(met.sentence())
        hint = '' if recursive else ' itself; -r looks into its subfolders'
        looked = f' (looked for {", ".join(SUFFIXES)})' if recursive else ''
        raise InputError(
            f'{printable(folder)}: no photos in this folder{hint}{looked}{f"; there are {kinds}" if kinds else ""}'
        )
    return sorted([*photos, *(str(Path(path)) for path in met.broken)], key=lambda path: path.split(os.sep))
