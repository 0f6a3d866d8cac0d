"""Files of scores: written as the scores come, intact after a crash, resumed by ``--resume``."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mmqpt.core.errors import InputError
from mmqpt.core.extras import require
from mmqpt.core.files import replacing, target_file
from mmqpt.core.limits import MAX_SPARE_ROWS, MAX_SPARE_TEXT, MAX_TEXT_SHARE
from mmqpt.core.photo_flags import BETWEEN
from mmqpt.metric.score_many import Scored

COLUMNS = ('path', 'score', 'error', 'flags')
SUFFIXES = {'.csv': 'csv', '.json': 'json', '.jsonl': 'json', '.ndjson': 'json', '.parquet': 'parquet'}
_HEADER = (','.join(COLUMNS) + '\n').encode()
_TEXT = 'a text', lambda value: isinstance(value, str) and '\0' not in value
_META: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(('weights', 'weights_sha256', 'backbone', 'dataset', 'mmqpt_version', 'kind', 'folder'), _TEXT),
    'view': (
        'an object of plain values',
        lambda value: isinstance(value, dict) and not _has_parts(value),
    ),
    'mos_range': (
        'two finite numbers',
        lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_finite, value)),
    ),
}
"""What ``FILE.meta.json`` may say; each may be missing or null."""

_SAME = {'kind': 'format', 'weights_sha256': 'weights', 'view': 'size rule'}


def _has_parts(value: dict[str, Any]) -> bool:
    return any(isinstance(inner, (dict, list)) for inner in value.values())


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


class ResultFile:
    """A file of scores that is being written, with ``FILE.meta.json`` beside it.

    ``csv``: the columns path, score, error and flags; ``json``: one object a line with those names; both have a whole
    row after every photo. ``parquet``: rows go to ``FILE.partial.jsonl``, which becomes the file when it is closed.

    Args:
        path: of the file.
        kind: ``'csv'``, ``'json'`` or ``'parquet'``.
        meta: what made the scores, for the JSON file.
        resume: add to a file of the same weights; rows with an error are dropped if their photo is in ``inputs``.
        overwrite: replace a file that exists.
        inputs: paths of the photos to be scored.

    Raises:
        InputError: a file that exists (without ``resume`` and ``overwrite``), that other weights made, that can't be
            read, that is not a regular file, or that is one of ``inputs``; another format's suffix; or no pyarrow for
            ``parquet``.
        OSError: can't be written.
    """

    def __init__(
        self, path: str, kind: str, meta: dict[str, Any], resume: bool, overwrite: bool, inputs: Iterable[str]
    ) -> None:
        if kind == 'parquet':
            require('pyarrow', 'parquet', '--parquet')
        _check_name(path, kind)
        path = target_file(path)
        self.path, self.kind = path, kind
        self._rows_file = f'{path}.partial.jsonl' if kind == 'parquet' else path
        inputs = list(inputs)
        _check_targets({path, self._rows_file, meta_path(path)}, inputs)
        parts = [name for name in dict.fromkeys((path, self._rows_file)) if os.path.lexists(name)]
        if parts and not resume and not overwrite:
            raise InputError(f'{parts[0]} exists: add to it with --resume, or replace it with --overwrite')
        meta = {**meta, 'kind': kind, 'folder': os.getcwd()}
        rows: list[Scored] = []
        if resume and parts:
            _check_meta(path, meta, inputs)
            rows = _once(row for name in parts for row in read_rows(name, 'json' if name != path else kind, cut=True))
            retried = {os.path.abspath(name) for name in inputs}
            rows = [row for row in rows if row.score is not None or os.path.abspath(row.name) not in retried]
        elif overwrite:  # first, since what makes them known changes now
            for name in parts:
                os.remove(name)
        _replace(meta_path(path), (json.dumps(meta, indent=2) + '\n').encode())
        self.scores = {os.path.abspath(row.name): row.score for row in rows if row.score is not None}
        """By absolute path, of the photos that had a score when the file was opened."""
        self._text_kind = 'csv' if kind == 'csv' else 'json'
        head = _HEADER if kind == 'csv' else b''
        _replace(self._rows_file, head + b''.join(encode(row, self._text_kind) for row in rows))
        self._file: BinaryIO = open(self._rows_file, 'ab')  # noqa: SIM115

    def add(self, row: Scored) -> None:
        """Append a row; it is with the operating system when this returns.

        Raises:
            InputError: the file is no longer there.
            OSError: can't be written.
        """
        self._file.write(encode(row, self._text_kind))
        self._file.flush()
        self._check_present()

    def _check_present(self) -> None:
        """What is written to a file that has lost its name goes to no one, without an error."""
        own = os.fstat(self._file.fileno())
        try:
            found = _identity(self._rows_file)
        except OSError:
            found = None
        if found != (own.st_dev, own.st_ino):
            raise InputError(
                f'{self._rows_file}: was removed, moved or replaced while it was written; its scores are lost'
            )

    def close(self) -> None:
        """Finish; for Parquet, turn the rows into the file.

        Raises:
            InputError: the file is no longer there.
            OSError: can't be written.
        """
        if self._file.closed:
            return
        try:
            self._check_present()
        finally:
            self._file.close()
        if self.kind == 'parquet':
            _write_parquet(self.path, read_rows(self._rows_file, 'json', cut=True))
            os.remove(self._rows_file)


def meta_path(path: str) -> str:
    """The JSON file that says what made a file of scores."""
    return f'{path}.meta.json'


def read_scores(path: str) -> tuple[list[Scored], dict[str, Any]]:
    """Rows of a finished or unfinished file, the last one of each photo; and what made it (empty where not known).

    Raises:
        FileNotFoundError: no such file.
        InputError: not a file of scores; names the file and the line.
    """
    kind = SUFFIXES.get(Path(path).suffix.lower())
    if kind is None:
        raise InputError(f'{path}: a file of scores must end with one of {", ".join(SUFFIXES)}')
    if os.path.islink(path):
        path = os.path.realpath(path)  # what lies beside a file of scores lies beside the file itself
    journal = f'{path}.partial.jsonl'
    parts = [(path, kind)] if os.path.isfile(path) else []
    if kind == 'parquet' and os.path.isfile(journal):
        parts.append((journal, 'json'))
    if not parts:
        raise FileNotFoundError(f'no such file of scores: {path}')
    rows = _once(row for name, part in parts for row in read_rows(name, part, cut=True))
    return rows, _read_meta(path) if os.path.isfile(meta_path(path)) else {}


def read_rows(path: str, kind: str, cut: bool = False) -> list[Scored]:
    """All rows of one file.

    Args:
        path: of the file.
        kind: ``'csv'``, ``'json'`` or ``'parquet'``.
        cut: leave out a last row that is incomplete.

    Raises:
        InputError: other columns, or a row that is not one of scores.
    """
    if kind == 'parquet':
        return _read_parquet(path)
    data = Path(path).read_bytes()
    try:
        text = (data[: _whole(data, kind)] if cut else data).decode('utf-8-sig')
        return _parse_csv(text) if kind == 'csv' else _parse_json(text)
    except (ValueError, csv.Error) as error:
        raise InputError(f'{path}: {error}') from error


def encode(row: Scored, kind: str) -> bytes:
    """One row with its line break, as a CSV record or a JSON object."""
    cells = (row.name, row.score, row.error, BETWEEN.join(row.flags))
    if kind == 'json':
        values = dict(zip(COLUMNS, cells, strict=True))
        return (json.dumps(values, ensure_ascii=False) + '\n').encode()
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator='\n').writerow(cells)
    return text.getvalue().encode()


def _parse_csv(text: str) -> list[Scored]:
    reader = csv.DictReader(io.StringIO(text, newline=''))
    names = reader.fieldnames or []
    if text and not {'path', 'score'} <= set(names):
        raise ValueError(f'not a file of scores; its columns must be {", ".join(COLUMNS)}')
    rows = []
    for row in reader:
        if row['path'] is None or row['score'] is None or None in row:
            raise ValueError(f'line {reader.line_num}: a row of another length than {len(names)}')
        rows.append(
            _row(row['path'], row['score'] or None, row.get('error') or None, row.get('flags'), reader.line_num)
        )
    return rows


def _parse_json(text: str) -> list[Scored]:
    rows = []
    for number, line in enumerate(text.split('\n'), 1):  # splitlines would split at characters in names
        if line.strip():
            try:
                found = json.loads(line)
                rows.append(_row(found['path'], found['score'], found.get('error'), found.get('flags'), number))
            except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError) as error:
                raise ValueError(f'line {number}: not an object with path, score and error') from error
    return rows


def _row(path: str, score: str | float | None, error: str | None, flags: str | None, line: int) -> Scored:
    if not isinstance(path, str) or not all(isinstance(text, (str, type(None))) for text in (error, flags)):
        raise TypeError
    try:
        value = None if score is None else float(score)
    except (ValueError, OverflowError):
        raise ValueError(f'line {line}: the score {score!r:.100} is not a number') from None
    if value is not None and not math.isfinite(value):
        raise ValueError(f'line {line}: the score {score!r:.100} is not a finite number')
    found = tuple(flags.split(BETWEEN)) if flags else ()
    return Scored(path, value, error or ('no score' if value is None else None), found)


def _whole(data: bytes, kind: str) -> int:
    """Length of the complete records: up to the last line break outside quotes."""
    end = data.rfind(b'\n') + 1
    while kind == 'csv' and end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b'\n', 0, end - 1) + 1
    return end


def _once(rows: Iterable[Scored]) -> list[Scored]:
    return list({os.path.abspath(row.name): row for row in rows}.values())


def _check_name(path: str, kind: str) -> None:
    if not path:
        raise InputError(f'--{kind} needs the name of a file, got an empty one')
    other = SUFFIXES.get(Path(path).suffix.lower(), kind)
    if other != kind:
        raise InputError(f'--{kind} {path}: a file that ends with {Path(path).suffix} is written by --{other}')


def _check_targets(targets: Iterable[str], inputs: Iterable[str]) -> None:
    """Refuse to write over photos, and over what is not a regular file."""
    names, files = set(), set()
    for target in targets:
        names.add(os.path.abspath(target_file(target)))
        if os.path.exists(target):
            files.add(_identity(target))
    for name in inputs:
        if os.path.abspath(name) in names or (files and os.path.exists(name) and _identity(name) in files):
            raise InputError(f'{name} is one of the photos, and would be written to; take another file')


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _check_meta(path: str, meta: dict[str, Any], inputs: Iterable[str]) -> None:
    """Refuse to mix scores that can't be compared, or paths that mean other files."""
    if not os.path.isfile(meta_path(path)):
        raise InputError(f'{path}: {meta_path(path)} is missing, so it is not known which weights made the file')
    found = _read_meta(path)
    for key, what in _SAME.items():
        if found.get(key) != meta.get(key):
            raise InputError(
                f'{path} was made with another {what}: {found.get(key)} (weights {found.get("weights")}), now '
                f'{meta[key]} (weights {meta["weights"]}); take another file, or --overwrite'
            )
    if found.get('folder') != meta['folder'] and not all(os.path.isabs(name) for name in inputs):
        raise InputError(
            f'{path} was begun in {found.get("folder")}, where relative paths mean other photos; go there (if the '
            f'photos were moved, change "folder" in {meta_path(path)})'
        )


