"""The tables of a run of a protocol, for results.md, results.csv and report.html."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmqpt.evaluation.reports.findings import (
    MISSING,
    Results,
    facts,
    headlines,
    known,
    labels,
    meaning,
    medians_differ,
    notes,
    number,
    percent,
    settings,
    split_differences,
    summary_rows,
    with_interval,
)
from mmqpt.evaluation.reports.markdown import markdown_text
from mmqpt.evaluation.statistics.groups import MACRO

MEASURES = ('SRCC', 'PLCC', 'PLCC4', 'PLCC5', 'KRCC', 'RMSE', 'RMSE4', 'RMSE5')


ALL = 'all photos'


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Args:
        title: what it shows.
        columns: names of C columns.
        rows: each with C texts.
        align: C letters: ``l`` for text, ``r`` for numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str


@dataclass(frozen=True)
class Report:
    """What a report says, whatever it is written as.

    Args:
        title: of the page.
        headlines: verdicts, in sentences.
        facts: what was run on what: names and texts.
        tables: in their order.
        notes: what a reader must know.
        settings: names and texts.
        command: how to repeat it.
        meaning: what the figures mean, in paragraphs.
    """

    title: str
    headlines: Sequence[str]
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    notes: Sequence[str]
    settings: Sequence[tuple[str, str]]
    command: str
    meaning: Sequence[str]


def report_of(results: Results) -> Report:
    """The report of a protocol with opinion scores."""
    return Report(
        results['title'], headlines(results), facts(results), tables(results), notes(results), settings(results),
        results['command'], meaning(results),
    )  # fmt: skip


def tables(results: Results) -> list[Table]:
    """All tables of a run that have rows: summary, other figures, subsets, comparisons, splits."""
    every = summary_rows(results, subsets=False)
    by_subset = sorted(summary_rows(results, subsets=True), key=lambda row: (-row['fraction'], row['subset']))
    several = any(row['subset'] for row in every)
    found = [
        _spread_table(results, 'Summary', every, with_subset=several),
        _spread_table(results, 'By subset', by_subset, with_subset=True),
        _comparison_table(results),
        _median_table(results, 'All figures, median over the splits', [row for row in every if not row['subset']]),
        _split_table(results),
    ]
    return [table for table in found if table.rows]


def markdown(report: Report) -> str:
    """The whole of results.md: facts, verdicts, tables, notes."""
    parts = [f'# {markdown_text(report.title)}', _bullets(report.headlines)]
    parts += [_markdown_table(Table('', ('', ''), report.facts, 'll'))]
    for table in report.tables:
        parts += [f'## {markdown_text(table.title)}', _markdown_table(table)]
    if report.notes:
        parts += ['## Notes', _bullets(report.notes)]
    if report.settings:
        parts += ['## Settings', _markdown_table(Table('', ('setting', 'value'), report.settings, 'll'))]
    parts += ['## Command', _code(report.command)]
    parts += ['## What the figures mean', *(markdown_text(text) for text in report.meaning)]
    return '\n\n'.join(part for part in parts if part) + '\n'


def write_markdown(results: Results, path: str | Path) -> None:
    """Write :func:`markdown` of a protocol with opinion scores to a file."""
    Path(path).write_text(markdown(report_of(results)), encoding='utf-8', errors='backslashreplace')


def write_csv(results: Results, path: str | Path) -> None:
    """Write one row for each run, and one for each of its subsets, with all digits.

    Columns: method, fraction, split, subset (empty: all photos), labels, test (photos; only where subset is empty),
    seconds, chosen (JSON), the measures, notes. A figure that could not be computed is empty.
    """
    found_names = {name for cell in results['cells'] for found in _parts(cell).values() for name in found}
    names = [name for name in MEASURES if name in found_names] + sorted(found_names - set(MEASURES))
    head = ['method', 'fraction', 'split', 'subset', 'labels', 'test', 'seconds', 'chosen', *names, 'notes']
    with Path(path).open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, head, restval='')
        writer.writeheader()
        for cell in results['cells']:
            for subset, found in _parts(cell).items():
                row = {name: cell[name] for name in ('method', 'fraction', 'split', 'labels')}
                row |= {'subset': subset, **{name: value for name, value in found.items() if known(value)}}
                if not subset:
                    row |= {'test': cell['test'], 'seconds': cell.get('seconds', '')}
                    row |= {'chosen': json.dumps(cell.get('chosen') or {}), 'notes': '; '.join(cell.get('notes', ()))}
                writer.writerow(row)


def _parts(cell: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {'': cell['metrics'], **cell.get('subsets', {})}


def _spread_table(results: Results, title: str, rows: Sequence[Mapping[str, Any]], with_subset: bool) -> Table:
    columns = ['method', *(['photos'] if with_subset else []), 'labels', 'splits']
    align = 'll' if with_subset else 'l'
    first = results['methods'][0]['name'] if results['methods'] else ''
    compared = {
        (row['a'], row['fraction'], row['subset']): row
        for row in results.get('comparisons', ())
        if (row['b'], row['metric']) == (first, 'SRCC')
    }
    paired = any((row['method'], row['fraction'], row['subset']) in compared for row in rows)
    for measure in ('SRCC', 'PLCC'):
        columns += [f'{measure}, median [95 %]', f'{measure}, SD']
        if measure == 'SRCC' and paired:
            columns.append(f'SRCC less {first}, within splits [95 %]')
    lines = []
    for row in rows:
        place = [row['subset'] or ALL] if with_subset else []
        line = [row['method'], *place, _labels(results, row), str(row['splits'])]
        for measure in ('SRCC', 'PLCC'):
            found = row['metrics'].get(measure)
            spread = found.get('std') if found and row['splits'] > 1 else None
            line += [with_interval(found), number(spread)]
            if measure == 'SRCC' and paired:
                other = compared.get((row['method'], row['fraction'], row['subset']))
                line.append(with_interval(other, 'difference', sign='+'))
        lines.append(line)
    return Table(title, columns, lines, align + 'rrrrrr' + 'r' * paired)


def _median_table(results: Results, title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    names = [name for name in MEASURES if any(name in row['metrics'] for row in rows)]
    lines = [
        [row['method'], _labels(results, row), *(number(row['metrics'].get(m, {}).get('median')) for m in names)]
        for row in rows
    ]
    return Table(title, ['method', 'labels', *names], lines, 'lr' + 'r' * len(names))


def _comparison_table(results: Results) -> Table:
    columns = ['a', 'b', 'share of labels', 'photos', 'measure', 'a above b', 'a - b [95 %]', 'verdict']
    lines = [
        [row['a'], row['b'], percent(row['fraction']), row['subset'] or ALL, row['metric'], _above(results, row),
         with_interval(row, 'difference', sign='+'), row['verdict'] + medians_differ(results, row)]
        for row in sorted(
            results.get('comparisons', ()),
            key=lambda row: (-row['fraction'], row['subset'] != MACRO, row['subset'] != '', row['subset']),
        )
    ]  # fmt: skip
    return Table('Comparisons', columns, lines, 'llrllrrl')


def _above(results: Results, row: Mapping[str, Any]) -> str:
    """In how many splits a has the larger value."""
    found = split_differences(results, row)
    return f'{sum(value > 0 for value in found)} of {len(found)} splits' if found else MISSING


def _split_table(results: Results) -> Table:
    cells = results['cells']
    names = [name for name in MEASURES if any(name in cell['metrics'] for cell in cells)]
    lines = [
        [cell['method'], cell['split'], _labels(results, cell, cell['labels']), str(cell['test']),
         *(number(cell['metrics'].get(name)) for name in names),
         ', '.join(f'{key} {_plain(value)}' for key, value in (cell.get('chosen') or {}).items()) or MISSING,
         f'{cell["seconds"]:.1f}' if known(cell.get('seconds')) else MISSING]
        for cell in cells
    ]  # fmt: skip
    columns = ['method', 'split', 'labels', 'test', *names, 'chosen', 'seconds']
    return Table('Each split', columns, lines, 'llrr' + 'r' * len(names) + 'lr')


def _labels(results: Results, row: Mapping[str, Any], count: int | None = None) -> str:
    count = labels(results, row['method'], row['fraction']) if count is None else count
    return percent(row['fraction']) if count is None else f'{count} ({percent(row["fraction"])})'


def _plain(value: Any) -> str:
    return f'{value:g}' if isinstance(value, float) else str(value)


def _bullets(lines: Sequence[str]) -> str:
    return '\n'.join(f'- {markdown_text(line)}' for line in lines)


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall('`+', text)), default=0)
    fence = '`' * max(3, longest + 1)
    return f'{fence}\n{text}\n{fence}'


def _markdown_table(table: Table) -> str:
    lines = [[markdown_text(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(table.columns))]
    rule = [f'{"-" * (w - 1)}:' if a == 'r' else '-' * w for w, a in zip(widths, table.align, strict=True)]
    padded = [
        [cell.rjust(w) if a == 'r' else cell.ljust(w) for cell, w, a in zip(line, widths, table.align, strict=True)]
        for line in lines
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in (padded[0], rule, *padded[1:]))
