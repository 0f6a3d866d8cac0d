"""Scores more photos than one machine can, by Ray Data. Needs the extra ``ray``.

Every worker needs mmqpt installed. It is sent the weights, and reads the photos that it scores.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.photo import find_photos
from mmqpt.core.photo_flags import BETWEEN
from mmqpt.metric.open import open_scorer
from mmqpt.metric.runtimes import choose_runtime
from mmqpt.metric.score_many import score_many

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset
    import ray
    import ray.data
except ImportError as missing:
    raise ImportError(f'mmqpt.ray needs further packages: pip install "mmqpt[ray]" ({missing})') from missing

COLUMNS = ('bytes', 'image', 'path')
"""Columns that may hold the photos; the first of them that is there does."""

_ADDED = ('score', 'error', 'flags')
_BLOCKS = 2000  # of a list of paths, at most
_NONE = pa.array([], pa.string())


def score(
    photos: ray.data.Dataset | str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    weights: str | os.PathLike[str] | None = None,
    *,
    column: str | None = None,
    batch_size: int = 16,
    concurrency: int | tuple[int, int] | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
    device: str | None = None,
    keep: bool = False,
    done: str | os.PathLike[str] | ray.data.Dataset | None = None,
    retries: int = 20,
) -> ray.data.Dataset:
    """Score photos on the workers of a Ray cluster. Nothing is scored until the result is read or written.

    A worker that dies is restarted and given its block of rows again, so that every row of the input is in the output
    exactly once, in no fixed order.

    Args:
        photos: a dataset with paths, bytes of files or pixels (uint8 (H, W, 3) or (H, W)), as
            ``ray.data.read_binary_files(..., include_paths=True)`` and ``ray.data.read_images`` give; or a folder,
            which is searched with its subfolders, or a list of paths, either of which becomes the column ``path``.
            Workers open paths themselves: they must see the same disk.
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file, on this machine: its content
            is sent to the workers.
        column: of the photos; by default the first of :data:`COLUMNS` that the dataset has.
        batch_size: photos that a worker scores before it hands over their rows. A list of paths is also cut into blocks
            of this size (larger ones where there would be more than 2000); other datasets keep their blocks.
        concurrency: number of workers, or the fewest and the most; by default 1 to as many as the cluster has room for.
        num_cpus: that each worker reserves, and the number of its threads.
        num_gpus: of each worker; workers without one score on the CPU.
        device: of the workers; a GPU by default where ``num_gpus`` is not 0.
        keep: whether bytes or pixels stay in the output; other columns, such as ``path``, always do.
        done: earlier results (a Parquet file or folder, or a dataset) whose ``path`` is not scored again. It may not be
            there yet, or be empty, so that a job can be started and resumed by the same call. Rows with an error count
            as done; filter them out to try them again.
        retries: how often a block is tried again after its worker died, or -1 for ever. After that the job fails, since
            a photo that kills the process would keep it from ending. The death of a machine may use up several.

    Returns:
        A lazy dataset: the columns of the input, ``score`` (float64 in (0, 1), or null), ``error`` (a sentence
        where there is no score, else null) and ``flags`` (names of :data:`mmqpt.core.photo_flags.FLAGS`, joined by
        ``'; '``, else empty). Photos that can't be read, or have no finite score, never end a job.

    Raises:
        FileNotFoundError: no such folder or weights.
        InputError: weights that can't be used, no such column, columns of the result's names that are there already,
            a number out of range, or so many workers that no CPU is left to read and write: Ray would wait for ever.
    """
    for name, value, least in (('batch_size', batch_size, 1), ('retries', retries, -1), ('num_gpus', num_gpus, 0)):
        if value < least:
            raise InputError(f'{name} must be >= {least}, got {value}')
    if num_cpus <= 0:
        raise InputError(f'num_cpus must be > 0, got {num_cpus}')
    device = device or ('cuda' if num_gpus else 'cpu')
    runtime, path = choose_runtime(weights, device)
    open_scorer(path, 'cpu', runtime=runtime)  # so that bad weights fail here, and not in every worker
    content = _Weights(ray.put(path.read_bytes()), path.suffix)
    pool = _pool(concurrency, num_cpus)
    dataset = _dataset(photos, batch_size)
    if done is not None:
        dataset = _without(dataset, done)
    column = _check_columns(dataset.columns() or [], column)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '`ray_remote_args`')  # the only way to bound the retries
        return dataset.map_batches(
            _Worker,
            fn_constructor_args=(content, column, device, num_cpus, keep),
            batch_size=batch_size,
            batch_format='pyarrow',
            compute=pool,
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            max_restarts=-1,
            max_task_retries=retries,
        )


@dataclass(frozen=True)
class _Weights:
    """A file that was sent to the cluster. A restart may lose a bare reference among the arguments."""

    content: ray.ObjectRef
    suffix: str


class _Worker:
    """Runs in a process of its own, wherever Ray starts it."""

    def __init__(self, weights: _Weights, column: str, device: str, threads: float, keep: bool) -> None:
        self.threads = max(1, int(threads))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f'weights{weights.suffix}'
            path.write_bytes(ray.get(weights.content))
            # On a CPU several threads score: one thread of onnxruntime for each of them.
            self.scorer = open_scorer(path, device, threads=1 if device.startswith('cpu') else None)
        if 'torch' in sys.modules:
            sys.modules['torch'].set_num_threads(self.threads)
        self.column = column
        self.keep = keep

    def __call__(self, batch: pa.Table) -> pa.Table:
        _check_columns(batch.column_names, self.column)
        photos = [photo for chunk in batch.column(self.column).chunks for photo in _values(chunk)]
        names = _names(batch, self.column, photos)
        found = list(score_many(self.scorer, photos, workers=self.threads, names=names))
        if not self.keep and not _are_paths(batch, self.column):
            batch = batch.drop_columns([self.column])
        batch = batch.append_column('score', pa.array([one.score for one in found], pa.float64()))
        batch = batch.append_column('error', pa.array([one.error for one in found], pa.string()))
        return batch.append_column('flags', pa.array([BETWEEN.join(one.flags) for one in found], pa.string()))


def _are_paths(batch: pa.Table, column: str) -> bool:
    """By type, so that a batch without values gives the same columns as the others."""
    kind = batch.schema.field(column).type
    return column == 'path' or pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _values(chunk: pa.Array) -> list[Any]:
    """Python values of a column: Ray's own types of it hold arrays."""
    if isinstance(chunk, pa.ExtensionArray):
        return list(chunk.to_numpy(zero_copy_only=False))
    return list(chunk.to_pylist())


