"""From labels to a checked set: photos found and decoded, scores held against the scale, DMOS turned."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.files import file_identity
from mmqpt.core.photo import read_photo
from mmqpt.datasets.rated.readers.labels import Labels
from mmqpt.datasets.rated.sets import SetInfo


@dataclass(frozen=True)
class LeftOut:
    """A labelled photo that can't be used, and why: ``'missing'`` or what is wrong with the file."""

    name: str
    reason: str


@dataclass(frozen=True)
class PreparedSet:
    """What :func:`prepare` made of the labels.

    Args:
        info: what the columns mean; columns that the labels lack are not named.
        rows: for :func:`~mmqpt.datasets.rated.sets.write_set`: name as on disk, mos,
            dmos for a set of DMOS, the others.
        left_out: photos that are missing or can't be read.
        announced: how many photos are missing according to the labels.
        notes: what happened on the way, in sentences.
    """

    info: SetInfo
    rows: list[dict[str, str]]
    left_out: list[LeftOut]
    announced: int
    notes: list[str]


def prepare(labels: Labels, info: SetInfo, decode: bool = True, workers: int = 2) -> PreparedSet:
    """Check labels and photos of a set, and bring its scores to higher-is-better.

    A photo is looked for under the name in the labels, then ignoring case, then (for names
    without a folder) in the subfolders.

    Args:
        labels: from a reader.
        info: name, scale, kind of score, columns and citation of the set; its splits are those of the labels.
        decode: whether to decode every photo; else only its existence is checked.
        workers: threads that decode.

    Raises:
        InputError: no labels; a score that is no number or outside the scale; a photo that is rated twice with
            different scores; two labels that fit one photo, or a label that fits two.
    """
    if not labels.rows:
        raise InputError(f'{info.name}: the labels list no photos')
    if workers < 1:
        raise InputError(f'workers must be >= 1, got {workers}')
    notes = list(labels.notes)
    rows = _merge_repeated(labels.rows, notes)
    scores = _scores(rows, info)
    found = match_photos([row['name'] for row in rows], labels.photo_root, notes)
    missing = [row['name'] for row in rows if row['name'] not in found]
    announced = [name for name in missing if name in labels.absent]
    left_out = [LeftOut(name, 'missing') for name in missing if name not in labels.absent]
    if announced:
        notes.append(f'{len(announced)} photos are missing, as the labels say (a part of the set)')
    bad = _unreadable(labels.photo_root, list(found.values()), workers) if decode else {}
    left_out += [LeftOut(name, bad[file]) for name, file in found.items() if file in bad]
    columns = set(labels.rows[0])
    info = SetInfo(
        info.name,
        info.mos_range,
        info.original_score,
        info.group_column if info.group_column in columns else None,
        info.subset_column if info.subset_column in columns else None,
        dict(labels.splits),
        info.source,
        info.scale_column if info.scale_column in columns else None,
    )
    out = []
    for row in rows:
        file = found.get(row['name'])
        if file is not None and file not in bad:
            out.append(_row(file, row, scores[row['name']], info))
    return PreparedSet(info, out, left_out, len(announced), notes)


def match_photos(names: Sequence[str], root: Path, notes: list[str]) -> dict[str, str]:
    """For each name of the labels, its file below ``root``; names without a file are left out.

    Adds to ``notes`` how many were found under a name of other case, or in a subfolder; folders that can't be searched.

    Raises:
        InputError: a name fits several files equally well, or two names fit one file.
    """
    files = _files(root, notes)
    lower: dict[str, list[str]] = defaultdict(list)
    base: dict[str, list[str]] = defaultdict(list)
    for file in files:
        lower[file.lower()].append(file)
        base[file.lower().rsplit('/', 1)[-1]].append(file)
    found: dict[str, str] = {}
    owner: dict[object, str] = {}
    other_case, in_subfolder = [], []
    for name in names:
        key = name.replace('\\', '/').removeprefix('./')
        fits = [key] if key in files else lower.get(key.lower(), [])
        if not fits and '/' not in key:
            fits = base.get(key.lower(), [])
            fits = [file for file in fits if file.rsplit('/', 1)[-1] == key] or fits
        if not fits:
            continue
        if len(fits) > 1:
            raise InputError(f'{root}: {name!r} of the labels fits {len(fits)} files: {", ".join(sorted(fits)[:3])}')
        file = fits[0]
        try:
            identity: object = file_identity(root / file)
        except OSError:  # a dead link: named when it is decoded
            identity = file
        if identity in owner:
            raise InputError(f'{root}: {owner[identity]!r} and {name!r} of the labels are the same file {file}')
        found[name], owner[identity] = file, name
        if file.rsplit('/', 1)[-1] != key.rsplit('/', 1)[-1]:
            other_case.append(name)
        if '/' in file and '/' not in key:
            in_subfolder.append(name)
    if other_case:
        notes.append(
            f'{len(other_case)} names differ from their file in upper and lower case, the first: {other_case[0]} is '
            f'{found[other_case[0]]}; the CSV has the name of the file'
        )
    if in_subfolder:
        notes.append(f'{len(in_subfolder)} photos were found in subfolders')
    return found


