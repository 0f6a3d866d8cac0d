"""Photos without labels, for pre-training: the members of tars, read in any order."""

from __future__ import annotations

import functools
import glob
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmpretrain.registry import DATASETS

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.limits import MAX_BYTES
from mmqpt.datasets.photos.base import PhotoDataset
from mmqpt.datasets.photos.shard_files import check_finished, tars_of
from mmqpt.datasets.photos.tar_index import LONGEST_HEADER, index_path, load_index, member_name, scan_tar


@DATASETS.register_module()
class PhotoShards(PhotoDataset):
    """The photos of WebDataset tars, from any program; nothing is unpacked, and names in a tar are never used as paths.

    A photo is read at its own place in the tar, so a sampler shares photos out to ranks and workers, shuffles and
    resumes as for files. Where they lie is in an index beside each tar, which ``mmqpt make-shards`` writes. A tar
    without one is searched at the start, in this process, which takes time with large sets: ``--index`` of that tool
    saves doing it again.

    What a pipeline gets, and what happens to unreadable photos: :class:`PhotoDataset`. Photos are called
    ``photos-000003.tar/000000012.jpg``, the tar relative to the folder that holds all of them.

    Needs ``os.pread``, which Windows lacks.

    Args:
        data_root: a folder (all ``*.tar`` in it), a glob, or a list of tars and globs.
        pipeline: transforms.
        max_tries: how many photos in a row may be unreadable before loading stops.
        max_open: how many tars a process keeps open.

    Raises:
        FileNotFoundError: no such folder or tar, or one that the folder's manifest names is missing.
        InputError: no tar or no photo, a tar named twice, damaged or compressed, an index that is not the tar's, a
            folder that ``mmqpt make-shards`` has not finished, or every photo is smaller than the patch.
    """

    def __init__(
        self,
        data_root: str | Sequence[str],
        pipeline: Sequence[dict[str, Any]],
        max_tries: int = 20,
        max_open: int = 64,
    ) -> None:
        if max_open < 1:
            raise InputError(f'max_open must be >= 1, got {max_open}')
        self.paths = find_shards(data_root)
        self.max_open = max_open
        root = os.path.commonpath([os.path.abspath(path.parent) for path in self.paths])
        self.names = [os.path.relpath(os.path.abspath(path), root) for path in self.paths]
        self._scanned: dict[int, np.ndarray] = {}
        counts = [self._count(number) for number in range(len(self.paths))]
        if self._scanned:
            print_log(
                f'PhotoShards: searched {len(self._scanned)} shards without an index; '
                f'mmqpt make-shards --index {shlex.quote(root)} saves that',
                'current',
            )
        self.ends = np.cumsum(counts)
        if not self.ends[-1]:
            raise InputError(f'{root}: no photos in {len(self.paths)} shards')
        self._forget()
        super().__init__(root, pipeline, max_tries)

    @property
    def block_sizes(self) -> list[int]:
        """Photos in each shard that holds any, in the order of their numbers: what lies together on the disk."""
        return [int(size) for size in np.diff(self.ends, prepend=0) if size]

    def __len__(self) -> int:
        return int(self.ends[-1])

    def name(self, index: int) -> str:
        """The tar and the member."""
        shard, row = self._place(index)
        try:
            file = self._open(shard)
            start, offset, size = file.entry(row)
            name = member_name(os.pread(file.descriptor, min(offset - start, LONGEST_HEADER), start), size)
        except (OSError, InputError):
            name = None  # read() says what is wrong
        return f'{self.names[shard]}/{f"photo {row}" if name is None else name}'

    def read(self, index: int) -> bytes:
        """The photo as stored.

        Raises:
            PhotoError: the tar ends before it, can't be read here, or holds something else here.
            InputError: the tar is gone.
        """
        shard, row = self._place(index)
        tar = self.names[shard]
        try:
            file = self._open(shard)
            start, offset, size = file.entry(row)
            if size > MAX_BYTES:
                raise PhotoError(f'{self.name(index)}: refused, the file has more than {MAX_BYTES} bytes')
            data = os.pread(file.descriptor, offset - start + size, start)
        except FileNotFoundError as error:
            raise InputError(f'no such shard: {self.paths[shard]} (it was there at the start)') from error
        except OSError as error:
            raise PhotoError(f"{self.name(index)}: can't be read ({error.strerror})") from error
        if len(data) < offset - start + size:
            raise PhotoError(f'{self.name(index)}: {tar} ends before the photo does; it was truncated')
        if member_name(data[: offset - start], size) is None:
            raise PhotoError(f'{tar}/photo {row}: the index is not that of this tar, or the tar is damaged here')
        return data[offset - start :]

    def _place(self, index: int) -> tuple[int, int]:
        """The shard of a photo, and its number there."""
        shard = int(np.searchsorted(self.ends, index, side='right'))
        return shard, index - (int(self.ends[shard - 1]) if shard else 0)

    def _count(self, shard: int) -> int:
        """How many photos a shard has; searches it if it has no index."""
        if index_path(self.paths[shard]).is_file():
            return len(load_index(self.paths[shard]))
        self._scanned[shard] = scan_tar(self.paths[shard])
        return len(self._scanned[shard])

    def _forget(self) -> None:
        """Start with no open file. Reads name their place, so forked workers may share the files of their parent."""
        self._open = functools.lru_cache(self.max_open)(functools.partial(_OpenShard, self.paths, self._scanned))

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != '_open'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


class _OpenShard:
    """An open tar and its index; closed when nobody uses it any more."""

    def __init__(self, paths: Sequence[Path], scanned: dict[int, np.ndarray], shard: int) -> None:
        self.index = scanned[shard] if shard in scanned else load_index(paths[shard], check=False)
        self.descriptor = os.open(paths[shard], os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0))  # never waits for a pipe

    def entry(self, row: int) -> tuple[int, int, int]:
        """Start of the header, start of the photo, size.

        Raises:
            PhotoError: no such places.
        """
        start, offset, size = map(int, self.index[row])
        if min(start, size) < 0 or not 0 < offset - start <= LONGEST_HEADER:
            raise PhotoError(f'an index with impossible places: {start}, {offset}, {size}')
        return start, offset, size

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # os itself may be gone when Python ends
        if hasattr(self, 'descriptor'):
            close(self.descriptor)


def find_shards(shards: str | Sequence[str]) -> list[Path]:
    """The tars of a folder, a glob, or a list of tars and globs; errors as of :class:`PhotoShards`."""
    if isinstance(shards, (str, Path)) and Path(shards).is_dir():
        found = tars_of(Path(shards))
        check_finished(Path(shards), {path.name for path in found})
        if not found:
            raise InputError(f'{shards}: no *.tar in this folder')
        return found
    found = []
    for pattern in [shards] if isinstance(shards, (str, Path)) else shards:
        matching = sorted(Path(path) for path in glob.glob(str(pattern)))
        if Path(pattern).is_file():
            matching = [Path(pattern)]
        if not matching:
            raise FileNotFoundError(f'no such shard: {pattern}')
        found += matching
    twice = {path for path in found if found.count(path) > 1} if len(set(found)) < len(found) else set()
    if twice:
        raise InputError(f'{min(twice)}: this shard is named twice')
    if not found:
        raise InputError('data_root names no tar')
    return found
