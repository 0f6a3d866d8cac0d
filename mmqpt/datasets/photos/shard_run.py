"""Turns a folder of photos into shards with several processes; a stopped run resumes where it left off."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.files import reading
from mmqpt.datasets.photos.listing import list_photos
from mmqpt.datasets.photos.shard_files import MANIFEST, STATE, read_json, shard_name, write_json_synced
from mmqpt.datasets.photos.shard_writer import ShardJob, ShardRecord, state_path, write_shard, write_unreadable
from mmqpt.datasets.photos.tar_index import BLOCK
from mmqpt.version import __version__

FORMAT = 1
"""Changes when the same photos and arguments give other bytes."""

PLAN = 'plan.json'
UNREADABLE = 'unreadable.csv'


@dataclass(frozen=True)
class ShardArguments:
    """All that the bytes of the shards depend on, apart from the photos.

    Args:
        shard_size: bytes of a shard at most (one photo that is larger has a shard to itself), or None.
        photos_per_shard: photos of a shard, unreadable ones included, or None. Exactly one of the two must be given.
        seed: of the order of the photos.
    """

    shard_size: int | None = 1_000_000_000
    photos_per_shard: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.shard_size is None) == (self.photos_per_shard is None):
            raise InputError('give either shard_size or photos_per_shard, not both')
        for name in ('shard_size', 'photos_per_shard'):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f'{name} must be >= 1, got {value}')
        if self.seed < 0:
            raise InputError(f'seed must be >= 0, got {self.seed}')


def make_shards(
    photo_root: Path,
    out: Path,
    arguments: ShardArguments,
    ann_file: Path | None = None,
    workers: int = 2,
    max_unreadable: float = 0.05,
) -> dict[str, Any]:
    """Write the shards that are missing, and ``manifest.json`` at the end.

    The same photos and arguments give the same bytes, however often the run is stopped and whatever ``workers`` is.

    Args:
        photo_root: folder of the photos.
        out: folder of the shards; must be new, empty, or begun with the same photos and arguments.
        arguments: see :class:`ShardArguments`.
        ann_file: list of the photos to take, relative to ``photo_root``, or None for all.
        workers: processes; 1 uses this one.
        max_unreadable: share of the photos that may be unreadable, 0 to 1.

    Returns:
        The manifest.

    Raises:
        FileNotFoundError: no such folder or list.
        InputError: other photos or arguments than the folder was begun with, a photo listed twice, a file that can't
            be written, another run on the folder, or too many unreadable photos (the shards are there then).
    """
    if workers < 1:
        raise InputError(f'workers must be >= 1, got {workers}')
    if not 0 <= max_unreadable <= 1:
        raise InputError(f'max_unreadable must be a share from 0 to 1, got {max_unreadable}')
    paths = list_photos(photo_root, ann_file)
    sizes = {path.relative_to(photo_root).as_posix(): path.stat().st_size for path in paths}
    if len(sizes) < len(paths):
        raise InputError(f'{ann_file}: {len(paths) - len(sizes)} photos are listed twice')
    groups = list(cut_into_shards(mixed(sizes, arguments.seed), sizes, arguments))
    if out.is_dir() and not (out / STATE).is_dir() and os.listdir(out):
        raise InputError(
            f'{out}: holds {min(os.listdir(out))} and was not begun by mmqpt make-shards; give another folder'
        )
    with _writing(out), locked(out):
        _check_plan(out, arguments, sizes)
        starts = itertools.accumulate(map(len, groups), initial=0)
        jobs = [
            ShardJob(str(out), number, str(photo_root), tuple(names), first, max_unreadable)
            for number, (names, first) in enumerate(zip(groups, starts, strict=False))
        ]
        todo = [job for job in jobs if not _is_whole(out, job.number)]
        if todo:
            (out / MANIFEST).unlink(missing_ok=True)
            _clean(out)
            try:
                _run(todo, len(sizes), workers)
            finally:
                _clean(out)
        return _finish(out, arguments, len(jobs), len(sizes), max_unreadable)


def mixed(names: Iterable[str], seed: int) -> list[str]:
    """Names in an order that looks random and never changes: by the hash of seed and name."""
    return sorted(names, key=lambda name: (hashlib.sha256(f'{seed}/'.encode() + os.fsencode(name)).digest(), name))


def cut_into_shards(names: Sequence[str], sizes: dict[str, int], arguments: ShardArguments) -> Iterator[Sequence[str]]:
    """The photos of each shard."""
    if arguments.photos_per_shard is not None:
        for start in range(0, len(names), arguments.photos_per_shard):
            yield names[start : start + arguments.photos_per_shard]
        return
    start, total = 0, 0
    for number, name in enumerate(names):
        size = BLOCK * (1 + -(-sizes[name] // BLOCK))
        if number > start and total + size > (arguments.shard_size or 0):
            yield names[start:number]
            start, total = number, 0
        total += size
    yield names[start:]


def _check_plan(out: Path, arguments: ShardArguments, sizes: dict[str, int]) -> None:
    """Raise InputError for a folder begun with other photos or arguments; note those of a new one."""
    digest = hashlib.sha256()
    for name in sorted(sizes):
        digest.update(os.fsencode(name) + f'\0{sizes[name]}\0'.encode())
    plan = {'format': FORMAT, **asdict(arguments), 'photos': len(sizes), 'photos_sha256': digest.hexdigest()}
    path = out / STATE / PLAN
    if not path.is_file():
        write_json_synced(path, plan)
        return
    old = read_json(path)
    if not isinstance(old, dict):
        raise InputError(f'{path}: not a plan')
    for key in plan:
        if key != 'photos_sha256' and old.get(key) != plan[key]:
            raise InputError(
                f'{out}: was begun with {key} {old.get(key)}, not {plan[key]}; give the same photos and arguments, or '
                'another folder'
            )
    if old != plan:
        raise InputError(f'{out}: was begun with other photos (names or sizes); give the same, or another folder')


def _clean(out: Path) -> None:
    """Remove half-written files of processes that were killed."""
    for partial in [*out.glob('.*.partial*'), *(out / STATE).glob('.*.partial*')]:
        partial.unlink()


def _is_whole(out: Path, number: int) -> bool:
    path = state_path(out, number)
    if not path.is_file():
        return False
    tar = out / f'{shard_name(number)}.tar'
    return tar.is_file() and tar.stat().st_size == _read_record(path).bytes


def _read_record(path: Path) -> ShardRecord:
    with reading(path):
        found = ShardRecord(**read_json(path))
        return replace(found, unreadable=[(str(name), str(reason)) for name, reason in found.unreadable])


def _finish(out: Path, arguments: ShardArguments, shards: int, photos: int, max_unreadable: float) -> dict[str, Any]:
    """Write ``unreadable.csv`` and the manifest from the records of the shards."""
    records = [_read_record(state_path(out, number)) for number in range(shards)]
    unreadable = sorted((name, reason) for record in records for name, reason in record.unreadable)
    write_unreadable(out / UNREADABLE, unreadable)
    manifest = {
        'version': __version__,
        'format': FORMAT,
        'arguments': asdict(arguments),
        'photos': sum(record.photos for record in records),
        'bytes': sum(record.bytes for record in records),
        'unreadable': len(unreadable),
        'shards': [{**asdict(record), 'unreadable': len(record.unreadable)} for record in records],
    }
    write_json_synced(out / MANIFEST, manifest)
    if len(unreadable) > max_unreadable * photos:
        raise InputError(
            f'{out / UNREADABLE}: {len(unreadable)} of {photos} photos are unreadable, more than the share of '
            f'{max_unreadable} that max_unreadable allows; the first: {unreadable[0][1]}. The shards hold the others'
        )
    return manifest


def _run(jobs: Sequence[ShardJob], photos: int, workers: int) -> None:
    """Write shards with a progress bar; after an error or a stop, no process keeps running."""
    todo = sum(len(job.names) for job in jobs)
    with tqdm(total=photos, initial=photos - todo, desc='make_shards', unit=' photos', mininterval=1) as bar:
        if workers == 1:
            for job in jobs:
                write_shard(job, functools.partial(_advance, bar, bar.n))
            return
        context = multiprocessing.get_context('spawn')  # forked ones would outlive this process if it is killed
        done = context.RawArray('q', len(jobs))
        pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _start_worker, (done,))
        before = set(multiprocessing.active_children())
        try:
            pending = {pool.submit(_work, number, job) for number, job in enumerate(jobs)}
            while pending:
                finished, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                bar.update(photos - todo + sum(done) - bar.n)
        except BrokenProcessPool as error:
            raise InputError(
                'a process that makes shards was killed (out of memory?); run the same command again to resume'
            ) from error
        except BaseException:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _advance(bar: tqdm, start: int, done: int) -> None:
    bar.update(start + done - bar.n)


_done: Any = None


def _start_worker(done: Any) -> None:
    """Set up a worker: it ends quietly at Ctrl-C, and when the process that started it ends, for whatever reason."""
    global _done
    _done = done
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _work(number: int, job: ShardJob) -> None:
    def progress(done: int) -> None:
        _done[number] = done

    write_shard(job, progress)


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Turn errors of the file system into a sentence that names the file."""
    try:
        (out / STATE).mkdir(parents=True, exist_ok=True)
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{error.filename or out}: can't be written ({error.strerror or error})") from error


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs from writing to this folder; the lock ends with the process, however that ends.

    Raises:
        InputError: another run holds it.
    """
    import fcntl

    with (out / STATE / 'lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f'{out}: another run is making shards here') from None
        yield
