"""The card of a pre-trained encoder: what it knows of degradations that its start does not, and what the file is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.markdown import markdown_code, markdown_table, markdown_text

SHOWN = 6
"""Distortions listed at most, of those that an encoder knows better, and of those that it knows less."""


def knowledge(results: Mapping[str, Any], encoder: str | None) -> list[str]:
    """Lines of Markdown: the figures of an encoder beside those of the first one, its baseline.

    Args:
        results: content of the ``results.json`` of ``mmqpt evaluate distortions``.
        encoder: its name there; may be left out where there are two.

    Raises:
        InputError: results of another protocol, or without that encoder.
    """
    from mmqpt.evaluation.reports.distortion_results import DISTORTION_FORMAT, FIGURES  # imports torch

    if results.get('format') != DISTORTION_FORMAT:
        raise InputError('results: an encoder needs those of mmqpt evaluate distortions')
    names = [cell['encoder'] for cell in results['cells']]
    others = names[1:]
    if encoder is None and len(others) == 1:
        encoder = others[0]
    if encoder not in others:
        raise InputError(
            f'the results compare no encoder {encoder!r} with {names[0]!r}; there are: {", ".join(others) or "none"}'
        )
    start = names[0]
    value = {(row['encoder'], row['measure'], row['distortion']): row['value'] for row in results['summary']}
    difference = {
        (row['measure'], row['distortion']): row
        for row in results['comparisons']
        if (row['a'], row['b']) == (encoder, start) and 'difference' in row
    }
    photos = results['photos']
    lines = [
        f'Linear readers of frozen features, split by photo: {photos["count"]} photos, squares of {photos["side"]} px, '
        f'{len(results["distortions"])} distortions at levels 0 to 5; differences with 95 % bootstrap intervals over '
        f'photos; {markdown_code(results["command"])}.',
        '',
    ]

    def beside(title: str, measure: str, distortion: str = '') -> tuple[str, ...]:
        """A row: what it is about, the figures of the start and of the encoder, and their difference."""
        figures = (_number(value.get((name, measure, distortion))) for name in (start, encoder))
        return title, *figures, _difference(difference.get((measure, distortion)))

    head = (markdown_text(start), 'this encoder', 'difference')
    lines += markdown_table(('', *head), [beside(title, measure) for measure, title in FIGURES.items()])
    each = sorted(
        (row for (measure, name), row in difference.items() if measure == 'level_each' and name),
        key=lambda row: -row['difference'],
    )
    better = [row for row in each if row['low'] > 0][:SHOWN]
    worse = [row for row in reversed(each) if row['high'] < 0][:SHOWN]
    for title, found in (('better', better), ('less well', worse)):
        lines += ['', f'Levels that it reads {title} than {markdown_text(start)}, one distortion at a time (SRCC):', '']
        if not found:
            lines.append('none whose interval excludes 0.')
            continue
        table = [beside(markdown_text(row['distortion']), 'level_each', row['distortion']) for row in found]
        lines += markdown_table(('distortion', *head), table)
    blind = results['blind'].get(encoder) or []
    lines += ['', f'Blind to the level of: {", ".join(map(markdown_text, blind)) or "none of them"}.']
    return [*lines, *(f'\n**{markdown_text(warning)}**' for warning in results['warnings'])]


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _difference(row: Mapping[str, Any] | None) -> str:
    return '-' if row is None else f'{row["difference"]:+.3f} [{row["low"]:.3f}, {row["high"]:.3f}]'
