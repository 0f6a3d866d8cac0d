"""Which columns of a CSV hold photos and scores, by their names; and photos that stand in it more than once."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmqpt.core.errors import InputError
from mmqpt.core.files import file_identity

NAMES = frozenset((
    'name', 'file', 'filename', 'filepath', 'path', 'image', 'images', 'imagename', 'imagefile',
    'imagefilename', 'imagepath', 'img', 'imgname', 'imgfile', 'imgfilename', 'imgpath', 'photo', 'photoname',
    'photofile', 'photopath', 'imgname/patchname', 'dist', 'distname', 'distimg', 'distimage', 'distortedimage',
    'distortedname',
))  # fmt: skip
"""What a column of photos is called, in small letters without spaces, hyphens and underscores."""

SCORES = frozenset((
    'mos', 'mosscore', 'meanmos', 'meanopinionscore', 'score', 'quality', 'qualityscore', 'rating', 'elo',
    'eloscore', 'mosimage',
))  # fmt: skip
"""What a column of opinion scores is called, where higher is better."""

DMOS = frozenset((
    'dmos', 'dmosscore', 'dmosrealigned',
))  # fmt: skip
"""What a column of scores is called that mostly rise with distortion."""

REFERENCES = frozenset((
    'ref', 'refname', 'refimg', 'refimage', 'reference', 'referencename', 'referenceimage', 'hqname',
))  # fmt: skip
"""What a column of reference photos is called."""


class Columns(NamedTuple):
    """The columns of a CSV of scores; None where there is none."""

    name: str
    score: str
    reference: str | None


def find_columns(header: Sequence[str], where: str | Path, dmos: bool = False) -> Columns:
    """The columns of photos and scores. ``name`` and ``MOS`` go before others of their kind.

    Args:
        header: names of the columns.
        where: the file, for messages.
        dmos: whether the scores may be DMOS, which whoever asks will turn.

    Raises:
        InputError: a first line that is no header, a column twice, none of its kind, or several; lists the columns.
    """
    listed = ', '.join(map(repr, header))
    plain = {name: re.sub(r'[ _-]', '', name).lower() for name in header}
    kinds = NAMES | SCORES | DMOS
    if not kinds & set(plain.values()) and any(_is_data(name) for name in header):
        raise InputError(f'{where}: has no header: its first line is {listed}; put a line such as name,MOS above it')
    twice = sorted({name for name in header if name and list(header).count(name) > 1})
    if twice:
        raise InputError(f'{where}: has the column {twice[0]!r} twice: {listed}')
    name = _only(NAMES, 'name', plain, where)
    score = _only(SCORES, 'mos', plain, where)
    turned = _only(DMOS, 'dmos', plain, where) if score is None else None
    if name is None:
        raise InputError(
            f"{where}: which column holds the photos? Call it 'name'; needs a header with the columns name and MOS, "
            f'got {listed}'
        )
    if score is None and turned is not None:
        if not dmos:
            raise InputError(
                f'{where}: {turned!r} is a score that rises with distortion, or not; mmqpt prepare-dataset makes a MOS '
                f'of it, and where higher is better call it MOS. There are: {listed}'
            )
        score = turned
    if score is None:
        raise InputError(
            f"{where}: which column holds the scores? Call it 'MOS'; needs a header with the columns name and MOS, "
            f'got {listed}'
        )
    return Columns(name, score, _only(REFERENCES, 'ref', plain, where))


def check_listed_once(names: Iterable[tuple[str, str]], root: str | Path | None = None) -> None:
    """Refuse a photo that is listed twice, under whatever names: ``./a.jpg``, a link, upper case for the same file.

    Args:
        names: of each row the photo and where it stands, for the message.
        root: folder of the photos; None where it is not known, and names alone are compared.

    Raises:
        InputError: names both places.
    """
    seen: dict[object, tuple[str, str]] = {}
    folded: dict[str, tuple[str, str]] = {}
    absent: list[tuple[str, str]] = []
    for name, where in names:
        keys: list[object] = [posixpath.normpath(name)]
        if root is not None:
            try:
                keys.append(file_identity(os.path.join(root, name)))
                folded[posixpath.normpath(name).casefold()] = (name, where)
            except OSError:
                absent.append((name, where))
        for key in keys:
            if key in seen:
                _refuse_twice(seen[key], (name, where))
        seen.update(dict.fromkeys(keys, (name, where)))
    for name, where in absent:  # a file that is there under other case only is that file
        key = posixpath.normpath(name).casefold()
        if key in folded:
            _refuse_twice(folded[key], (name, where))
        if root is not None:
            folded[key] = (name, where)


def _refuse_twice(first: tuple[str, str], second: tuple[str, str]) -> None:
    same = f' as {first[0]!r}' if first[0] != second[0] else ''
    raise InputError(f'{second[1]}: the photo {second[0]!r} is listed twice; the first time{same} in {first[1]}')


def _only(kind: frozenset[str], usual: str, plain: Mapping[str, str], where: str | Path) -> str | None:
    """The one column of its kind: that of the usual name, or the only one."""
    found = [column for column, name in plain.items() if name in kind]
    found = [column for column in found if plain[column] == usual] or found
    if len(found) > 1:
        raise InputError(
            f'{where}: the columns {", ".join(map(repr, found))} could all be the one called {usual!r}; '
            f'there are: {", ".join(map(repr, plain))}'
        )
    return found[0] if found else None


def _is_data(field: str) -> bool:
    """Whether a field of a first line is no name of a column but a number, or a photo."""
    try:
        float(field)
    except ValueError:
        return re.search(r'\w\.[A-Za-z][A-Za-z0-9]{2,4}$', field) is not None
    return True
