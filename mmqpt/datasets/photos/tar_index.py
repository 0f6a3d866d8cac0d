"""Where each photo of a tar lies, so that any of them can be read alone and nothing is ever unpacked."""

from __future__ import annotations

import io
import os
import shlex
import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.files import replacing
from mmqpt.core.photo import SUFFIXES

VERSION = 1
BLOCK = 512
"""Bytes of a tar's header block."""

LONGEST_HEADER = 1 << 20
"""Bytes that a member's header blocks may take, extended ones included."""

MEMBER_SUFFIXES = (*SUFFIXES, '.ppm', '.pgm', '.pnm')
"""Names of members that count as photos (case does not matter)."""


def index_path(tar: Path) -> Path:
    """``photos-000000.tar`` -> ``photos-000000.index.npy``, beside it."""
    return tar.with_suffix('.index.npy')


def scan_tar(tar: Path) -> np.ndarray:
    """Find the photos of a tar by reading its headers.

    Returns:
        int64 array (photos, 3): where the header starts, where the photo starts, and its size, in bytes. Members that
        are no regular files, have no photo's name, or a name that starts with a dot are left out.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: not a tar, compressed, damaged or truncated; names it.
    """
    if not tar.is_file():
        raise FileNotFoundError(f'no such shard: {tar}')
    found = []
    try:
        with tarfile.open(tar, 'r:') as file:
            # Python 3.10's next() fails on a tar without members
            for member in iter(file.next, None) if getattr(file, 'firstmember', None) else ():
                file.members = []  # type: ignore[attr-defined]  # it would keep them all
                name = PurePosixPath(member.name).name
                if not member.isreg() or member.issparse() or name.startswith('.'):
                    continue
                if name.lower().endswith(MEMBER_SUFFIXES):
                    found.append((member.offset, member.offset_data, member.size))
            end = file.offset
        with tar.open('rb') as raw:
            raw.seek(end)
            rest = raw.read(LONGEST_HEADER)
    except tarfile.TarError as error:
        raise InputError(
            f'{tar}: not a tar, compressed, or damaged ({first_line(error)}); photos are read in any order, so a shard '
            'must be a plain tar'
        ) from error
    except OSError as error:
        raise InputError(f"{tar}: can't be read ({error.strerror or error})") from error
    if len(rest) < BLOCK or rest.strip(b'\0'):  # tarfile takes each of these for the end
        raise InputError(f'{tar}: truncated, damaged, or two tars in one (no end mark at byte {end}, or more after it)')
    return np.array(found, np.int64).reshape(-1, 3)


def write_index(tar: Path, found: np.ndarray, path: Path | None = None) -> None:
    """Store what :func:`scan_tar` found; whole or not at all.

    The file is an int64 array (1 + photos, 3). Its first row holds the version of this layout, the bytes of the tar,
    and 0.

    Args:
        tar: whose size goes into the index.
        found: (photos, 3).
        path: :func:`index_path` by default.
    """
    rows = np.concatenate([np.array([[VERSION, tar.stat().st_size, 0]], np.int64), found])
    with replacing(path or index_path(tar)) as partial, open(partial, 'wb') as file:
        np.save(file, rows, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def load_index(tar: Path, check: bool = True) -> np.ndarray:
    """The index of a tar, memory-mapped: int64 (photos, 3) as of :func:`scan_tar`.

    Args:
        tar: the shard.
        check: whether to compare it with the tar: its size, and the header of the last photo.

    Raises:
        FileNotFoundError: the tar or its index is missing.
        InputError: not an index, or one of another tar.
    """
    path = index_path(tar)
    if not tar.is_file():
        index_is_there = f' (its index is there: {path})' if path.is_file() else ''
        raise FileNotFoundError(f'no such shard: {tar}{index_is_there}')
    again = f'rebuild it: mmqpt make-shards --index {shlex.quote(str(tar))}'
    try:
        rows = np.load(path, mmap_mode='r', allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f'no such index: {path}; {again}') from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f'{path}: not an index ({first_line(error)}); {again}') from error
    if rows.dtype != np.int64 or rows.ndim != 2 or rows.shape[1] != 3 or not len(rows) or rows[0, 0] != VERSION:
        raise InputError(f'{path}: not an index of this version; {again}')
    if check:
        size = tar.stat().st_size
        if rows[0, 1] != size:
            raise InputError(f'{path}: made for a tar of {rows[0, 1]} bytes, but {tar} has {size}; {again}')
        if len(rows) > 1:
            start, offset, length = map(int, rows[-1])
            block = b''
            if 0 <= start < offset <= min(start + LONGEST_HEADER, size):
                with tar.open('rb') as file:
                    file.seek(start)
                    block = file.read(offset - start)
            if member_name(block, length) is None:
                raise InputError(f'{path}: does not fit {tar} (no photo at byte {start}); {again}')
    return rows.view(np.ndarray)[1:]  # a plain view of the mapped file: rows of np.memmap are slow to take


def member_name(block: bytes, size: int) -> str | None:
    """The name in the header blocks of a member; None if they are not those of a file of ``size`` bytes."""
    try:
        if len(block) == BLOCK:
            member = tarfile.TarInfo.frombuf(block, 'utf-8', 'surrogateescape')
        else:  # long names have blocks of their own
            with tarfile.open(fileobj=io.BytesIO(block), mode='r:', errorlevel=0) as file:
                member = file.firstmember  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError, ValueError):
        return None
    return member.name if member is not None and member.isreg() and member.size == size else None
