"""Cells: results of a run that are computed one by one, each stored as soon as it is there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmqpt.core.errors import InputError
from mmqpt.core.files import reading, write_json
from mmqpt.evaluation.protocols.features import digest_of


@dataclass(frozen=True)
class Cell:
    """One result.

    Args:
        name: of its file, without an ending; see :func:`slug`.
        key: all that the result depends on; JSON-able.
        title: what is printed when it is computed.
        compute: takes a folder for the files of an interrupted run, and returns the result; JSON-able.
    """

    name: str
    key: dict[str, Any]
    title: str
    compute: Callable[[Path], dict[str, Any]]


def run_cells(out: Path, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Compute what is missing in a folder of results.

    A cell is written when it is done, so a stopped run resumes with the next. Several processes, on one machine or on
    many with a common file system, may work on one folder: each cell is locked while it is computed, and the lock ends
    with the process that holds it.

    Args:
        out: folder of results.
        cells: with names of their own.

    Returns:
        The results, in order.

    Raises:
        InputError: the folder holds a result of the same name from other settings, which is never replaced.
    """
    files = [out / 'cells' / f'{cell.name}.json' for cell in cells]
    for file, cell in zip(files, cells, strict=True):
        _check_cell(file, cell.key)
    waiting = [number for number, file in enumerate(files) if not file.is_file()]
    total = len(cells)
    if len(waiting) < total:
        print(f'{total - len(waiting)} of {total} results are already in {out}', flush=True)
    while waiting:
        later = []
        for number in waiting:
            file, cell = files[number], cells[number]
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(file.with_suffix('.lock'), timeout=0):
                    _check_cell(file, cell.key)  # another process may have written it by now
                    if not file.is_file():
                        print(f'[{number + 1}/{total}] {cell.title}', flush=True)
                        write_json(file, {'key': cell.key, 'cell': _compute(out, cell)})
            except Timeout:
                later.append(number)
        if len(later) == len(waiting):
            time.sleep(2)  # all of them are being computed by other processes
        waiting = later
    others = len(set((out / 'cells').glob('*.json')) - set(files))
    if others:
        print(f'{others} more results in {out} belong to other runs; the report leaves them out', flush=True)
    return [_read_cell(file)['cell'] for file in files]


def slug(text: str) -> str:
    """A file name for any text; two texts never share one."""
    if re.fullmatch(r'[a-z0-9_]+', text):
        return text
    return f'{re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")}-{digest_of(text)[:8]}'


def _compute(out: Path, cell: Cell) -> dict[str, Any]:
    folder = out / 'runs' / f'{cell.name}_{digest_of(cell.key)[:8]}'  # other settings get another folder
    folder.mkdir(parents=True, exist_ok=True)
    result = cell.compute(folder)
    if not any(folder.iterdir()):
        folder.rmdir()
    return result


def _read_cell(file: Path) -> dict[str, Any]:
    """What :func:`run_cells` wrote: the key and the result of a cell."""
    with reading(file):
        found = json.loads(file.read_text(encoding='utf-8'))
        return {'key': dict(found['key']), 'cell': dict(found['cell'])}


def _check_cell(file: Path, key: dict[str, Any]) -> None:
    if not file.is_file():
        return
    found = _read_cell(file)['key']
    if found != key:
        different = sorted(name for name in {*found, *key} if found.get(name) != key.get(name))
        raise InputError(
            f'{file} was computed with other settings ({", ".join(different)} differ); it is not replaced: '
            'choose another --out, or delete the file'
        )
