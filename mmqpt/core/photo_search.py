"""Which files of a folder, or of a pattern, are photos; what else is met there is counted, or named."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mmqpt.core.errors import first_line
from mmqpt.core.files import file_identity

LINKED = 'linked a second time'
"""The kind of a folder or photo that is met again through a link; it is searched, or listed, once."""


@dataclass
class Search:
    """What a search met.

    Args:
        photos: paths in order, each file once.
        broken: paths with the name of a photo that are no regular files: dead links, pipes.
        skipped: how many files are no photos by their names, by the end of the name; and what was met again.
        refused: a sentence for each folder that can't be searched, with its name.
    """

    photos: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """What was left out, in one line; ``''`` where nothing was."""
        parts = [f'{count} {kind}' for kind, count in self.skipped.most_common(6)]
        parts += ['...'] if len(self.skipped) > 6 else []
        if self.broken:
            parts.append(f'{len(self.broken)} dead links or other than regular files (first: {self.broken[0]})')
        if self.refused:
            parts.append(f'{len(self.refused)} folders that can not be searched (first: {self.refused[0]})')
        return ', '.join(parts)


def search_folder(folder: str, suffixes: Collection[str], recursive: bool = True) -> Search:
    """The photos of a folder, sorted by path. Links are followed; no folder is searched twice, so loops end.

    Args:
        folder: where to search; hidden files and folders are left out.
        suffixes: how names of photos end, in small letters.
        recursive: whether to search its subfolders as well.
    """
    found = Search()
    above = os.path.realpath(folder)
    seen: set[object] = set()
    while above != os.path.dirname(above):  # a link to a folder that holds this one leads out of it, and back
        above = os.path.dirname(above)
        seen.add(_identity(above))
    links: list[str] = []
    waiting = [folder]
    while waiting or links:
        at_link = not waiting
        here = waiting.pop() if waiting else links.pop(0)  # a photo gets its name without links, where it has one
        identity = _identity(here)
        if identity in seen:
            found.skipped[f'folder {LINKED}'] += 1
            continue
        seen.add(identity)
        for entry in _entries(here, found.refused):
            if entry.name.startswith('.'):
                continue
            if _is(entry, 'dir'):
                if recursive:
                    (links if at_link or entry.is_symlink() else waiting).append(entry.path)
                continue
            end = os.path.splitext(entry.name)[1].lower()
            if end not in suffixes:
                found.skipped[end or 'without an ending'] += 1
            elif _is(entry, 'file'):
                found.photos.append(entry.path)
            else:
                found.broken.append(entry.path)
        links.sort()
    _list_once(found)
    for paths in (found.photos, found.broken):
        paths.sort(key=lambda path: path.split(os.sep))
    return found


def search_pattern(pattern: str) -> Search:
    """The files that a pattern of the shell names, sorted; ``**`` stands for any number of folders, each searched once.

    Hidden names are matched only by a pattern that begins with a dot. All files count as photos, whatever their names.
    """
    found = Search()
    seen: set[object] = set()
    root = os.sep if pattern.startswith(os.sep) else ''
    for path in _matches(root, [part for part in pattern.split(os.sep) if part], found, seen):
        if os.path.isdir(path):
            found.skipped['folder'] += 1
        else:
            found.photos.append(path)
    found.photos = sorted(set(found.photos))
    return found


def _matches(folder: str, parts: Sequence[str], found: Search, seen: set[object]) -> Iterator[str]:
    """Paths below a folder that the parts of a pattern name."""
    part, *rest = parts
    if not glob.has_magic(part):
        path = os.path.join(folder, part)
        if rest and os.path.isdir(path):
            yield from _matches(path, rest, found, seen)
        elif not rest and os.path.lexists(path):
            yield path
        return
    everywhere = part == '**'
    if everywhere:
        key = (_identity(folder or '.'), len(parts))
        if key in seen:
            return
        seen.add(key)
        if rest:
            yield from _matches(folder, rest, found, seen)
    entries = sorted(_entries(folder or '.', found.refused), key=lambda entry: (entry.is_symlink(), entry.name))
    for entry in entries:
        if entry.name.startswith('.') and not part.startswith('.'):
            continue
        path = os.path.join(folder, entry.name)
        if everywhere:
            if _is(entry, 'dir'):
                yield from _matches(path, parts, found, seen)
            elif not rest:
                yield path
        elif fnmatch.fnmatch(entry.name, part):
            if not rest:
                yield path
            elif _is(entry, 'dir'):
                yield from _matches(path, rest, found, seen)


def _entries(folder: str, refused: list[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        refused.append(f"{folder}: this folder can't be searched ({error.strerror or first_line(error)})")
        return []


def _is(entry: os.DirEntry[str], kind: str) -> bool:
    """Whether it is a folder or a regular file, through links. What may not be looked at counts as a file."""
    try:
        return entry.is_dir() if kind == 'dir' else entry.is_file()
    except OSError as error:  # in a folder without the right to enter it, or a link to itself
        return kind == 'file' and error.errno in (errno.EACCES, errno.EPERM)


def _identity(path: str) -> object:
    try:
        return file_identity(path)
    except OSError:
        return path


def _list_once(found: Search) -> None:
    """Leave out links to photos that are listed under their own names, and second links to one photo."""
    own = {os.path.realpath(path) for path in found.photos if not os.path.islink(path)}
    kept = []
    for path in found.photos:
        if os.path.islink(path):
            target = os.path.realpath(path)
            if target in own:
                found.skipped[f'photo {LINKED}'] += 1
                continue
            own.add(target)
        kept.append(path)
    found.photos = kept
