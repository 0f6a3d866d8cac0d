"""Plots of what encoders know of distortions: heat maps, and curves over the checkpoints of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.findings import MISSING, Estimate
from mmqpt.evaluation.reports.plot_style import (
    INK,
    Heading,
    add_legend,
    colour_of,
    marker_of,
    new_figure,
    shortened,
    shown_name,
    styled,
)

PALE, DARK = 'cividis', 'RdBu'


@styled
def heat_map(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    heading: Heading,
    label: str,
    span: tuple[float, float] = (0, 1),
    marked: Collection[tuple[int, int]] = (),
    mark: str = '\N{BULLET}',
    signed: bool = False,
) -> Figure:
    """A figure for every distortion and encoder, as colours and numbers.

    Args:
        values: (R, C); NaN where there is none.
        rows: R names of distortions.
        columns: C names of encoders.
        heading: stands over it.
        label: what the colours mean.
        span: values at the ends of the colours; those beyond have the colour of the end.
        marked: (row, column) of values that get a mark, in front of the number.
        mark: that mark.
        signed: whether values are differences: with a sign, and white at 0.

    Raises:
        InputError: no values, or names that do not fit them.
    """
    if values.shape != (len(rows), len(columns)) or not values.size:
        raise InputError(f'{len(rows)} distortions of {len(columns)} encoders do not fit values of {values.shape}')
    names = [shortened(name, 26) for name in columns]
    width = 3.3 + max(0.85 * len(columns), 2.2)
    turned = max(map(len, names)) > 9 and len(names) > 1
    figure, axes = new_figure(width, 1.1 + 0.27 * len(rows) + (0.9 if turned else 0), heading)
    image = axes.imshow(values, cmap=DARK if signed else PALE, vmin=span[0], vmax=span[1], aspect='auto')
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if not np.isfinite(value):
            text, colour = MISSING, INK
        else:
            place = np.clip((value - span[0]) / (span[1] - span[0]), 0, 1)
            colour = ('white' if abs(place - 0.5) > 0.35 else INK) if signed else ('white' if place < 0.5 else INK)
            text = format(value, '+.2f' if signed else '.2f').replace('-', '\N{MINUS SIGN}')
        sign = f'{mark} ' if (row, column) in marked else ''
        weight = 'bold' if sign else 'normal'
        axes.text(column, row, f'{sign}{text}', ha='center', va='center', color=colour, fontsize=9, fontweight=weight)
    axes.set_yticks(range(len(rows)), [shortened(name, 34) for name in rows], fontsize=9.5)
    tilt = {'rotation': 35, 'ha': 'left', 'rotation_mode': 'anchor'} if turned else {}
    axes.set_xticks(range(len(columns)), names, fontsize=9.5, **tilt)  # type: ignore[arg-type]
    axes.tick_params(length=0, labelbottom=False, labeltop=True)
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = figure.colorbar(image, ax=axes, location='bottom', aspect=40, pad=0.02, fraction=0.03)
    bar.set_label(label, fontsize=9.5)
    bar.ax.tick_params(labelsize=9)
    return figure


@styled
def checkpoint_curves(
    runs: Mapping[str, Sequence[tuple[int, Estimate]]],
    others: Mapping[str, Estimate],
    heading: Heading,
    measure: str,
) -> Figure:
    """A figure over the steps of runs, with intervals as bands; encoders that are no run are level lines.

    Args:
        runs: for each run its steps and values.
        others: values of the other encoders.
        heading: stands over it.
        measure: name for the axis.

    Raises:
        InputError: no run.
    """
    if not any(runs.values()):
        raise InputError('no checkpoints to plot')
    figure, axes = new_figure(7.6, 4.4, heading)
    handles = []
    for number, (name, points) in enumerate(runs.items()):
        ordered = sorted(points, key=lambda point: point[0])
        steps = [step for step, _ in ordered]
        found = [value for _, value in ordered]
        mark = {'color': colour_of(number), 'marker': marker_of(number)}
        axes.plot(steps, [value.value for value in found], linewidth=2, markersize=6, **mark)  # type: ignore[arg-type]
        low, high = (
            [value.value if end is None else end for value in found for end in [getattr(value, side)]]
            for side in ('low', 'high')
        )
        axes.fill_between(steps, low, high, color=colour_of(number), alpha=0.15, linewidth=0)
        handles.append(Line2D([], [], linewidth=2, label=shown_name(name), **mark))  # type: ignore[arg-type]
    for number, (name, value) in enumerate(others.items(), start=len(runs)):
        style = {'color': colour_of(number), 'linewidth': 2, 'linestyle': '--'}
        axes.axhline(value.value, **style)  # type: ignore[arg-type]
        handles.append(Line2D([], [], label=shown_name(name), **style))  # type: ignore[arg-type]
    axes.set(xlabel='optimiser steps', ylabel=measure)
    add_legend(figure, handles)
    return figure
