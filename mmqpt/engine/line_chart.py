"""A line chart as SVG text, for pages that need nothing beside them."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WIDTH, _HEIGHT = 560, 200  # of the plot, in its own units
_LEFT, _BOTTOM, _TOP = 52, 40, 12
_POINTS = 280  # of a line at most


Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Args:
        name: for the legend.
        values: at steps that are evenly spaced; those that are not finite are left out.
    """

    name: str
    values: Values


def line_chart(lines: Sequence[Line], steps: int, healthy: tuple[float, float] | None = None) -> str:
    """The chart, or an empty text where no value is finite.

    Long lines are drawn as means over equal parts. Colours are those of the classes ``line-0``, ``line-1``...

    Args:
        lines: at most four.
        steps: at the right end; the last value of each line stands there.
        healthy: low and high of a band to be shaded; infinite for an open end.
    """
    drawn = [(line, _reduced(line.values, steps)) for line in lines]
    drawn = [(line, points) for line, points in drawn if len(points)]
    if not drawn:
        return ''
    heights = np.concatenate([points[:, 1] for _, points in drawn])
    low, high = float(heights.min()), float(heights.max())
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    low, high = low - margin, high + margin

    def x(step: float) -> float:
        return round(_LEFT + step / max(1, steps) * _WIDTH, 1)

    def y(value: float) -> float:
        return round(_TOP + (high - min(max(value, low), high)) / (high - low) * _HEIGHT, 1)

    parts = [f'<svg viewBox="0 0 {_LEFT + _WIDTH + 14} {_TOP + _HEIGHT + _BOTTOM}" role="img">']
    if healthy is not None and healthy[0] < high and healthy[1] > low:
        top, bottom = y(healthy[1]), y(healthy[0])
        parts.append(f'<rect class="healthy" x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{bottom - top:.1f}"/>')
    for value in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end">{value:g}</text>')
    for step in _ticks(0, steps):
        parts.append(f'<text x="{x(step)}" y="{_TOP + _HEIGHT + 17}" text-anchor="middle">{step:g}</text>')
    for number, (_, points) in enumerate(drawn):
        path = ' '.join(f'{x(step)},{y(value)}' for step, value in points)
        last = f'<circle class="line-{number}" cx="{x(points[-1][0])}" cy="{y(points[-1][1])}" r="2.5"/>'
        parts.append(f'<polyline class="line-{number}" points="{path}"/>{last}')
    place = float(_LEFT)
    for number, (line, points) in enumerate(drawn):
        text = f'{line.name} {points[-1][1]:.3g}'
        parts.append(f'<rect class="line-{number}" x="{place}" y="{_TOP + _HEIGHT + 28}" width="14" height="3"/>')
        parts.append(f'<text x="{place + 18}" y="{_TOP + _HEIGHT + 34}">{html.escape(text)}</text>')
        place += 34 + 6.6 * len(text)
    return ''.join([*parts, '</svg>'])


def _reduced(values: Values, steps: int) -> np.ndarray:
    """(K, 2) steps and finite values, K at most :data:`_POINTS`."""
    array = np.asarray(values, np.float64)
    at = (np.arange(len(array)) + 1) / max(1, len(array)) * steps
    keep = np.isfinite(array)
    at, array = at[keep], array[keep]
    if len(array) > _POINTS:
        groups = [np.array_split(part, _POINTS) for part in (at, array)]
        at, array = (np.array([part.mean() for part in group]) for group in groups)
        at[-1] = steps
    return np.stack([at, array], axis=1)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers from low to high."""
    span = high - low
    if span <= 0:
        return [low]
    unit = 10 ** math.floor(math.log10(span / 3))
    unit *= next((factor for factor in (5, 2) if span / (factor * unit) >= 3), 1)
    first, last = math.ceil(low / unit - 1e-9), math.floor(high / unit + 1e-9)
    return [round(number * unit, 12) for number in range(first, last + 1)]
