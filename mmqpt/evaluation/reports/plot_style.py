"""How all plots look: fonts, colours, markers, the heading, the legend."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

PALETTE = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')  # Okabe and Ito, no yellow
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X')
INK = '#222222'
LIGHT = '#d9d9d9'
STYLE = {
    'font.family': 'DejaVu Sans',
    'font.size': 11,
    'axes.titlesize': 11,
    'axes.edgecolor': '#666666',
    'axes.grid': True,
    'axes.axisbelow': True,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'grid.color': '#e6e6e6',
    'text.parse_math': False,  # a name may hold dollar signs
    'legend.frameon': False,
    'legend.fontsize': 10,
    'figure.dpi': 100,
}

P = ParamSpec('P')


@dataclass(frozen=True)
class Heading:
    """What stands over a plot.

    Args:
        title: data set and method.
        detail: split protocol, share of the labels, number of photos.
    """

    title: str
    detail: str = ''


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's defaults and :data:`STYLE`, whatever the user has set; put back at the end."""
    with matplotlib.style.context(['default', STYLE]):
        yield


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    @functools.wraps(plot)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            return plot(*args, **kwargs)

    return in_style


def save(figure: Figure, path: str | Path, dpi: int = 160) -> None:
    """Write a PNG; characters that the font lacks become boxes."""
    with style(), warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Glyph .* missing from ')
        figure.savefig(path, dpi=dpi, format='png', facecolor='white')


def new_figure(width: float, height: float, heading: Heading, axes: bool = True) -> tuple[Figure, Axes]:
    """A figure whose plot is ``height`` inches high below the heading."""
    title = textwrap.wrap(heading.title, int(width * 9.6))
    together = heading.detail.replace(' = ', '\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}').replace(
        ' %', '\N{NO-BREAK SPACE}%'
    )
    detail = textwrap.wrap(together, int(width * 14))
    top = 0.12 + 0.23 * len(title) + 0.18 * len(detail) + 0.06
    figure = Figure(figsize=(width, height + top), layout='constrained')
    total = height + top
    figure.text(0.012, 1 - 0.1 / total, '\n'.join(title), fontsize=13, fontweight='bold', va='top', color=INK)
    below = 1 - (0.12 + 0.23 * len(title)) / total
    figure.text(0.012, below, '\n'.join(detail), fontsize=9.5, va='top', color='#555555')
    figure.get_layout_engine().set(rect=(0, 0, 1, height / total), w_pad=0.09, h_pad=0.06)  # type: ignore[union-attr,call-arg]
    return figure, figure.add_subplot() if axes else None  # type: ignore[return-value]


def add_legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = int(figure.get_figwidth() * 11 / (longest + 6))
    figure.legend(handles=handles, loc='outside lower center', ncols=int(np.clip(fitting, 1, len(handles))))


def shown_name(name: str, length: int = 40) -> str:
    """Shortened; a leading underscore would keep it out of a legend."""
    name = shortened(name, length) or 'all photos'
    return f' {name}' if name.startswith('_') else name


def marker_of(number: int) -> str:
    """Colour and marker together repeat after 49."""
    return MARKERS[(number + number // len(MARKERS)) % len(MARKERS)]


def colour_of(number: int, name: str = '') -> str:
    return '#999999' if name.startswith('other (') else PALETTE[number % len(PALETTE)]


def shortened(text: str, length: int) -> str:
    """Text on one line; where it is too long, its middle is left out."""
    text = ' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())
    if len(text) <= length:
        return text
    tail = (length - 1) // 2
    return f'{text[: length - 1 - tail]}…{text[len(text) - tail :]}'
