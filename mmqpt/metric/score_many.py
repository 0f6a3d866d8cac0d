"""Scores of many photos: decoded ahead in threads, batched by size, in the order of the input."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import photo_header
from mmqpt.metric.onnx_scorer import usable_cores
from mmqpt.metric.scorer import Scorer

GPU_BATCH = 16
"""Photos that a GPU is given at once by default. A CPU is given one: more are slower there."""

_DECODING = 850_000_000  # bytes that decoding takes at the same time; a photo that takes more is decoded alone
_WAITING = 50_000_000  # px of prepared photos waiting for others of their size
_IN_BATCH = 40_000_000  # px of one batch
_Key = tuple[tuple[int, ...], np.dtype]


@dataclass(frozen=True)
class Scored:
    """What became of one photo.

    Args:
        name: as given, or the path.
        score: in (0, 1), higher is better; None where the photo could not be scored.
        error: why not; None where it could.
        flags: what is wrong with the file rather than with its picture, names of :data:`mmqpt.core.photo_flags.FLAGS`.
    """

    name: str
    score: float | None
    error: str | None = None
    flags: tuple[str, ...] = ()


def score_many(
    scorer: Scorer,
    sources: Iterable[Any],
    batch: int | None = None,
    workers: int | None = None,
    names: Sequence[str] | None = None,
) -> Generator[Scored, None, None]:
    """Score photos. Results come in the order of ``sources``, each as soon as those before it are there.

    On a CPU with ``batch=1``, each of ``workers`` threads decodes and scores whole photos, with one thread of torch (an
    :class:`OnnxScorer` has its own number: give it ``threads=1``). This is faster than scoring one photo on all cores,
    and gives the same bits for any number of workers: those of ``scorer.score`` with one thread (with more they differ
    by less than 1e-6). Otherwise the
    threads decode, and the caller's thread scores batches of photos of one size and type; a photo's score then depends
    on its batch, by less than 1e-6.

    Memory: decoding takes at most 850 MB at a time, as much as for 100 megapixels of PNG, or what one larger photo
    takes. At most ``4 * batch + 2 * workers`` photos are ahead of the caller; those that wait for others of their size
    have at most about 50 megapixels after the size rule, and ``batch + workers`` more may be decoded.

    Raises:
        InputError: ``batch`` or ``workers`` below 1, or a number of names that differs from that of the photos.
            A photo that can't be read, or whose score is not finite, is no exception but a result with ``error``.
    """
    on_cpu = scorer.device.startswith('cpu')
    batch = (1 if on_cpu else GPU_BATCH) if batch is None else batch
    workers = usable_cores() if workers is None else workers
    for name, value in (('batch', batch), ('workers', workers)):
        if value < 1:
            raise InputError(f'{name} must be >= 1, got {value}')
    named = _named(sources, names)
    return _in_threads(scorer, named, workers) if on_cpu and batch == 1 else _in_batches(scorer, named, batch, workers)


def _named(sources: Iterable[Any], names: Sequence[str] | None) -> Iterator[tuple[Any, str]]:
    if names is None:
        for number, source in enumerate(sources):
            yield source, os.fspath(source) if isinstance(source, (str, os.PathLike)) else f'photo {number}'
        return
    end = object()
    for source, name in zip_longest(sources, names, fillvalue=end):
        if source is end:
            raise InputError(f'there must be as many names as photos, got {len(names)} for fewer photos')
        if name is end:
            raise InputError(f'there must be as many names as photos, got {len(names)} for more photos')
        yield source, str(name)


def _in_threads(scorer: Scorer, named: Iterator[tuple[Any, str]], workers: int) -> Generator[Scored, None, None]:
    """Each thread decodes and scores."""
    room = _Room(_DECODING)

    def work(source: Any, name: str) -> Scored:
        with room.of(_memory(source)):
            try:
                photo, flags = scorer.examine(source, name)
            except (InputError, OSError) as error:
                return Scored(name, None, _sentence(error, name))
            return _scored(name, scorer.score_batch(photo[None])[0], flags)

    with _pool(workers) as pool:
        pending: deque[Future[Scored]] = deque()
        for source, name in named:
            pending.append(pool.submit(work, source, name))
            if len(pending) >= 4 + 2 * workers:
                yield pending.popleft().result()
            while pending and pending[0].done():
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@dataclass
class _Photo:
    name: str
    future: Future[tuple[np.ndarray, tuple[str, ...]]]
    flags: tuple[str, ...] = ()
    key: _Key | None = None  # set once the photo is in a group
    result: Scored | None = None


def _in_batches(
    scorer: Scorer, named: Iterator[tuple[Any, str]], batch: int, workers: int
) -> Generator[Scored, None, None]:
    """Threads decode; the caller's scores."""
    room = _Room(_DECODING)

    def work(source: Any, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
        with room.of(_memory(source)):
            return scorer.examine(source, name)

    with _pool(workers) as pool:
        ahead: deque[_Photo] = deque()  # in the order of the input; the first ``taken`` are grouped or have a result
        groups: dict[_Key, list[tuple[_Photo, np.ndarray]]] = {}
        taken, more = 0, True
        while more or ahead:
            room_left = 4 * batch + 2 * workers - len(ahead) if _size(groups) < _WAITING else 0
            free = max(0, min(room_left, batch + workers - (len(ahead) - taken)))
            new = [_Photo(name, pool.submit(work, source, name)) for source, name in islice(named, free)]
            more = more and len(new) == free
            ahead.extend(new)
            if taken < len(ahead):
                photo = ahead[taken]
                taken += 1
                try:
                    prepared, photo.flags = photo.future.result()
                except (InputError, OSError) as error:
                    photo.result = Scored(photo.name, None, _sentence(error, photo.name))
                else:
                    photo.key = prepared.shape, prepared.dtype
                    group = groups.setdefault(photo.key, [])
                    group.append((photo, prepared))
                    del prepared
                    if len(group) >= batch or (len(group) + 1) * math.prod(photo.key[0][1:]) > _IN_BATCH:
                        _score(scorer, groups.pop(photo.key))
                photo.future = Future()  # lets go of the photo
            elif ahead and ahead[0].result is None and ahead[0].key is not None:
                _score(scorer, groups.pop(ahead[0].key))  # no room to wait for others of its size
            while ahead and (result := ahead[0].result) is not None:
                ahead.popleft()
                taken -= 1
                yield result


def _score(scorer: Scorer, group: list[tuple[_Photo, np.ndarray]]) -> None:
    images = scorer.stack([prepared for _, prepared in group])
    for (photo, _), score in zip(group, scorer.score_batch(images), strict=True):
        photo.result = _scored(photo.name, score, photo.flags)


def _scored(name: str, score: float, flags: tuple[str, ...]) -> Scored:
    """A network whose weights overflowed gives NaN, which is no score."""
    if not math.isfinite(score):
        return Scored(name, None, f'{name}: the network gave no finite score', flags)
    return Scored(name, float(score), None, flags)


def _size(groups: dict[_Key, list[tuple[_Photo, np.ndarray]]]) -> int:
    """px waiting for their batch."""
    return sum(len(group) * math.prod(key[0][1:]) for key, group in groups.items())


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads with one thread of torch each, where that is imported. Work that has not begun when they are stopped is
    dropped."""
    torch = sys.modules.get('torch')
    pool = ThreadPoolExecutor(workers, 'mmqpt', initializer=(lambda: torch.set_num_threads(1)) if torch else None)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if torch is not None:
            torch.set_num_threads(torch.get_num_threads())  # for threads to come; this one kept its own number


class _Room:
    """Lets threads work on photos that take at most so many bytes together."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, size: int) -> Iterator[None]:
        """Waits until there is room; a photo that is too large gets all of it."""
        size = min(size, self.size)
        with self.changed:
            self.changed.wait_for(lambda: self.used + size <= self.size)
            self.used += size
        try:
            yield
        finally:
            with self.changed:
                self.used -= size
                self.changed.notify_all()


def _memory(source: Any) -> int:
    """Bytes that decoding a photo takes at its peak, by its header; 0 where it can't be read, and of what is decoded
    already."""
    if not isinstance(source, (str, os.PathLike, bytes, bytearray)):
        return 0
    try:
        return photo_header(source)[2]
    except (PhotoError, OSError):  # reading the photo will say what is wrong
        return 0


def _sentence(error: Exception, name: str) -> str:
    """One line that names the photo."""
    text = ' '.join(str(error).split()) or type(error).__name__
    plain = ' '.join(name.split())
    return text if text.startswith(f'{plain}: ') or text.endswith(f': {plain}') else f'{name}: {text}'