def _names(batch: pa.Table, column: str, photos: list[Any]) -> list[str]:
    """What errors call each photo."""
    if column != 'path' and 'path' in batch.column_names:
        return [str(name) for name in batch.column('path').to_pylist()]
    return [photo if isinstance(photo, str) else f'a photo of column {column}' for photo in photos]


def _pool(concurrency: int | tuple[int, int] | None, num_cpus: float) -> ray.data.ActorPoolStrategy:
    least, most = (concurrency, concurrency) if isinstance(concurrency, int) else (concurrency or (1, None))
    if least < 1 or (most is not None and most < least):
        raise InputError(f'concurrency must be >= 1, or the fewest and the most workers, got {concurrency}')
    cpus = ray.cluster_resources().get('CPU', 0)
    if least * num_cpus > cpus - 1:
        raise InputError(
            f'{least} workers with num_cpus={num_cpus} leave less than 1 of the {cpus:g} CPUs of the cluster to read '
            'and write: take fewer, or (fewest, most)'
        )
    return ray.data.ActorPoolStrategy(min_size=least, max_size=most)


def _dataset(photos: Any, batch_size: int) -> ray.data.Dataset:
    if isinstance(photos, ray.data.Dataset):
        return photos
    if isinstance(photos, (str, os.PathLike)):
        photos = find_photos(photos)
    paths = [os.path.abspath(path) for path in photos]
    if not paths:
        raise InputError('no photos: the list of paths is empty')
    rows = max(batch_size, -(-len(paths) // _BLOCKS))
    blocks = [pa.array(paths[first : first + rows], pa.string()) for first in range(0, len(paths), rows)]
    return ray.data.from_arrow([pa.table({'path': block}) for block in blocks])


def _check_columns(columns: list[str], column: str | None) -> str:
    """The column with the photos."""
    taken = [name for name in _ADDED if name in columns]
    if taken:
        raise InputError(f'the dataset has a column {taken[0]!r} already; drop or rename it')
    found = column or next((name for name in COLUMNS if name in columns), None)
    if found not in columns:
        raise InputError(
            f'no column {column or " or ".join(COLUMNS)!r} in the dataset; there are: {", ".join(columns)}'
        )
    return str(found)


def _without(dataset: ray.data.Dataset, done: Any) -> ray.data.Dataset:
    """The rows whose path is not among the results."""
    if 'path' not in (dataset.columns() or []):
        raise InputError("done needs a column 'path' in the dataset")
    paths = _paths(done)
    if not len(paths):
        return dataset
    known = ray.put(paths)

    def new(batch: pa.Table) -> pa.Table:
        return batch.filter(pc.invert(pc.is_in(batch.column('path'), value_set=ray.get(known))))

    return dataset.map_batches(new, batch_format='pyarrow')


def _paths(done: Any) -> pa.Array:
    if isinstance(done, ray.data.Dataset):
        columns = done.columns() or []
        if columns and 'path' not in columns:
            raise InputError(f"done needs a column 'path', got a dataset with: {', '.join(columns)}")
        tables = [ray.get(ref) for ref in done.select_columns(['path']).to_arrow_refs()] if columns else []
        tables = [table for table in tables if table.num_rows]
        return pa.concat_tables(tables).column('path').combine_chunks() if tables else _NONE
    try:
        found = pa.dataset.dataset(os.fspath(done), format='parquet')
        return found.to_table(columns=['path']).column('path') if found.files else _NONE
    except FileNotFoundError:
        return _NONE
    except (pa.ArrowInvalid, KeyError) as error:
        raise InputError(f'{os.fspath(done)}: no Parquet with results ({error})') from error
