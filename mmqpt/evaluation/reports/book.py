"""A page of results: one HTML file that opens from disk and needs nothing beside it, and its plots as PNG."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from mmqpt.evaluation.reports.plot_style import save
from mmqpt.evaluation.reports.tables import Report

TEMPLATES = Path(__file__).parent / 'templates'


@dataclass(frozen=True)
class Picture:
    """A plot of the report: its file name, what it shows, the PNG as a data URI, whether it needs the whole width."""

    name: str
    caption: str
    uri: str
    wide: bool


class Book:
    """Saves figures and keeps them for the page.

    Args:
        folder: of the PNG files; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first: list[Picture] = []
        self.summary: list[Picture] = []
        self.methods: list[Picture] = []
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, name: str, figure: Figure) -> Path:
        """Write a PNG; any name will do."""
        path = self.folder / f'{re.sub("[^A-Za-z0-9]+", "_", name).strip("_")[:80]}.png'
        save(figure, path)
        return path

    def add(self, pictures: list[Picture], name: str, caption: str, figure: Figure) -> None:
        """Write a PNG, and put it into one of the lists for the page."""
        path = self.save(name, figure)
        pictures.append(Picture(path.name, caption, data_uri('png', path.read_bytes()), figure.get_figwidth() > 10))


def write_results_page(
    path: Path,
    report: Report,
    book: Book,
    sheet_title: str = '',
    sheet_text: str = '',
    sheet: Sequence[tuple[str, Sequence[Mapping[str, str]]]] = (),
) -> Path:
    """Write the page; the same content gives the same HTML.

    Args:
        path: of the HTML file.
        report: its words and tables.
        book: its plots.
        sheet_title: heading of a sheet of photos.
        sheet_text: what stands under it.
        sheet: rows of it: a title and tiles, each with ``name``, ``scores`` (a line under it), ``uri``, and ``why``
            there is none.

    Returns:
        ``path``.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template('report.html.j2').render(
        title=report.title,
        headlines=report.headlines,
        facts=report.facts,
        tables=report.tables,
        first_plots=book.first,
        summary_plots=book.summary,
        method_plots=book.methods,
        sheet_title=sheet_title,
        sheet_text=sheet_text,
        sheet=sheet,
        notes=report.notes,
        settings=report.settings,
        command=report.command,
        meaning=report.meaning,
    )
    path.write_text(page, encoding='utf-8', errors='backslashreplace')
    return path


def data_uri(kind: str, data: bytes) -> str:
    """Bytes of an image of that kind (``png``, ``jpeg``) as a URI."""
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'
