"""What readers return, and the files that they read: CSV, Excel and MATLAB tables."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.limits import check_mat, check_workbook, sheet_rows

_PATIENCE = 120  # seconds, for a MATLAB file


@dataclass(frozen=True)
class Labels:
    """Labels of a set as its files have them, before any check or change of direction.

    Args:
        photo_root: folder that the names are relative to.
        rows: one a photo: ``name`` (file name, with or without its folder), ``score`` (in the set's own units), then
            the other columns; all are text. Every row has the same columns.
        splits: columns that hold a split (``train``, ``val``, ``test``, and ``drop`` for rows in no part) and the name
            of the protocol of each.
        absent: names of photos that are not there according to the labels; that they are missing is no error.
        notes: what a user should know about how the labels were read.
    """

    photo_root: Path
    rows: Sequence[Mapping[str, str]]
    splits: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def find_file(root: Path, *names: str) -> Path:
    """The first of these files (relative to ``root``) that exists; FileNotFoundError says what was looked for."""
    found = find_optional(root, *names)
    if found is None:
        raise FileNotFoundError(_not_here(root, 'file', names))
    return found


def find_optional(root: Path, *names: str) -> Path | None:
    """The first of these files that exists, or None."""
    return next((root / name for name in names if (root / name).is_file()), None)


def find_folder(root: Path, *names: str) -> Path:
    """The first of these folders that exists; FileNotFoundError says what was looked for."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(_not_here(root, 'folder', names))


def _not_here(root: Path, kind: str, names: Sequence[str]) -> str:
    if not root.is_dir():
        return f'no such folder: {root}'
    here = sorted(f'{path.name}/' if path.is_dir() else path.name for path in root.iterdir())
    shown = ', '.join(here[:8]) or 'nothing'
    if len(here) > 8:
        shown += f' and {len(here) - 8} more'
    return f'{root}: looked for the {kind} {" or ".join(map(repr, names))} and found {shown}'


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV with a header; spaces around names and values are removed.

    Raises:
        InputError: not UTF-8, no rows, a column twice, or a row of another length than the header; names file and line.
    """
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise InputError(f'{path}: not UTF-8 text ({error})') from error
    reader = csv.reader(io.StringIO(text, newline=''), skipinitialspace=True)
    try:
        lines = [(reader.line_num, fields) for fields in reader]
    except csv.Error as error:
        raise InputError(f'{path}, line {reader.line_num}: {error}') from error
    header = [name.strip() for name in (lines.pop(0)[1] if lines else [])]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f'{path}: has the column {twice[0]!r} twice: {", ".join(map(repr, header))}')
    rows = []
    for number, fields in lines:
        if not any(value.strip() for value in fields):
            continue
        if len(fields) != len(header):
            raise InputError(f'{path}, line {number}: {len(fields)} columns, but the header has {len(header)}')
        rows.append({name: value.strip() for name, value in zip(header, fields, strict=True)})
    if not rows:
        raise InputError(f'{path}: no rows below the header')
    return rows


def read_lines(path: Path) -> list[list[str]]:
    """Fields of a text file, separated by spaces or commas; empty lines are left out."""
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    return [line.replace(',', ' ').split() for line in text.splitlines() if line.strip()]


def read_excel(path: Path, columns: Sequence[str], sheet: str | None = None) -> list[dict[str, str]]:
    """Rows of a sheet of an .xls or .xlsx file below the first row that has all of ``columns``.

    Args:
        path: the workbook.
        columns: names that the header must have; rows without a value in the first of them are left out.
        sheet: its name, if the workbook has one of that name; else the first sheet.

    Raises:
        InputError: no such header, no rows, a damaged file or one beyond the limits of
            :mod:`mmqpt.datasets.rated.readers.limits`, or the package that reads this kind of file is missing.
    """
    import pandas

    try:
        check_workbook(path)
        with pandas.ExcelFile(path) as book:
            name = sheet if sheet in book.sheet_names else book.sheet_names[0]
            if book.engine == 'openpyxl':
                cells = sheet_rows(path, book.book[name])
            else:
                cells = book.parse(name, header=None, dtype=object).to_numpy()
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{path}: {error}; `pip install 'mmqpt[evaluate]'` installs what reads Excel files") from error
    except Exception as error:  # whatever xlrd and openpyxl raise for a damaged file
        raise InputError(f'{path}: not an Excel file that can be read ({error})') from error
    table = [[_cell(value) for value in line] for line in cells]
    for number, line in enumerate(table):
        if set(columns) <= set(line):
            kept = [i for i, name in enumerate(line) if name]
            rows = [{line[i]: values[i] if i < len(values) else '' for i in kept} for values in table[number + 1 :]]
            rows = [row for row in rows if row[columns[0]]]
            if rows:
                return rows
            raise InputError(f'{path}: no rows below the header')
    raise InputError(f'{path}: no row of a header with the columns {", ".join(map(repr, columns))}')


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ''
    return f'{value:.0f}' if isinstance(value, float) and value.is_integer() else str(value).strip()


def read_mat(path: Path, *names: str) -> list[Any]:
    """The values of the first of these variables of a MATLAB file, as a flat list of Python values.

    SciPy reads it in a process of its own: some damaged files make it crash (SciPy 1.17).

    Raises:
        InputError: none of the variables, a file that SciPy can't read, or one beyond the limits of
            :mod:`mmqpt.datasets.rated.readers.limits`; names the file.
    """
    check_mat(path)
    command = [sys.executable, str(Path(__file__).with_name('mat_values.py')), str(path), *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding='utf-8', check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise InputError(f'{path}: not a MATLAB file that can be read (still not read after {_PATIENCE} s)') from error
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise InputError(f'{path}: not a MATLAB file that can be read (SciPy crashed: {done.returncode})') from None
    if 'error' in found:
        raise InputError(f'{path}: {found["error"]}')
    values: list[Any] = found['values']
    return values


def need_columns(rows: Sequence[Mapping[str, str]], columns: Iterable[str], path: Path) -> None:
    """Raise InputError for a column that the file does not have."""
    for column in columns:
        if column not in rows[0]:
            raise InputError(f'{path}: no column {column!r}; there are: {", ".join(rows[0])}')


def same_length(path: Path, parts: Mapping[str, Sequence[Any]]) -> None:
    """Raise InputError where lists that belong together are not equally long."""
    if len({len(part) for part in parts.values()}) > 1:
        sizes = ', '.join(f'{name} {len(part)}' for name, part in parts.items())
        raise InputError(f'{path}: entries that belong together are not equally many: {sizes}')