def _files(root: Path, notes: list[str]) -> set[str]:
    """Files below a folder, relative to it, with slashes; names that start with a dot are left out.

    Links are followed, but none back to a folder that it lies in: a link to ``.`` would have no end. ``notes`` get the
    folders that can't be searched.
    """

    def refuse(error: OSError) -> None:
        notes.append(f"{error.filename}: this folder can't be searched ({error.strerror})")

    files: set[str] = set()
    above = {str(root): {os.path.realpath(root)}}
    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = {name: os.path.realpath(os.path.join(folder, name)) for name in folders if not name.startswith('.')}
        passed = above.pop(str(folder))
        folders[:] = [name for name in real if real[name] not in passed]
        above.update({os.path.join(folder, name): passed | {real[name]} for name in folders})
        relative = Path(folder).relative_to(root).as_posix()
        prefix = '' if relative == '.' else f'{relative}/'
        files.update(prefix + name for name in names if not name.startswith('.'))
    return files


def _merge_repeated(rows: Sequence[Mapping[str, str]], notes: list[str]) -> list[Mapping[str, str]]:
    """The rows without word-for-word repetitions; a photo with two different rows is an error."""
    seen: dict[str, Mapping[str, str]] = {}
    for row in rows:
        first = seen.setdefault(row['name'], row)
        if first != row:
            raise InputError(
                f'{row["name"]!r} is listed twice, with the scores {first["score"]} and {row["score"]}; '
                'only the original labels can tell which one is right'
            )
    if len(seen) < len(rows):
        notes.append(f'{len(rows) - len(seen)} rows repeat another one word for word and were left out')
    return list(seen.values())


def _scores(rows: Sequence[Mapping[str, str]], info: SetInfo) -> dict[str, float]:
    low, high = info.mos_range
    scores, outside = {}, []
    for row in rows:
        name, text = row['name'], row['score']
        try:
            scores[name] = float(text)
        except ValueError:
            raise InputError(f'{info.name}: the score of {name!r} is {text!r}, not a number') from None
        if not math.isfinite(scores[name]):
            raise InputError(f'{info.name}: the score of {name!r} is {text}, not a finite number')
        if not low <= scores[name] <= high:
            outside.append(f'{name!r} {text}')
    if outside:
        raise InputError(
            f'{info.name}: {len(outside)} of {len(rows)} scores are outside {low:g} to {high:g}, the first: '
            f'{outside[0]}; give --mos-range if the labels are on another scale'
        )
    return scores


def _row(file: str, row: Mapping[str, str], score: float, info: SetInfo) -> dict[str, str]:
    rest = {key: value for key, value in row.items() if key not in ('name', 'score')}
    if info.original_score == 'MOS':
        return {'name': file, 'mos': row['score'], **rest}
    low, high = info.mos_range
    return {'name': file, 'mos': f'{low + high - score:.10g}', 'dmos': row['score'], **rest}


def _unreadable(root: Path, files: Sequence[str], workers: int) -> dict[str, str]:
    """Photos that can't be decoded, and why; with a progress bar."""

    def reason(file: str) -> str:
        try:
            read_photo(root / file, file)
        except (PhotoError, OSError) as error:
            return str(error).removeprefix(f'{file}: ')
        return ''

    with ThreadPoolExecutor(workers) as pool:
        reasons = list(tqdm(pool.map(reason, files), total=len(files), desc='decode', unit='photo', mininterval=0.5))
    return {file: text for file, text in zip(files, reasons, strict=True) if text}
