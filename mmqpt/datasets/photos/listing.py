"""Which photos there are: all below a folder, or those of a list; and their names in little memory."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside
from mmqpt.core.photo import find_photos


class Packed(Sequence[bytes]):
    """Many short byte strings in two arrays.

    A list of millions of names takes a gigabyte, and each loader's worker gets a copy of its own, since counting
    references writes to every page. These arrays are shared by all workers.

    Args:
        items: the strings.
    """

    def __init__(self, items: Iterable[bytes]) -> None:
        found = list(items)
        self.ends = np.cumsum([0, *map(len, found)], dtype=np.int64)
        self.data = np.frombuffer(b''.join(found), np.uint8)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        """One string; slices give lists."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(f'{index} of {len(self)}')
        return self.data[self.ends[index] : self.ends[index + 1]].tobytes()


def list_photos(
    data_root: str | Path, ann_file: str | Path | None = None, tell: Callable[[str], object] | None = None
) -> list[Path]:
    """All photos below a folder, or those that a text file lists, one a line.

    Args:
        data_root: the folder.
        ann_file: names relative to ``data_root``, or None for all photos.
        tell: as of :func:`~mmqpt.core.photo.find_photos`.

    Raises:
        FileNotFoundError: the folder or the list is missing.
        InputError: no photo in it, or a listed photo is missing or outside of the folder.
    """
    return find_photos(data_root, tell=tell) if ann_file is None else _read_list(Path(data_root), Path(ann_file))


def _read_list(root: Path, ann_file: Path) -> list[Path]:
    if not root.is_dir():
        raise FileNotFoundError(f'no such folder: {root}')
    if not ann_file.is_file():
        raise FileNotFoundError(f'no such list of photos: {ann_file}')
    try:
        lines = ann_file.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f'{ann_file}: not UTF-8 text ({error})') from error
    for number, line in enumerate(lines, start=1):
        check_inside(line.strip(), f'{ann_file}, line {number}')
    paths = [root / line.strip() for line in lines if line.strip()]
    missing = [path for path in paths if _is_missing(path)]
    if missing:
        raise InputError(f'{ann_file}: {len(missing)} of {len(paths)} photos are missing, the first: {missing[0]}')
    if not paths:
        raise InputError(f'{ann_file}: names no photos')
    return paths


def _is_missing(path: Path) -> bool:
    """Whether there is no such file. One that may not be looked at is skipped and named when it is read."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
