"""The report of what encoders know of distortions: results.md, results.csv and report.html with its plots."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.files import reading
from mmqpt.evaluation.reports import distortion_plots, plots
from mmqpt.evaluation.reports.book import Book, data_uri, write_results_page
from mmqpt.evaluation.reports.distortion_results import DISTORTION_FORMAT, FIGURES
from mmqpt.evaluation.reports.findings import (
    MISSING,
    Estimate,
    Results,
    estimate,
    origin_facts,
    read_results,
    settings,
    with_interval,
)
from mmqpt.evaluation.reports.plot_style import Heading
from mmqpt.evaluation.reports.tables import Report, Table, markdown
from mmqpt.evaluation.statistics.bootstrap import chance_note

WEAKEST = 5
"""Distortions listed for each encoder."""

CSV_COLUMNS = ('encoder', 'run', 'step', 'measure', 'distortion', 'value', 'low', 'high')

BLIND = '\N{MULTIPLICATION SIGN}'
"""Mark of what an encoder is blind to."""

ABOUT = (
    'Nothing here is an opinion score. Photos were cut to squares and distorted at levels 1 (mild) to 5 (harsh); level '
    '0 is the photo itself. Features of frozen encoders were read by ridge regressions, each fitted to other photos '
    'than it reads, near-duplicates of them among the others.',
    "Level SRCC: Spearman's correlation of the level that one reader of all distortions reads with the true one; of a "
    'single distortion, within its images. Level SRCC, one at a time: the same by a reader fitted to that '
    'distortion alone, and for all of them its mean. Type accuracy: the share of distorted images whose distortion is '
    'named right. Level order: the share of pairs of levels of one photo that are in order along the mean difference '
    'between level 5 and the photo itself, taken from other photos: nothing is fitted, and chance is 0.5.',
    'Blind: the encoder cannot be shown to see the levels of a distortion, since the interval of its level SRCC, one '
    'at a time, reaches 0.',
    'Square brackets hold 95 % bootstrap intervals over photos, near-duplicates together, with the readers as they '
    'were fitted: how far a figure would move with other photos of the same kind to read. Differences are paired: '
    'both encoders were asked about the same images in every draw.',
)


def write_distortion_report(folder: str | Path) -> Path:
    """Write results.md, results.csv, ``plots/*.png`` and report.html of a folder with results.json.

    Returns:
        Path of the HTML file.

    Raises:
        FileNotFoundError: no results.
        InputError: results of something else.
    """
    folder = Path(folder)
    with reading(folder / 'results.json'):
        return _write_distortion_report(folder)


def _write_distortion_report(folder: Path) -> Path:
    results = read_results(folder, DISTORTION_FORMAT)
    write_distortion_csv(results, folder / 'results.csv')
    report = distortion_report(results)
    (folder / 'results.md').write_text(markdown(report), encoding='utf-8', errors='backslashreplace')
    book = Book(folder / 'plots')
    _plot(results, book)
    names = [distortion['name'] for distortion in results['distortions']]
    files = sorted((folder / 'examples').glob('*.jpg'))
    tiles = [
        {'name': name, 'scores': '', 'uri': data_uri('jpeg', file.read_bytes()), 'why': ''}
        for name, file in zip(names, files, strict=False)
    ]
    sheet = [('', tiles)] if len(files) == len(names) else []
    return write_results_page(
        folder / 'report.html', report, book, 'What was asked', 'One photo in every distortion, at level 4.', sheet
    )


def write_distortion_csv(results: Results, path: str | Path) -> None:
    """Write a row for every encoder, measure and distortion, with all digits; ``distortion`` is empty for all."""
    places = {cell['encoder']: cell for cell in results['cells']}
    with Path(path).open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, CSV_COLUMNS, restval='', extrasaction='ignore')
        writer.writeheader()
        for row in results['summary']:
            place = places[row['encoder']]
            numbers = {name: value for name, value in row.items() if value is not None}
            writer.writerow({'run': place['run'], **({'step': place['step']} if place['run'] else {}), **numbers})


def distortion_report(results: Results) -> Report:
    """The words and tables of the report."""
    compared = sum('difference' in row for row in results['comparisons'])
    chance = [chance_note(compared)] if compared > 1 else []
    return Report(
        results['title'], distortion_headlines(results), _facts(results), _tables(results), results['notes'],
        settings(results), results['command'], [*ABOUT, *chance],
    )  # fmt: skip


def distortion_headlines(results: Results) -> list[str]:
    """Warnings, verdicts on level and type, the best checkpoint of a run, and what encoders are blind to."""
    found = [f'Warning: {text}.' for text in results['warnings']]
    heads = _heads(results)
    verdicts = [
        row['verdict']
        for row in results['comparisons']
        if not row['distortion'] and row['measure'] in ('level', 'type') and {row['a'], row['b']} <= set(heads)
    ]
    found += verdicts[:8]
    if not verdicts:
        for name in heads:
            figures = [f'{FIGURES[m]} {with_interval(_row(results, name, m), "value")}' for m in FIGURES]
            found.append(f'{name}: {", ".join(figures)}.')
    for run in results['runs']:
        text = f'Of {run["checkpoints"]} checkpoints of {run["run"]}, {run["best"]} reads the level best'
        is_last = run['best'] == run['last']
        if is_last:
            text += ', and it is the last'
        if 'difference' in run:
            real = 'which excludes 0' if run['low'] > 0 else 'which includes 0: it may be chance'
            over = 'the one before' if is_last else 'the last'
            text += f', by {run["difference"]:.3f} over {over} (95 % interval {run["low"]:.3f} to '
            text += f'{run["high"]:.3f}, {real})'
            if is_last and run['low'] > 0:
                text += ': longer training may still help'
        text += '.'
        found.append(text)
    for name in heads:
        blind = results['blind'][name]
        what = f'is blind to {", ".join(blind)}' if blind else 'is blind to none of the distortions'
        found.append(f'{name} {what}.')
    return found


def _heads(results: Results) -> list[str]:
    """Encoders that are no checkpoint of a run but its last."""
    last = {run['run']: run['last'] for run in results['runs']}
    return [c['encoder'] for c in results['cells'] if not c['run'] or last[c['run']] == c['encoder']]


def _row(results: Results, encoder: str, measure: str, distortion: str = '') -> Mapping[str, Any] | None:
    wanted = (encoder, measure, distortion)
    rows = (row for row in results['summary'] if (row['encoder'], row['measure'], row['distortion']) == wanted)
    return next(rows, None)


def _facts(results: Results) -> list[tuple[str, str]]:
    photos = results['photos']
    kinds = [distortion['photos'] for distortion in results['distortions']]
    each = f'{min(kinds)}' if min(kinds) == max(kinds) else f'{min(kinds)} to {max(kinds)}'
    pairs = [
        ('protocol', f'distortions: linear readers, {photos["folds"]} folds of photos'),
        (
            'photos',
            f'{photos["count"]} of {photos["root"]} ({photos["groups"]} without near-duplicates), '
            f'squares of {photos["side"]} px, {photos["images"]} images',
        ),
        ('distortions', f'{len(kinds)}, {each} photos each, levels 0 to 5'),
    ]
    for cell in results['cells']:
        name, weights = cell['encoder'], cell['weights']
        pairs.append((f'encoder {name}', f'{weights}, {cell["features"]} features, {cell["seconds"]:.0f} s'))
    overlap = results['overlap']
    if overlap:
        count = len(overlap['same']) + len(overlap['near'])
        pairs.append(('training photos', f'{overlap["with"]} were compared, {count} photos overlap'))
    else:
        pairs.append(('training photos', 'not given: whether an encoder saw these photos was not looked at'))
    return [*pairs, *origin_facts(results)]


def _tables(results: Results) -> list[Table]:
    names = [cell['encoder'] for cell in results['cells']]
    summary = [[name, *(with_interval(_row(results, name, m), 'value') for m in FIGURES)] for name in names]
    compared = [
        [row['a'], row['b'], FIGURES[row['measure']], with_interval(row, 'difference', sign='+'), row['verdict']]
        for row in results['comparisons']
        if not row['distortion']
    ]
    found = [
        Table('Summary', ['encoder', *(f'{title} [95 %]' for title in FIGURES.values())], summary, 'lrrrr'),
        Table('Comparisons', ['a', 'b', 'measure', 'a - b [95 %]', 'verdict'], compared, 'lllrl'),
        _blind_table(results, names),
    ]
    for measure, title in FIGURES.items():
        rows = [
            [
                d['name'], d['operator'] + ('-' if d['sign'] < 0 else ''), d['kind'], str(d['photos']),
                *(with_interval(_row(results, name, measure, d['name']), 'value') for name in names),
            ]
            for d in results['distortions']
        ]  # fmt: skip
        columns = ['distortion', 'operator', 'kind', 'photos', *names]
        found.append(Table(f'By distortion: {title}', columns, rows, 'lllr' + 'r' * len(names)))
    return [table for table in found if table.rows]


def _blind_table(results: Results, names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        levels = {d['name']: _row(results, name, 'level_each', d['name']) for d in results['distortions']}
        known = {key: row['value'] for key, row in levels.items() if row and row['value'] is not None}
        weakest = sorted(known, key=lambda key: known[key])[:WEAKEST]
        confused = sorted((c for c in results['confused'] if c['encoder'] == name), key=lambda c: -c['share'])
        taken = [f'{c["distortion"]} for {c["taken_for"]} ({c["share"]:.0%})' for c in confused[:WEAKEST]]
        rows.append(
            [
                name,
                ', '.join(results['blind'][name]) or 'none',
                ', '.join(f'{key} {known[key]:.2f}' for key in weakest),
                ', '.join(taken) or MISSING,
            ]
        )
    columns = ['encoder', 'blind to', 'weakest (level SRCC, one at a time)', 'takes for another']
    return Table('What encoders are blind to', columns, rows, 'llll')


def _plot(results: Results, book: Book) -> None:
    names = [cell['encoder'] for cell in results['cells']]
    photos = results['photos']
    title = results['title']
    detail = f'{photos["count"]} photos, {photos["images"]} images; 95 % bootstrap intervals over photos'
    values = {
        name: {text: e for m, text in FIGURES.items() if (e := estimate(_row(results, name, m), 'value'))}
        for name in names
    }
    book.add(
        book.summary, 'summary', 'All figures of each encoder',
        plots.by_subset(values, Heading(title, detail), 'figure (1: all known)'),
    )  # fmt: skip
    _plot_runs(results, book, Heading(title, f'{detail} as bands'))
    kinds = [d['name'] for d in results['distortions']]
    tables = {measure: _table(results, measure, kinds, names) for measure in FIGURES}
    order = np.argsort(-np.nan_to_num(tables['level_each'].mean(axis=1), nan=-2), kind='stable')
    rows = [kinds[i] for i in order]
    blind = {
        (row, column)
        for row, kind in enumerate(rows)
        for column, name in enumerate(names)
        if kind in results['blind'][name]
    }
    spans = {'level': (-0.2, 1.0), 'level_each': (-0.2, 1.0), 'type': (0.0, 1.0), 'order': (0.4, 1.0)}
    for measure in ('level_each', 'type', 'order', 'level'):
        note = f'; {BLIND} the encoder is blind to it: the interval reaches 0' if measure == 'level_each' else ''
        figure = distortion_plots.heat_map(
            tables[measure][order], rows, names, Heading(title, f'{FIGURES[measure]}{note}'), FIGURES[measure],
            spans[measure], blind if measure == 'level_each' else (), BLIND,
        )  # fmt: skip
        book.add(book.summary, f'heat_{measure}', f'{FIGURES[measure]}, by distortion and encoder', figure)
    _plot_differences(results, book, rows, names, title)


def _table(results: Results, measure: str, kinds: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """(distortions, encoders) values; NaN where there is none."""
    found = {(r['distortion'], r['encoder']): r['value'] for r in results['summary'] if r['measure'] == measure}
    table = [[found.get((kind, name)) for name in names] for kind in kinds]
    return np.array(table, dtype=float)  # None becomes NaN


def _plot_differences(results: Results, book: Book, kinds: Sequence[str], names: Sequence[str], title: str) -> None:
    first, others = names[0], names[1:]
    for measure in ('level_each', 'type') if others else ():
        rows = {
            (r['distortion'], r['a']): r
            for r in results['comparisons']
            if r['measure'] == measure and r['b'] == first and 'difference' in r
        }
        table = [[rows[kind, a]['difference'] if (kind, a) in rows else None for a in others] for kind in kinds]
        values = np.array(table, dtype=float)
        if not np.isfinite(values).any():
            continue
        real = {
            (i, j)
            for i, kind in enumerate(kinds)
            for j, a in enumerate(others)
            if (kind, a) in rows and not rows[kind, a]['low'] <= 0 <= rows[kind, a]['high']
        }
        end = max(0.1, float(np.nanquantile(np.abs(values), 0.95)))
        text = f'{FIGURES[measure]}, less that of {first}; bold with a dot where the interval leaves out 0'
        figure = distortion_plots.heat_map(
            values, kinds, others, Heading(f'{title}: differences', text), f'difference in {FIGURES[measure]}',
            (-end, end), real, '•', signed=True,
        )  # fmt: skip
        book.add(book.summary, f'heat_difference_{measure}', f'{FIGURES[measure]}: differences to {first}', figure)


def _plot_runs(results: Results, book: Book, heading: Heading) -> None:
    for measure, text in FIGURES.items() if results['runs'] else ():
        runs: dict[str, list[tuple[int, Estimate]]] = {}
        others: dict[str, Estimate] = {}
        for cell in results['cells']:
            found = estimate(_row(results, cell['encoder'], measure), 'value')
            if found and cell['run']:
                runs.setdefault(cell['run'], []).append((cell['step'], found))
            elif found:
                others[cell['encoder']] = found
        try:
            figure = distortion_plots.checkpoint_curves(runs, others, heading, text)
        except InputError:
            continue
        book.add(book.summary, f'checkpoints_{measure}', f'{text} over the checkpoints of a run', figure)
