"""Photos without labels, for pre-training: the values of an LMDB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmpretrain.registry import DATASETS

from mmqpt.core.errors import InputError, PhotoError, first_line
from mmqpt.core.limits import MAX_BYTES
from mmqpt.datasets.photos.base import PhotoDataset
from mmqpt.datasets.photos.listing import Packed

_environments: dict[str, Any] = {}
"""Open LMDBs of this process, which must not open one twice."""


def _open(path: str) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise InputError('PhotoLMDB needs a further package: pip install lmdb') from error
    if path not in _environments:
        try:
            _environments[path] = lmdb.open(
                path, subdir=os.path.isdir(path), readonly=True, lock=False, readahead=False
            )
        except lmdb.Error as error:
            raise InputError(f'{path}: not an LMDB ({first_line(error)})') from error
    return _environments[path]


def _close_all() -> None:
    """An LMDB that was opened before a fork must not be used after it."""
    while _environments:
        _environments.popitem()[1].close()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(before=_close_all)


@DATASETS.register_module()
class PhotoLMDB(PhotoDataset):
    """An LMDB whose every value is the bytes of a photo's file. Opened for reading, without a lock, in each process.

    Keys that start with ``__`` (``__len__``, ``__keys__``) are left out. What a pipeline gets, and what happens to
    unreadable photos: :class:`PhotoDataset`. Photos are called ``DATA_ROOT/KEY``.

    Args:
        data_root: the folder, or the file.
        pipeline: transforms.
        max_tries: how many photos in a row may be unreadable before loading stops.

    Raises:
        FileNotFoundError: no such folder or file.
        InputError: ``lmdb`` is not installed, not an LMDB, or no photo in it.
    """

    def __init__(self, data_root: str, pipeline: Sequence[dict[str, Any]], max_tries: int = 20) -> None:
        if not Path(data_root).exists():
            raise FileNotFoundError(f'no such LMDB: {data_root}')
        if not (Path(data_root).is_file() or Path(data_root).is_dir()):
            raise InputError(f'{data_root}: no regular file and no folder, so no LMDB')
        self.data_root = str(data_root)
        with self._environment().begin() as transaction:
            self.keys = Packed(key for key in transaction.cursor().iternext(values=False) if not key.startswith(b'__'))
        if not len(self.keys):
            raise InputError(f'{data_root}: no photos in this LMDB')
        super().__init__(self.data_root, pipeline, max_tries)

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, index: int) -> str:
        """The LMDB and the key."""
        return f'{self.data_root}/{os.fsdecode(self.keys[index])}'

    def read(self, index: int) -> bytes:
        """The photo as stored.

        Raises:
            PhotoError: no such key any more, or it can't be read.
        """
        import lmdb

        try:
            with self._environment().begin(buffers=True) as transaction:
                value = transaction.get(self.keys[index])
                if value is None:
                    raise PhotoError(f'{self.name(index)}: no such key any more')
                if len(value) > MAX_BYTES:
                    raise PhotoError(f'{self.name(index)}: refused, the photo has more than {MAX_BYTES} bytes')
                return bytes(value)
        except lmdb.Error as error:
            raise PhotoError(f"{self.name(index)}: can't be read ({first_line(error)})") from error

    def _environment(self) -> Any:
        return _open(os.path.realpath(self.data_root))
