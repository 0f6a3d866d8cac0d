"""Limits on files of labels: one of a few kB may unpack to more than the memory holds."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError

UNPACKED = 64 << 20
"""Bytes; the labels of the largest known set take a tenth of it."""

CELLS = 10_000_000
"""Cells of a sheet, counting the empty ones before the last of each row."""

ROWS = 1 << 20
"""Rows of a sheet; Excel has no more."""

NESTING = 8
"""Arrays in arrays of a MATLAB file; SciPy follows them until the process crashes."""

_MATRIX, _COMPRESSED = 14, 15


def check_workbook(path: Path) -> None:
    """Refuse an .xlsx file that unpacks to more than :data:`UNPACKED`; a file that is not a ZIP passes.

    Raises:
        InputError: names the file.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:  # zipfile reads no more of a part than is declared here
        size = sum(part.file_size for part in packed.infolist())
    _check_size(path, size)


def sheet_rows(path: Path, sheet: Any) -> list[list[Any]]:
    """Values of a sheet that openpyxl reads row by row; None where a cell is empty or an error.

    Raises:
        InputError: more than :data:`ROWS` rows or :data:`CELLS` cells; names the file.
    """
    sheet.reset_dimensions()  # the size that the file declares may be wrong
    rows, cells = [], 0
    for number, line in enumerate(sheet.rows, 1):
        cells += len(line)
        if number > ROWS or cells > CELLS:
            raise InputError(f'{path}: refused, a sheet has more than {ROWS} rows or {CELLS} cells')
        if line:
            rows.append([None if cell.data_type == 'e' else cell.value for cell in line])
    return rows


def check_mat(path: Path) -> None:
    """Refuse a MATLAB file (version 5 to 7) that unpacks to more than :data:`UNPACKED`, or nests too deeply.

    Any other or damaged file passes: SciPy says what is wrong with it.

    Raises:
        InputError: names the file.
    """
    _check_size(path, path.stat().st_size)
    data = path.read_bytes()
    order = {b'IM': '<', b'MI': '>'}.get(data[126:128])
    if order is None:
        return
    at, size = 128, 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from(f'{order}II', data, at)
        element = data[at : at + 8 + length]
        if kind == _COMPRESSED:
            try:
                element = zlib.decompressobj().decompress(element[8:], UNPACKED + 1)
            except zlib.error:
                return
        size += len(element)
        _check_size(path, size)
        _check_nesting(path, element, order)
        at += 8 + length


def _check_nesting(path: Path, data: bytes, order: str) -> None:
    """Walk through an element and those inside it; each is a kind, a length, and that many bytes."""
    stack = [(0, len(data), 0)]
    while stack:
        at, end, depth = stack.pop()
        if depth > NESTING:
            raise InputError(f'{path}: refused, arrays are nested in it more than {NESTING} times')
        while at + 8 <= end:
            kind, length = struct.unpack_from(f'{order}II', data, at)
            if kind >> 16:  # a short element: both numbers in one word, and 4 bytes
                at += 8
                continue
            if kind == _MATRIX:
                stack.append((at + 8, min(end, at + 8 + length), depth + 1))
            at += 8 + length + -length % 8


def _check_size(path: Path, size: int) -> None:
    if size > UNPACKED:
        raise InputError(f'{path}: refused, it unpacks to more than {UNPACKED >> 20} MiB')
