"""The report of a run: one HTML file that opens from disk and needs nothing beside it, and its plots as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside, reading
from mmqpt.evaluation.reports import findings, plots, tables
from mmqpt.evaluation.reports.book import Book, data_uri, write_results_page
from mmqpt.evaluation.reports.findings import Estimate, Results, percent, read_results
from mmqpt.evaluation.reports.photo_sheet import RatedPhoto, SheetRow, extremes, photo_sheet, thumbnail
from mmqpt.evaluation.reports.plot_style import Heading, shortened
from mmqpt.evaluation.statistics.groups import MACRO
from mmqpt.evaluation.statistics.logistic import fit_logistic4
from mmqpt.evaluation.statistics.predictions import Predictions, read_predictions

THUMBNAIL = 280  # px
QUALITY = 82  # of the JPEG thumbnails


def write_report(folder: str | Path, photo_root: str | Path | None = None) -> Path:
    """Write ``report.html`` and ``plots/*.png`` of a folder with ``results.json`` and ``predictions``.

    The same results give the same HTML.

    Args:
        folder: of the results.
        photo_root: folder of the test photos; by default what the results say. A photo that is not there becomes a
            grey tile.

    Returns:
        Path of the HTML file.

    Raises:
        FileNotFoundError: no results.
        InputError: results or predictions that can't be read; names the file.
    """
    folder = Path(folder)
    with reading(folder / 'results.json'):
        return _write_report(folder, photo_root)


def _write_report(folder: Path, photo_root: str | Path | None) -> Path:
    results = read_results(folder)
    book = Book(folder / 'plots')
    root = Path(photo_root or results['test_set'].get('photo_root') or folder)
    remarks: list[str] = []
    _plot_summary(results, book)
    best, sheet = _plot_predictions(results, folder, root, book, remarks)
    report = tables.report_of(results)
    report = replace(report, notes=[*report.notes, *remarks])
    tiles = [(row.title, [_tile(root, photo) for photo in row.photos]) for row in sheet]
    return write_results_page(folder / 'report.html', report, book, 'Best and worst predicted photos', best, tiles)


def _plot_summary(results: Results, book: Book) -> None:
    """Label efficiency, subsets and differences: what the tables say."""
    names = [method['name'] for method in results['methods']]
    rows = {(row['method'], row['fraction'], row['subset']): row for row in results['summary']}
    fractions = sorted({fraction for _, fraction, _ in rows})
    if not fractions:
        return
    splits = max(row['splits'] for row in rows.values())
    detail = f'{_protocol(results)}; {"one split" if splits == 1 else f"median over {splits} splits"}'
    title = _title(results)
    if len(fractions) > 1:
        curves = {}
        for name in names:
            points = {f: _estimate(rows, (name, f, '')) for f in fractions}
            curves[name] = {f: (findings.labels(results, name, f) or 0, p) for f, p in points.items() if p}
        curves = {name: points for name, points in curves.items() if points}
        if any(count for points in curves.values() for count, _ in points.values()):
            heading = Heading(f'{title}: label efficiency', f'{detail}; bands: 95 % intervals')
            book.add(
                book.summary,
                'label_efficiency',
                'SRCC over the number of labels',
                plots.label_efficiency(curves, heading),
            )
    largest = fractions[-1]
    subsets = sorted({subset for _, _, subset in rows})
    values = {name: {s: _estimate(rows, (name, largest, s)) for s in subsets} for name in names}
    found = {name: {s: v for s, v in by.items() if v} for name, by in values.items()}
    found = {name: by for name, by in found.items() if by}
    if found and (len(subsets) > 1 or len(found) > 1):
        heading = Heading(
            f'{title}: {percent(largest)} of the labels',
            f'{detail}; {_photos(results, largest)}; bars: 95 % intervals',
        )
        book.add(book.summary, 'subsets', 'SRCC of each method, by subset', plots.by_subset(found, heading))
    _plot_differences(results, book, title, detail)


def _plot_differences(results: Results, book: Book, title: str, detail: str) -> None:
    rows = sorted(
        results.get('comparisons', ()),
        key=lambda row: (-row['fraction'], row['subset'] != MACRO, row['subset'] != '', row['subset']),
    )
    largest = max((row['fraction'] for row in rows), default=1)
    several = any(row['fraction'] != largest for row in rows)
    found: dict[str, list[tuple[str, str, Estimate, list[float]]]] = {}
    for row in rows:
        value = findings.estimate(row, 'difference')
        if value and (row['fraction'] == largest or row['subset'] in ('', MACRO)):
            place = shortened(row['subset'], 30) or 'all photos'
            place += f', {percent(row["fraction"])} of the labels' if several else ''
            pair = f'{shortened(row["a"], 24)} \N{MINUS SIGN} {shortened(row["b"], 24)}'
            dots = findings.split_differences(results, row)
            found.setdefault(row['metric'], []).append((place, pair, value, dots))
    for measure, lines in found.items():
        by_pair = len({pair for _, pair, _, _ in lines}) < len({place for place, _, _, _ in lines})
        groups: dict[str, list[plots.PairedRow]] = {}
        for place, pair, value, dots in lines:
            group, label = (pair, place) if by_pair else (place, pair)
            groups.setdefault(group, []).append(plots.PairedRow(label, value, dots))
        words = f'{detail}; bars: 95 % intervals; filled where the interval leaves out 0'
        if any(len(dots) > 1 for _, _, _, dots in lines):
            words += '; dots: the splits'
        heading = Heading(f'{title}: paired differences', words)
        caption = f'Paired differences in {measure}'
        if several and any(row['subset'] for row in rows):
            caption += f'; subsets with {percent(largest)} of the labels, others in the table'
        book.add(
            book.summary if book.first else book.first,
            f'differences_{measure}',
            caption,
            plots.differences(groups, heading, measure),
        )


def _plot_predictions(
    results: Results, folder: Path, root: Path, book: Book, remarks: list[str]
) -> tuple[str, list[SheetRow]]:
    """Scatter and residuals of each method, the photo sheet of the best; returns its title and that sheet."""
    fractions = [cell['fraction'] for cell in results['cells']]
    best, score, sheet = '', -2.0, []
    for number, method in enumerate(results['methods'], 1):
        name = method['name']
        cell = next((c for c in results['cells'] if (c['method'], c['fraction']) == (name, max(fractions))), None)
        if cell is None:
            remarks.append(f'{name}: no plots, it was not run with {percent(max(fractions, default=1))} of the labels')
            continue
        check_inside(cell['predictions'], str(folder / 'results.json'))
        path = folder / cell['predictions']
        if not path.is_file():
            remarks.append(f'{name}: no plots of the predictions, {cell["predictions"]} is missing')
            continue
        predictions = read_predictions(path)
        title = f'{_title(results)}: {name}'
        detail = (
            f'{_protocol(results)}, {percent(cell["fraction"])} of the labels; {cell["split"]}; '
            f'n = {len(predictions.names)} test photos'
        )
        same = 'RMSE' in cell['metrics']
        book.add(
            book.methods, f'scatter_{number}_{name}', f'{name}: MOS over predictions',
            plots.scatter_plot(predictions, Heading(title, detail), identity=same),
        )  # fmt: skip
        try:
            mapped = predictions if same else _mapped(predictions)
        except InputError as error:
            remarks.append(f'{name}: no residuals and no photos, predictions are on another scale and {error}')
            continue
        if not same:
            detail += '; predictions after the 4-parameter logistic'
        book.add(
            book.methods, f'residuals_{number}_{name}', f'{name}: residuals by subset',
            plots.residuals(mapped, Heading(title, f'{detail}; boxes: quartiles; whiskers: 5 to 95 %')),
        )  # fmt: skip
        reached = _median(results, name, cell['fraction'])
        if reached > score:
            best, score, sheet = f'{title}, {detail}', reached, extremes(mapped)
            heading = Heading(f'{title}: largest errors and closest predictions', detail)
    if sheet:
        book.save('photos', photo_sheet(sheet, root, heading))
    return best, sheet


def _mapped(predictions: Predictions) -> Predictions:
    """On the scale of the MOS."""
    curve = fit_logistic4(predictions.predicted, predictions.mos)
    return replace(predictions, predicted=curve(predictions.predicted))


def _median(results: Results, method: str, fraction: float) -> float:
    for row in results['summary']:
        if (row['method'], row['fraction'], row['subset']) == (method, fraction, ''):
            found = findings.estimate(row['metrics'].get('SRCC'))
            return found.value if found else -1.5
    return -1.5


def _estimate(rows: Mapping[tuple[str, float, str], Mapping[str, Any]], key: tuple[str, float, str]) -> Estimate | None:
    return findings.estimate(rows[key]['metrics'].get('SRCC')) if key in rows else None


def _title(results: Results) -> str:
    train, test = results['train_set']['name'], results['test_set']['name']
    return test if train == test else f'{train} to {test}'


def _protocol(results: Results) -> str:
    protocols = ', '.join(dict.fromkeys(results['splits'].values()))
    return protocols if protocols.startswith(results['protocol']) else '; '.join((results['protocol'], protocols))


def _photos(results: Results, fraction: float) -> str:
    counts = sorted({cell['test'] for cell in results['cells'] if cell['fraction'] == fraction})
    if not counts:
        return ''
    least, most = counts[0], counts[-1]
    return f'n = {least} test photos' if least == most else f'n = {least} to {most} test photos'


def _tile(root: Path, photo: RatedPhoto) -> dict[str, str]:
    made = thumbnail(root / photo.name, THUMBNAIL)
    tile = {'name': photo.name, 'scores': photo.scores, 'uri': '', 'why': ''}
    if isinstance(made, str):
        return tile | {'why': made}
    _, data = cv2.imencode('.jpg', swap_channels(made), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return tile | {'uri': data_uri('jpeg', data.tobytes())}
