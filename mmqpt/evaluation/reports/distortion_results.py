"""What encoders know of distortions: figures with intervals, differences, and what each encoder is blind to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.files import write_json
from mmqpt.datasets.rated.overlap import Overlap
from mmqpt.degradations import operator
from mmqpt.evaluation.protocols.distortion_readers import ordered_pairs
from mmqpt.evaluation.protocols.distortion_run import Ladders, read_ladders
from mmqpt.evaluation.protocols.distortions import RUNGS, Design
from mmqpt.evaluation.reports.results import origin
from mmqpt.evaluation.statistics.bootstrap import describe_difference
from mmqpt.evaluation.statistics.replicates import (
    Replicated,
    draw_counts,
    replicated_macro,
    replicated_mean,
    replicated_srcc,
)

DISTORTION_FORMAT = 'distortions 1'

FIGURES = {
    'level': 'level SRCC',
    'level_each': 'level SRCC, one at a time',
    'type': 'type accuracy',
    'order': 'level order',
}
"""Measures of an encoder, and their names for people."""

CONFUSED = 0.2
"""Share of a distortion's images from which one other distortion that they are taken for is listed."""


@dataclass(frozen=True)
class Known:
    """What one encoder knows: figures by (measure, distortion), ``''`` for all distortions."""

    figures: Mapping[tuple[str, str], Replicated]
    confused: Sequence[dict[str, Any]]


def summarise_distortions(out: Path, cells: Sequence[Mapping[str, Any]], replicates: int, seed: int) -> dict[str, Any]:
    """Figures of all encoders, with paired bootstrap intervals over photos.

    Args:
        out: folder of results, for the readings.
        cells: of :func:`run_distortions`.
        replicates: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``summary``: rows of encoder, measure, distortion (``''`` for all), value, low, high; ``comparisons``: rows of
        a, b, measure, distortion, difference, low, high, verdict; ``confused``: rows of encoder, distortion, taken_for,
        share; ``blind``: for each encoder the distortions whose levels it cannot be shown to see; ``runs``: for each
        run the best checkpoint by the level, beside the last.

    Raises:
        InputError: encoders were given different photos or distortions.
    """
    read = {cell['encoder']: read_ladders(out / cell['predictions']) for cell in cells}
    first = next(iter(read.values()))
    for name, ladders in read.items():
        if (ladders.photos, ladders.distortions, ladders.groups) != (first.photos, first.distortions, first.groups):
            raise InputError(f'{name} was read on other photos or distortions than {cells[0]["encoder"]}')
    photos = list(dict.fromkeys(first.photos))
    group_of = dict(zip(first.photos, first.groups, strict=True))
    counts = draw_counts([group_of[photo] for photo in photos], replicates, seed)
    number = {photo: i for i, photo in enumerate(photos)}
    photo = np.array([number[name] for name in first.photos])
    known = {name: what_is_known(ladders, photo, counts) for name, ladders in read.items()}
    distortions = list(dict.fromkeys(first.distortions))
    summary = [
        {'encoder': name, 'measure': measure, 'distortion': distortion, **_numbers(figure)}
        for name, found in known.items()
        for (measure, distortion), figure in found.figures.items()
    ]
    comparisons = [
        row for pair in pairs_to_compare(cells) for row in _compare(*pair, known, distortions) if row is not None
    ]
    return {
        'summary': summary,
        'comparisons': comparisons,
        'confused': [{'encoder': name, **row} for name, found in known.items() for row in found.confused],
        'blind': {name: [d for d in distortions if _blind(found, d)] for name, found in known.items()},
        'runs': _runs(cells, known),
    }


def what_is_known(ladders: Ladders, photo: np.ndarray, counts: np.ndarray) -> Known:
    """Figures of one encoder.

    Args:
        ladders: L of them.
        photo: (L,) number of the photo of each.
        counts: (B, N), see :func:`draw_counts`.
    """
    names = np.asarray(ladders.distortions)
    rungs = len(RUNGS)
    right = (ladders.kinds == names[:, None]).mean(axis=1)
    ordered = ordered_pairs(ladders.position)
    figures: dict[tuple[str, str], Replicated] = {}
    each = {}
    for name in ['', *dict.fromkeys(ladders.distortions)]:
        own = np.flatnonzero(names == name) if name else np.arange(len(names))
        rows, target = np.repeat(photo[own], rungs), np.tile(np.array(RUNGS, float), len(own))
        figures['level', name] = replicated_srcc(ladders.level[own].ravel(), target, rows, counts)
        if name:
            each[name] = replicated_srcc(ladders.level_each[own].ravel(), target, rows, counts)
        figures['type', name] = replicated_mean(right[own], photo[own], counts)
        figures['order', name] = replicated_mean(ordered[own], photo[own], counts)
    figures['level_each', ''] = replicated_macro(list(each.values()))
    figures |= {('level_each', name): figure for name, figure in each.items()}
    confused: list[dict[str, Any]] = []
    for name in each:
        taken = Counter(ladders.kinds[names == name].ravel().tolist())
        total = taken.total()
        confused += [
            {'distortion': name, 'taken_for': other, 'share': count / total}
            for other, count in taken.most_common()
            if other != name and count >= CONFUSED * total
        ]
    return Known(figures, confused)


