"""Plots of predictions and of results. Each function takes data and returns a Figure; pyplot is not used.

The settings of the user's matplotlibrc do not matter, and the same data gives the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.findings import Estimate, percent
from mmqpt.evaluation.reports.plot_style import (
    INK,
    LIGHT,
    PALETTE,
    Heading,
    add_legend,
    colour_of,
    marker_of,
    new_figure,
    shortened,
    shown_name,
    styled,
)
from mmqpt.evaluation.statistics.correlation import plcc, srcc
from mmqpt.evaluation.statistics.groups import MACRO
from mmqpt.evaluation.statistics.logistic import Fit, fit_logistic4
from mmqpt.evaluation.statistics.predictions import Predictions

FEW = 10  # photos; a box of fewer would hide them


@styled
def scatter_plot(predictions: Predictions, heading: Heading, identity: bool = True) -> Figure:
    """Opinion scores over predictions, coloured by subset, with the 4-parameter logistic curve.

    Args:
        predictions: at least one photo.
        heading: stands over it; where no curve could be fitted it says why.
        identity: whether predictions are in the units of the MOS: both axes are alike and have a diagonal.

    Raises:
        InputError: no photos, or values that are not finite.
    """
    _check(predictions)
    x, y = predictions.predicted, predictions.mos
    curve: Fit | None = None
    try:
        curve = fit_logistic4(x, y)
    except InputError as error:
        heading = Heading(heading.title, f'{heading.detail}. No logistic curve: {error}'.lstrip('. '))
    names, which = _coloured(predictions.subsets)
    figure, axes = new_figure(6.2, 5.4 + 0.21 * len(names), heading)
    size = float(np.clip(9000 / len(x), 7, 40))
    handles = []
    for number, name in enumerate(names):
        here = which == number
        mark: dict[str, Any] = {'color': colour_of(number, name), 'marker': marker_of(number)}
        axes.scatter(x[here], y[here], s=size, alpha=0.55 if len(x) > 100 else 0.8, linewidths=0, **mark)
        handles.append(Line2D([], [], linestyle='', label=f'{shown_name(name)} (n = {here.sum()})', **mark))
    if identity:
        ends = _padded(np.concatenate([x, y]))
        axes.plot(ends, ends, color='#888888', linestyle=':', linewidth=1.2, zorder=1)
        handles.append(Line2D([], [], color='#888888', linestyle=':', linewidth=1.2, label='predicted = MOS'))
        axes.set(xlim=ends, ylim=ends, aspect='equal')
    if curve is not None:
        line = np.linspace(x.min(), x.max(), 200)
        axes.plot(line, curve(line), color=INK, linewidth=2)
        handles.append(Line2D([], [], color=INK, linewidth=2, label='4-parameter logistic'))
    axes.set(xlabel='predicted', ylabel='MOS')
    figures = []
    for name, function in (('SRCC', srcc), ('PLCC', plcc)):
        try:
            figures.append(f'{name} {function(x, y):.3f}')
        except InputError:
            figures.append(f'{name} –')  # noqa: RUF001 (not defined)
    if figures and curve is not None:
        figures.append(f'PLCC4 {plcc(curve(x), y):.3f}')
    axes.text(
        0.98, 0.03, '\n'.join(figures), transform=axes.transAxes, ha='right', va='bottom', linespacing=1.4,
        bbox={'facecolor': 'white', 'edgecolor': LIGHT, 'alpha': 0.9, 'boxstyle': 'round,pad=0.4'},
    )  # fmt: skip
    add_legend(figure, handles)
    return figure


@styled
def residuals(predictions: Predictions, heading: Heading) -> Figure:
    """Predicted less MOS by subset: a box from quartile to quartile, whiskers from 5 to 95 %; points where few.

    Args:
        predictions: at least one photo; predicted in the units of the MOS.
        heading: stands over it.

    Raises:
        InputError: no photos, or values that are not finite.
    """
    _check(predictions)
    errors = predictions.predicted - predictions.mos
    subsets = np.array([shown_name(name) for name in predictions.subsets])
    parts = {name: errors[subsets == name] for name in sorted(set(subsets))}
    if len(parts) > 1:
        parts = {'all photos': errors, **parts}
    figure, axes = new_figure(max(6.2, 1.5 + (0.75 if len(parts) <= 8 else 0.58) * len(parts)), 6.0, heading)
    axes.axhline(0, color=INK, linewidth=1)
    for number, (name, values) in enumerate(parts.items()):
        colour = '#777777' if name == 'all photos' else PALETTE[0]
        if len(values) < FEW:
            axes.plot(np.full(len(values), number), values, 'o', color=colour, alpha=0.7)
            continue
        axes.boxplot(
            values, positions=[number], widths=0.6, manage_ticks=False, patch_artist=True,
            whis=(5, 95),  # codespell:ignore whis
            boxprops={'facecolor': f'{colour}40', 'edgecolor': colour}, whiskerprops={'color': colour},
            capprops={'color': colour}, medianprops={'color': INK, 'linewidth': 2},
            flierprops={'marker': '.', 'markersize': 3, 'markerfacecolor': colour, 'markeredgecolor': 'none'},
        )  # fmt: skip
    ticks = [f'{shortened(name, 28)}\nn = {len(values)}' for name, values in parts.items()]
    crowded = len(parts) > 8 or max(len(line) for tick in ticks for line in tick.split('\n')) > 80 / len(parts)
    turned: dict[str, Any] = {'rotation': 45, 'ha': 'right', 'rotation_mode': 'anchor'} if crowded else {}
    axes.set_xticks(range(len(parts)), ticks, fontsize=10, **turned)
    axes.set(xlim=(-0.6, len(parts) - 0.4), ylabel='predicted \N{MINUS SIGN} MOS')
    axes.grid(False, axis='x')
    return figure


@styled
def label_efficiency(
    curves: Mapping[str, Mapping[float, tuple[int, Estimate]]], heading: Heading, measure: str = 'SRCC'
) -> Figure:
    """A measure over the number of labels, one line a method, intervals as bands; level where no labels were used.

    Args:
        curves: for each method and share of the labels (0 to 1) the number of labels and the value.
        heading: stands over it.
        measure: name for the axis.

    Raises:
        InputError: no method that used labels.
    """
    if not any(count for points in curves.values() for count, _ in points.values()):
        raise InputError('no points to plot')
    figure, axes = new_figure(7.6, 5.6, heading)
    ticks: dict[int, str] = {}
    handles = []
    for number, (name, points) in enumerate(curves.items()):
        ordered = sorted(points.items(), key=lambda item: item[1][0])
        if not ordered[0][1][0]:  # a finished metric, which used no labels
            axes.axhline(ordered[0][1][1].value, color=colour_of(number), linewidth=2, linestyle='--')
            handles.append(Line2D([], [], linewidth=2, linestyle='--', color=colour_of(number), label=shown_name(name)))
            continue
        ticks |= {count: percent(fraction) for fraction, (count, _) in ordered}
        x = [count for _, (count, _) in ordered]
        found = [value for _, (_, value) in ordered]
        mark: dict[str, Any] = {'color': colour_of(number), 'marker': marker_of(number)}
        axes.plot(x, [value.value for value in found], linewidth=2, markersize=7, **mark)
        down, up = _bars(found)
        middle = np.array([value.value for value in found])
        axes.fill_between(x, middle - down, middle + up, color=colour_of(number), alpha=0.15, linewidth=0)
        handles.append(Line2D([], [], linewidth=2, label=shown_name(name), **mark))
    axes.set_xscale('log')
    shown = _apart(sorted(ticks))
    axes.set_xticks(shown, [f'{count}\n{ticks[count]}' for count in shown], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel='labels used (log scale) and their share of the training part', ylabel=measure)
    add_legend(figure, handles)
    return figure


@styled
def by_subset(values: Mapping[str, Mapping[str, Estimate]], heading: Heading, measure: str = 'SRCC') -> Figure:
    """A measure with its interval, by subset and method.

    Args:
        values: for each method, the value on each subset; ``''`` is all photos.
        heading: stands over it.
        measure: name for the axis.

    Raises:
        InputError: no values.
    """
    subsets = sorted({s for found in values.values() for s in found}, key=lambda s: (s not in ('', MACRO), s))
    if not subsets:
        raise InputError('no values to plot')
    step = 0.8 / max(len(values), 2)
    row = 0.27 if len(subsets) <= 8 else 0.18  # inches
    figure, axes = new_figure(7.6, 1.6 + row * len(subsets) * (len(values) + 1), heading)
    handles = []
    for number, (name, found) in enumerate(values.items()):
        offset = (number - (len(values) - 1) / 2) * step
        places = [subsets.index(subset) + offset for subset in found]
        mark: dict[str, Any] = {'color': colour_of(number), 'marker': marker_of(number)}
        axes.errorbar(
            [value.value for value in found.values()], places, xerr=_bars(list(found.values())), linestyle='',
            markersize=7, capsize=3, linewidth=1.6, **mark,
        )  # fmt: skip
        handles.append(Line2D([], [], linestyle='', markersize=7, label=shown_name(name), **mark))
    for edge in range(1, len(subsets)):
        axes.axhline(edge - 0.5, color=LIGHT, linewidth=0.8)
    axes.set_yticks(range(len(subsets)), [shortened(s, 30) if s else 'all photos' for s in subsets])
    axes.set(ylim=(len(subsets) - 0.5, -0.5), xlabel=measure)
    axes.grid(False, axis='y')
    add_legend(figure, handles)
    return figure


class PairedRow(NamedTuple):
    """A line of :func:`differences`: its label (``'QPT - ImageNet'``), the median, and the difference in each split."""

    label: str
    value: Estimate
    by_split: Sequence[float] = ()


@styled
def differences(groups: Mapping[str, Sequence[PairedRow]], heading: Heading, measure: str = 'SRCC') -> Figure:
    """Paired differences with their intervals and a line at zero; filled where the interval leaves out zero.

    Where there are several splits, the difference in each is a dot under the line.

    Args:
        groups: for each title (``'all photos'``; may be empty) its lines.
        heading: stands over it.
        measure: name for the axis.

    Raises:
        InputError: no rows.
    """
    lines: list[tuple[str, Estimate | None, Sequence[float]]] = []
    for title, rows in groups.items():
        lines += [(title, None, ())] if title and rows else []
        lines += [(shown_name(row.label, 60), row.value, row.by_split) for row in rows]
    if not lines:
        raise InputError('no differences to plot')
    dotted = any(len(dots) > 1 for _, _, dots in lines)
    figure, axes = new_figure(7.6, 1.0 + (0.46 if dotted else 0.31) * max(len(lines), 3), heading)
    axes.axvline(0, color=INK, linewidth=1.2)
    for place, (_, value, dots) in enumerate(lines):
        if value is None:
            if place:
                axes.axhline(place - 0.5, color=LIGHT, linewidth=0.8)
            continue
        real = value.low is not None and value.high is not None and not value.low <= 0 <= value.high
        colour = PALETTE[0] if real else '#777777'
        axes.errorbar(
            [value.value], [place], xerr=_bars([value]), marker='o', markersize=8, capsize=4, linewidth=1.8,
            color=colour, markerfacecolor=colour if real else 'white', markeredgewidth=1.8,
        )  # fmt: skip
        if len(dots) > 1:
            axes.plot(dots, [place + 0.3] * len(dots), 'o', markersize=4.5, alpha=0.45, color=INK, markeredgewidth=0)
    axes.set_yticks(range(len(lines)), [label for label, _, _ in lines])
    for tick, (_, value, _) in zip(axes.get_yticklabels(), lines, strict=True):
        tick.set_fontweight('bold' if value is None else 'normal')
    axes.tick_params(axis='y', length=0)
    axes.set(ylim=(len(lines) - 0.4, -0.6), xlabel=f'difference in {measure}')
    axes.grid(False, axis='y')
    return figure


def _check(predictions: Predictions) -> None:
    if not len(predictions.names):
        raise InputError('no photos to plot')
    for name, values in (('predictions', predictions.predicted), ('MOS', predictions.mos)):
        if not np.isfinite(values).all():
            raise InputError(f'{name} hold {int((~np.isfinite(values)).sum())} values that are not finite')


def _coloured(subsets: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names to colour by, and which of them each photo has; the rarest subsets share one where there are many."""
    names, which, counts = np.unique(np.array(subsets, dtype=str), return_inverse=True, return_counts=True)
    if len(names) <= len(PALETTE):
        return list(names), which
    kept = np.sort(np.argsort(-counts, kind='stable')[: len(PALETTE) - 1])
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    return [*names[kept], f'other ({len(names) - len(kept)} subsets)'], place[which]


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _bars(values: Sequence[Estimate]) -> np.ndarray:
    """(2, N) lengths of error bars; NaN where there is no interval."""
    return np.array(
        [
            [np.nan if v.low is None else max(v.value - v.low, 0) for v in values],
            [np.nan if v.high is None else max(v.high - v.value, 0) for v in values],
        ]
    )


def _apart(counts: Sequence[int], share: float = 0.06) -> list[int]:
    """Ticks from the largest down, without those too close on the log axis to the one before."""
    least = share * np.log(max(counts) / min(counts)) if len(counts) > 1 else 0
    shown: list[int] = []
    for count in reversed(counts):
        if not shown or np.log(shown[-1] / count) >= least:
            shown.append(count)
    return shown[::-1]