def _read_meta(path: str) -> dict[str, Any]:
    name = meta_path(path)
    try:
        found = json.loads(Path(name).read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise InputError(f'{name}: not a JSON object ({error})') from error
    if not isinstance(found, dict):
        raise InputError(f'{name}: not a JSON object, but {type(found).__name__}')
    for key, (rule, is_right) in _META.items():
        value = found.get(key)
        if value is not None and not is_right(value):
            raise InputError(f'{name}: {key} must be {rule}, got {value!r:.100}')
    return found


def _replace(path: str, data: bytes) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as partial:
        Path(partial).write_bytes(data)


def _write_parquet(path: str, rows: Sequence[Scored]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = (pa.string(), pa.float64(), pa.string(), pa.string())
    cells = [(row.name, row.score, row.error, BETWEEN.join(row.flags)) for row in rows]
    columns = [[row[place] for row in cells] for place in range(len(COLUMNS))]
    table = pa.table(columns, schema=pa.schema(list(zip(COLUMNS, kinds, strict=True))))
    with replacing(path) as partial:
        pq.write_table(table, partial)


def _read_parquet(path: str) -> list[Scored]:
    require('pyarrow', 'parquet', f'{path}: Parquet')
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_size(file, path)
            known = file.schema_arrow.names
            names = [name for name in COLUMNS if name != 'flags' or name in known]  # older files have none
            missing = [name for name in names if name not in known]
            if missing:
                raise InputError(f'{path}: not a Parquet file of scores (no column {", ".join(missing)})')
            columns = file.read(names, use_threads=False).to_pydict()
    except InputError:
        raise
    except (pa.ArrowException, ValueError, LookupError, TypeError, OSError, ArithmeticError) as error:
        raise InputError(f'{path}: not a Parquet file of scores ({error})') from error
    columns.setdefault('flags', [None] * len(columns['path']))
    rows = zip(*(columns[name] for name in COLUMNS), strict=True)
    try:
        return [_row(name, score, error, flags, line) for line, (name, score, error, flags) in enumerate(rows, 1)]
    except (ValueError, TypeError) as error:
        raise InputError(f'{path}: {str(error) or "its columns must be texts and numbers"}') from error


def _check_size(file: Any, path: str) -> None:
    """Refuse a small file that unpacks to much: by its number of rows, and by the length of its texts, which are read
    as they are stored, each once with numbers of the rows that have it."""
    size = os.path.getsize(path)
    most = max(MAX_SPARE_ROWS, size)
    if file.metadata.num_rows > most:
        raise InputError(f'{path}: refused, {file.metadata.num_rows} rows in {size} bytes (at most {most})')
    room = MAX_SPARE_TEXT + MAX_TEXT_SHARE * size
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    # their columns are not asked for: pyarrow ends the process at some that are damaged
    if sum(max(0, group.total_byte_size) for group in groups) > room:
        raise InputError(f'{path}: refused, it unpacks to more than {room} bytes')
    _check_texts(path, room)


def _check_texts(path: str, room: int) -> None:
    """Refuse texts that have more than ``room`` bytes once each row has its own."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    total = 0
    with pq.ParquetFile(path) as plain:
        texts = [field.name for field in plain.schema_arrow if pa.types.is_string(field.type) and field.name in COLUMNS]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(batch_size=1 << 16, columns=texts, use_threads=False):
            for column in batch.columns:
                if not pa.types.is_dictionary(column.type):
                    total += column.nbytes
                    continue
                lengths = pc.binary_length(column.dictionary).take(column.indices)
                total += pc.sum(lengths).as_py() or 0
            if total > room:
                raise InputError(f'{path}: refused, its texts have more than {room} bytes')
