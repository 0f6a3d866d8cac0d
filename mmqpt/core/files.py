"""Files that are written whole or not at all, and names that stay inside a folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError, first_line

_LONGEST, _LONGEST_PART = 4096, 255  # bytes, of a path and of a name in it, on Linux


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary name to write to. At the end it becomes the file; after an error, nothing has changed.

    It is a hidden name in the folder of the file, so that scans skip it, and has the same ending, which some writers go
    by. Links are followed: what they point to is replaced. A file that is replaced keeps its mode; a new one gets that
    of any new file there, also where its writer makes private ones, as safetensors does.

    Args:
        path: of the file to write or to replace.

    Raises:
        FileNotFoundError: its folder does not exist.
        InputError: it exists and is no regular file.
    """
    target = target_file(path)
    folder, name = os.path.split(target)
    stem, suffix = os.path.splitext(name)
    partial = os.path.join(folder, f'.{stem[:40]}.{secrets.token_hex(4)}.partial{suffix}')
    try:
        try:
            mode = os.stat(target).st_mode
        except FileNotFoundError:
            mode = _mode_of_new_files(partial)
        yield partial
        os.chmod(partial, stat.S_IMODE(mode))
        os.replace(partial, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)


def _mode_of_new_files(path: str) -> int:
    """By the umask, which can only be asked for by changing it, and by the folder."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(handle).st_mode
    finally:
        os.close(handle)
        os.remove(path)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; to a pipe or a device such as /dev/stdout, as it is. Its folder
    is made where it is missing. What UTF-8 can't express, as in names of files, is escaped.

    Raises:
        InputError: it is a folder.
    """
    target = Path(path)
    if target.exists() and not target.is_file() and not target.is_dir():
        target.write_text(text, encoding='utf-8', errors='backslashreplace')
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        Path(partial).write_text(text, encoding='utf-8', errors='backslashreplace')


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a JSON file; see :func:`write_text`."""
    write_text(path, json.dumps(value, indent=2) + '\n')


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """While the content of a file is looked at, which may be a stranger's: what it lacks, or has of another type,
    becomes one error that names the file.

    Raises:
        InputError: for errors of whoever looks at the content.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise InputError(
            f'{os.fspath(path)}: not what mmqpt writes ({type(error).__name__}: {first_line(error)})'
        ) from error


def target_file(path: str | os.PathLike[str]) -> str:
    """The file that writing to a path makes or replaces: the path itself, or what it links to.

    Raises:
        FileNotFoundError: the folder of that file does not exist.
        PermissionError: nothing may be written to that folder, where the new file is made before it gets its name.
        InputError: it exists and is no regular file (a folder, a pipe, a device).
    """
    name = os.fspath(path)
    target = os.path.realpath(name) if os.path.islink(name) else name
    if (os.path.exists(name) or os.path.lexists(target)) and not os.path.isfile(name):
        raise InputError(f'{name}: exists and is no regular file, so it is not replaced')
    folder = os.path.dirname(target)
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f'{name}: no such folder: {folder}')
    if not os.access(folder or os.curdir, os.W_OK):
        raise PermissionError(f'{name}: no permission to write to its folder')
    return target


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two paths mean one file, through links too; for files that do not exist, by their absolute paths."""
    if os.path.abspath(one) == os.path.abspath(other):
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def file_identity(path: str | os.PathLike[str]) -> tuple[int, int] | str:
    """What two paths have in common that mean one file, through links of both kinds and whatever the case.

    Raises:
        OSError: there is no such file, or it may not be looked at.
    """
    status = os.stat(path)
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(path)


def check_inside(name: str, where: str) -> None:
    """Refuse a name that leads out of the folder of the photos; the list that has it may be a stranger's.

    A name must be relative, without ``..``, and one that a file can have. Links inside the folder are followed wherever
    they lead: whoever made them could write to the folder.

    Args:
        name: relative to the folder of the photos.
        where: what holds the name, for the message.

    Raises:
        InputError: an absolute path, one that climbs, or one that is too long or has a NUL.
    """
    parts = [len(part.encode('utf-8', 'surrogatepass')) for part in name.split('/')]
    if '\0' in name or max(parts) > _LONGEST_PART or sum(parts) + len(parts) > _LONGEST:
        raise InputError(f'{where}: {name[:80]!r} of {len(name)} characters is no name that a file can have')
    path = Path(name)
    if path.anchor or '..' in path.parts:  # on Windows a name may have a drive, or start at the root of one, or both
        raise InputError(
            f'{where}: {name!r} leads out of the folder of the photos; names must be relative to it and without ".."'
        )
