"""The page of ``mmqpt report``: one HTML file with everything that it needs; photos are shown from where they lie."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
from markupsafe import Markup
from tqdm import tqdm

from mmqpt.cli.inputs import MAP_SUFFIX, is_map
from mmqpt.cli.terminal import printable
from mmqpt.cli.thumbnails import CARD, LINE, embedded_thumbnail, embedded_thumbnails
from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.core.photo import SUFFIXES
from mmqpt.core.photo_flags import BETWEEN, FLAGS
from mmqpt.metric.score_many import Scored

BINS = 40
_WIDTH, _HEIGHT = 800, 180  # of the histogram, in its own units


def write_page(
    path: str,
    title: str,
    rows: Sequence[Scored],
    meta: Mapping[str, Any],
    folder: str = '',
    photos: int = 12,
    thumbnails: int = 4000,
    maps: str | None = None,
    bar: bool = False,
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: of the page.
        rows: one a photo.
        meta: what is known of the weights: ``weights``, ``weights_sha256``, ``dataset``, ``mos_range``...
        folder: what relative paths of the photos start from; the working folder where they are not found there.
        photos: how many of the best and of the worst to show.
        thumbnails: how many photos of the table have a small copy in the page, the best and the worst; the others are
            shown from their files, as long as these are there.
        maps: folder with what ``mmqpt map FOLDER`` drew, to be shown from the page.
        bar: whether a progress bar is shown, if standard error is a terminal.

    Raises:
        InputError: no maps of these photos in ``maps``; or ``path`` exists and is not a regular file.
        OSError: can't be written.
    """
    good = sorted((row for row in rows if row.score is not None), key=lambda row: -(row.score or 0))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('mmqpt.cli', 'templates'), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    scores = np.array([row.score for row in good], np.float64)
    places = [_place(row.name, folder) for row in good]
    count = min(photos, (len(good) + 1) // 2)  # none is shown twice
    best, worst = range(count), range(len(good) - 1, len(good) - 1 - count, -1)
    script = _asset('report.js')
    page = environment.get_template('report.html.j2').render(
        title=title,
        count=len(rows),
        summary=_summary(scores),
        bars=_bars(scores),
        size=(_WIDTH, _HEIGHT),
        groups=[(name, [_card(number, good[number], places[number]) for number in numbers])
                for name, numbers in (('Best', best), ('Worst', worst))],
        data=_data(good, places, os.path.dirname(os.path.abspath(path)), thumbnails, maps, bar),
        flagged=_flagged(rows),
        failed=[(printable(row.name), printable(row.error or '')) for row in rows if row.score is None],
        weights=_weights(meta),
        style=Markup(_asset('report.css')),
        script=Markup(script),
        script_hash=Markup(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
    )  # fmt: skip
    with replacing(path) as partial, open(partial, 'w', encoding='utf-8', errors='backslashreplace') as file:
        file.write(page)


def _asset(name: str) -> str:
    """The page's own style or script."""
    return importlib.resources.files('mmqpt.cli').joinpath('templates', name).read_text(encoding='utf-8')


def _place(name: str, folder: str) -> str | None:
    """The absolute path of a photo, if it is there."""
    places = [os.path.join(folder, name), name]
    return next((os.path.abspath(place) for place in places if os.path.isfile(place)), None)


def _data(
    good: Sequence[Scored],
    places: Sequence[str | None],
    page_folder: str,
    thumbnails: int,
    maps: str | None,
    bar: bool,
) -> Markup:
    """What the script reads, as JSON that HTML can hold.

    A photo is ``[name, score, flags, path, thumbnail, map]``, without the last ones where they are empty. Flags are
    numbers of ``flags``. The path starts from ``base`` and is given only where its name is that of a photo: the page
    links to it, and moves it. Bytes of it that are not UTF-8 are lone surrogates, as in Python.
    """
    flags = list(dict.fromkeys(flag for row in good for flag in row.flags))
    linked = [place if place and Path(place).suffix.lower() in SUFFIXES else None for place in places]
    base = _common_folder([place for place in linked if place])
    half = (thumbnails + 1) // 2
    ends = [n for n in range(len(good)) if n < half or n >= len(good) - (thumbnails - half)]
    there = [(number, place) for number in ends if (place := places[number])]
    copies = embedded_thumbnails((place for _, place in there), LINE)
    show = tqdm(copies, 'thumbnails', len(there), disable=None if bar else True, leave=False, dynamic_ncols=True)
    small = dict(zip((number for number, _ in there), show, strict=True))
    drawn = {} if maps is None else _find_maps(maps, [place for place in places if place])
    rows = []
    for number, (row, place) in enumerate(zip(good, linked, strict=True)):
        cells: list[Any] = [
            printable(row.name).replace(os.sep, '/'),
            round(row.score or 0, 4),
            [flags.index(flag) for flag in row.flags],
            os.path.relpath(place, base).replace(os.sep, '/') if place and base else None,
            small.get(number),
            drawn.get(places[number] or ''),
        ]
        while not cells[-1] and len(cells) > 2:
            cells.pop()
        rows.append(cells)
    data = {
        'id': hashlib.sha256('\0'.join(row.name for row in good).encode(errors='surrogateescape')).hexdigest()[:16],
        'base': base.replace(os.sep, '/'),
        'base_url': _url(base, page_folder),
        'maps_url': _url(os.path.abspath(maps), page_folder) if maps is not None else '',
        'flags': [printable(flag) for flag in flags],
        'rows': rows,
    }
    text = json.dumps(data, separators=(',', ':'))
    for character in '<>&':
        text = text.replace(character, f'\\u{ord(character):04x}')
    return Markup(text)


def _find_maps(folder: str, photos: Sequence[str]) -> dict[str, str]:
    """The map of each photo that has one: its path from ``folder``.

    The maps of a folder are named as its photos are. Which folder that was is not known: it is the one from which most
    maps fit.
    """
    found = sorted(str(path) for path in Path(folder).rglob(f'*{MAP_SUFFIX}'))
    named = {os.path.relpath(path, folder).removesuffix(MAP_SUFFIX): path for path in found if is_map(path)}
    by_name: dict[str, list[str]] = {}
    for name in named:
        by_name.setdefault(os.path.basename(name), []).append(name)
    fits = [
        (photo.removesuffix(os.sep + name), photo, name)
        for photo in photos
        for name in by_name.get(os.path.basename(photo), [])
        if photo.endswith(os.sep + name)
    ]
    if not fits:
        raise InputError(f'{printable(folder)}: no maps of these photos; mmqpt map FOLDER --out draws them')
    root = Counter(start for start, _, _ in fits).most_common(1)[0][0]
    return {photo: (name + MAP_SUFFIX).replace(os.sep, '/') for start, photo, name in fits if start == root}


def _common_folder(paths: Sequence[str]) -> str:
    """The folder that all lie in; empty where there is none."""
    try:
        return os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # no paths, or on several drives
        return ''


def _url(folder: str, page_folder: str) -> str:
    """Of a folder, for the links of a page: relative within the page's own folder, so that both can be moved."""
    if not folder:
        return ''
    if folder == page_folder or folder.startswith(os.path.join(page_folder, '')):
        inside = os.path.relpath(folder, page_folder).replace(os.sep, '/')
        return f'./{quote(os.fsencode(inside))}/'
    return Path(folder).as_uri().rstrip('/') + '/'


def _card(number: int, row: Scored, place: str | None) -> dict[str, Any]:
    name = printable(row.name)
    return {
        'number': number,
        'image': embedded_thumbnail(place, CARD) if place else None,
        'name': name,
        'short': os.path.basename(name),
        'score': f'{row.score:.3f}',
        'flags': printable(BETWEEN.join(row.flags)),
    }


def _flagged(rows: Sequence[Scored]) -> list[tuple[str, int, str]]:
    """Flags that any photo has: name, number of photos, meaning."""
    counts = Counter(flag for row in rows for flag in row.flags)
    return [(printable(flag), count, FLAGS.get(flag, '')) for flag, count in counts.most_common()]


def _summary(scores: np.ndarray) -> list[tuple[str, str]]:
    if not len(scores):
        return []
    lowest, low, middle, high, highest = np.quantile(scores, [0, 0.1, 0.5, 0.9, 1])
    values = {'lowest': lowest, '10 % are below': low, 'median': middle, '10 % are above': high, 'highest': highest}
    return [(name, f'{value:.3f}') for name, value in values.items()]


def _bars(scores: np.ndarray) -> list[tuple[float, float, float, float, str]]:
    """x, y, width, height of each bar, and what it stands for; the axis goes from 0 to 1."""
    counts, edges = np.histogram(scores, bins=BINS, range=(0, 1))
    unit = _HEIGHT / max(1, int(counts.max()))
    width = _WIDTH / BINS
    return [
        (
            i * width + 0.5,
            round(_HEIGHT - n * unit, 1),
            width - 1,
            round(n * unit, 1),
            f'{edges[i]:.3f} to {edges[i + 1]:.3f}: {n}',
        )
        for i, n in enumerate(counts.tolist())
        if n
    ]


def _weights(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the page says about the weights; nothing where nothing is known."""
    span = meta.get('mos_range')
    told = {
        'name': meta.get('weights'),
        'sha256': meta.get('weights_sha256'),
        'trained on': meta.get('dataset'),
        '0 and 1 stand for opinion scores of': f'{span[0]:g} and {span[1]:g}' if span else None,
        'backbone': meta.get('backbone'),
        'size rule': ', '.join(f'{k}={v}' for k, v in meta['view'].items()) if meta.get('view') else None,
        'mmqpt': meta.get('mmqpt_version'),
    }
    return [(key, printable(str(value))) for key, value in told.items() if value is not None]
