"""The page of ``mmqpt report``: one HTML file with everything in it."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import jinja2
import numpy as np
import torch

from mmqpt.cli.inputs import printable
from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.core.photo import swap_channels
from mmqpt.core.photo_flags import BETWEEN, FLAGS
from mmqpt.core.photo_input import prepare_photo
from mmqpt.core.view import View
from mmqpt.metric.score_many import Scored

BINS = 40
THUMBNAIL = View(min_side=1, max_side=240)
_WIDTH, _HEIGHT = 800, 180  # of the histogram, in its own units


def write_page(
    path: str, title: str, rows: Sequence[Scored], meta: Mapping[str, Any], folder: str = '', photos: int = 12
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: of the page.
        rows: one a photo.
        meta: what is known of the weights: ``weights``, ``weights_sha256``, ``dataset``, ``mos_range``...
        folder: what relative paths of the photos start from, besides the working folder.
        photos: how many of the best and of the worst to show.

    Raises:
        InputError: ``path`` exists and is not a regular file.
        OSError: can't be written.
    """
    good = sorted((row for row in rows if row.score is not None), key=lambda row: -(row.score or 0))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('mmqpt.cli', 'templates'), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    scores = np.array([row.score for row in good], np.float64)
    count = min(photos, (len(good) + 1) // 2)  # none is shown twice
    page = environment.get_template('report.html.j2').render(
        title=title,
        count=len(rows),
        summary=_summary(scores),
        bars=_bars(scores),
        size=(_WIDTH, _HEIGHT),
        groups=[('Best', [_card(row, folder) for row in good[:count]]),
                ('Worst', [_card(row, folder) for row in good[::-1][:count]])],
        table=[(printable(row.name), f'{row.score:.4f}', printable(BETWEEN.join(row.flags))) for row in good],
        flagged=_flagged(rows),
        failed=[(printable(row.name), printable(row.error or '')) for row in rows if row.score is None],
        weights=_weights(meta),
    )  # fmt: skip
    with replacing(path) as partial, open(partial, 'w', encoding='utf-8') as file:
        file.write(page)


def embedded_thumbnail(path: str) -> str | None:
    """A small JPEG of a photo as a data URI, upright; None where it can't be read."""
    try:
        pixels = prepare_photo(path, THUMBNAIL)
    except (InputError, OSError):
        return None
    if pixels.dtype != torch.uint8:
        pixels = pixels.mul(255).round().to(torch.uint8)
    image = swap_channels(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
    return f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'


def _card(row: Scored, folder: str) -> dict[str, str | None]:
    places = [row.name, os.path.join(folder, row.name)]
    found = next((place for place in places if os.path.isfile(place)), None)
    name = printable(row.name)
    return {
        'image': embedded_thumbnail(found) if found else None,
        'name': name,
        'short': os.path.basename(name),
        'score': f'{row.score:.3f}',
        'flags': printable(BETWEEN.join(row.flags)),
    }


def _flagged(rows: Sequence[Scored]) -> list[tuple[str, int, str]]:
    """Flags that any photo has: name, number of photos, meaning."""
    counts = Counter(flag for row in rows for flag in row.flags)
    return [(printable(flag), count, FLAGS.get(flag, '')) for flag, count in counts.most_common()]


def _summary(scores: np.ndarray) -> list[tuple[str, str]]:
    if not len(scores):
        return []
    lowest, low, middle, high, highest = np.quantile(scores, [0, 0.1, 0.5, 0.9, 1])
    values = {'lowest': lowest, '10 % are below': low, 'median': middle, '10 % are above': high, 'highest': highest}
    return [(name, f'{value:.3f}') for name, value in values.items()]


def _bars(scores: np.ndarray) -> list[tuple[float, float, float, float, str]]:
    """x, y, width, height of each bar, and what it stands for; the axis goes from 0 to 1."""
    counts, edges = np.histogram(scores, bins=BINS, range=(0, 1))
    unit = _HEIGHT / max(1, int(counts.max()))
    width = _WIDTH / BINS
    return [
        (
            i * width + 0.5,
            round(_HEIGHT - n * unit, 1),
            width - 1,
            round(n * unit, 1),
            f'{edges[i]:.3f} to {edges[i + 1]:.3f}: {n}',
        )
        for i, n in enumerate(counts.tolist())
        if n
    ]


def _weights(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the page says about the weights; nothing where nothing is known."""
    span = meta.get('mos_range')
    told = {
        'name': meta.get('weights'),
        'sha256': meta.get('weights_sha256'),
        'trained on': meta.get('dataset'),
        '0 and 1 stand for opinion scores of': f'{span[0]:g} and {span[1]:g}' if span else None,
        'backbone': meta.get('backbone'),
        'size rule': ', '.join(f'{k}={v}' for k, v in meta['view'].items()) if meta.get('view') else None,
        'mmqpt': meta.get('mmqpt_version'),
    }
    return [(key, str(value)) for key, value in told.items() if value is not None]