def pairs_to_compare(cells: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    """Pairs (a, b) of encoders, and whether to compare them distortion by distortion, too.

    The first encoder is the baseline, b of all others; besides, all pairs of those that are no checkpoints of a run
    but its last, the later one as a.
    """
    last = {cell['run']: cell['encoder'] for cell in cells if cell['run']}
    heads = [cell['encoder'] for cell in cells if not cell['run'] or last[cell['run']] == cell['encoder']]
    names = [cell['encoder'] for cell in cells]
    pairs = {(name, names[0]): True for name in names[1:]}
    for place, b in enumerate(heads):
        for a in heads[place + 1 :]:
            pairs.setdefault((a, b), False)
    return [(a, b, each) for (a, b), each in pairs.items()]


def _compare(
    a: str, b: str, each: bool, known: Mapping[str, Known], distortions: Sequence[str]
) -> list[dict[str, Any] | None]:
    rows: list[dict[str, Any] | None] = []
    for measure, title in FIGURES.items():
        for distortion in ['', *(distortions if each else [])]:
            one, other = (known[name].figures[measure, distortion] for name in (a, b))
            found = one.minus(other)
            where = {'a': a, 'b': b, 'measure': measure, 'distortion': distortion}
            if found is None:
                if not distortion:
                    verdict = f"{a} and {b} can't be compared in {title}: too few photos"
                    rows.append({**where, 'verdict': verdict})
                continue
            numbers = {'difference': found.difference, 'low': found.low, 'high': found.high}
            rows.append({**where, **numbers, 'verdict': describe_difference(a, b, title, found)})
    return rows


def _numbers(figure: Replicated) -> dict[str, float | None]:
    found = figure.interval()
    low, high = found or (None, None)
    return {'value': figure.value if np.isfinite(figure.value) else None, 'low': low, 'high': high}


def _blind(found: Known, distortion: str) -> bool:
    """Whether a correlation of the level above 0 cannot be shown, by the reader of that distortion alone."""
    figure = found.figures['level_each', distortion]
    ends = figure.interval()
    return not figure.value > 0 or (ends is not None and ends[0] <= 0)


def _runs(cells: Sequence[Mapping[str, Any]], known: Mapping[str, Known]) -> list[dict[str, Any]]:
    rows = []
    for run in dict.fromkeys(cell['run'] for cell in cells if cell['run']):
        own = [cell for cell in cells if cell['run'] == run]
        values = [known[cell['encoder']].figures['level', ''].value for cell in own]
        best, last = own[int(np.argmax(values))], own[-1]
        row = {'run': run, 'checkpoints': len(own), 'best': best['encoder'], 'last': last['encoder']}
        other = last if best is not last else own[max(0, len(own) - 2)]
        found = known[best['encoder']].figures['level', ''].minus(known[other['encoder']].figures['level', ''])
        if found and best is not other:
            row |= {'difference': found.difference, 'low': found.low, 'high': found.high}
        rows.append(row)
    return rows


def write_distortion_results(
    out: Path,
    design: Design,
    cells: Sequence[Mapping[str, Any]],
    command: str,
    settings: Mapping[str, Any],
    overlap: Overlap | None,
    notes: Sequence[str],
    replicates: int = 1000,
) -> dict[str, Any]:
    """Sum up and write results.json.

    Args:
        out: folder of results.
        design: what was read.
        cells: of :func:`run_distortions`.
        command: how to repeat it.
        settings: what was chosen.
        overlap: with the photos that an encoder was trained on; None where they are not known.
        notes: what a reader of the results must know.
        replicates: of the bootstrap.

    Returns:
        What was written.
    """
    counts = np.bincount(design.ladders[:, 1], minlength=len(design.distortions)).tolist()
    results = {
        'format': DISTORTION_FORMAT,
        'title': f'{design.root.resolve().name}: what encoders know of distortions',
        **origin(command),
        'photos': {
            'root': str(design.root.resolve()),
            'count': len(design.names),
            'groups': len(set(design.groups)),
            'images': len(design.images),
            'side': design.side,
            'folds': int(design.folds.max()) + 1,
        },
        'distortions': [
            {'name': d.name, 'operator': d.operator, 'sign': d.sign, 'kind': operator(d.operator).kind, 'photos': count}
            for d, count in zip(design.distortions, counts, strict=True)
        ],
        'settings': {**settings, 'bootstrap replicates': replicates},
        'overlap': None if overlap is None else {'same': overlap.same, 'near': overlap.near, 'with': overlap.compared},
        'warnings': _warnings(overlap, design),
        'notes': list(notes),
        'cells': list(cells),
        **summarise_distortions(out, cells, replicates, design.seed),
    }
    write_json(out / 'results.json', results)
    return results


def _warnings(overlap: Overlap | None, design: Design) -> list[str]:
    if overlap is None:
        return []
    found = []
    here = sorted(set(overlap.names) & set(design.names))
    if here:
        same = len(set(overlap.same) & set(here))
        found.append(
            f'{len(here)} of {len(design.names)} photos were trained on: {same} are among the training photos, '
            f'{len(here) - same} have a near-duplicate there, the first: {here[0]}. Figures of encoders that saw them '
            'may be too good: leave them out (--drop-overlap)'
        )
    if overlap.unreadable:
        found.append(
            f'{overlap.unreadable} training photos could not be read; near-duplicates of them were not looked for'
        )
    return found
