"""Which photos a model predicts best and worst, and their thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mmqpt.core.errors import InputError
from mmqpt.core.fit import fit_box
from mmqpt.core.photo import read_photo
from mmqpt.evaluation.reports.plot_style import Heading, new_figure, shortened, styled
from mmqpt.evaluation.statistics.predictions import Predictions

GREY = (204, 204, 204)
"""Tile of a photo that can't be shown."""


@dataclass(frozen=True)
class RatedPhoto:
    """A photo with its opinion score and prediction, in the same units."""

    name: str
    mos: float
    predicted: float

    @property
    def scores(self) -> str:
        """``MOS 0.412, predicted 0.398``."""
        return f'MOS {self.mos:.3f}, predicted {self.predicted:.3f}'


@dataclass(frozen=True)
class SheetRow:
    """Photos of one row of the sheet, under a title, the most extreme first."""

    title: str
    photos: Sequence[RatedPhoto]


def extremes(predictions: Predictions, count: int = 6) -> list[SheetRow]:
    """The photos predicted farthest above and below their MOS, and the closest of the rest.

    Args:
        predictions: in the units of the MOS, finite.
        count: of photos in each row, at most.

    Returns:
        The rows that have photos.

    Raises:
        InputError: count < 1, or values that are not finite.
    """
    if count < 1:
        raise InputError(f'count must be >= 1, got {count}')
    errors = predictions.predicted - predictions.mos
    if not np.isfinite(errors).all():
        raise InputError(f'{int((~np.isfinite(errors)).sum())} photos have no finite error')
    order = np.argsort(errors, kind='stable')
    low = [i for i in order[:count] if errors[i] < 0]
    high = [i for i in order[::-1][:count] if errors[i] > 0]
    close = [i for i in np.argsort(np.abs(errors), kind='stable') if i not in low and i not in high][:count]
    chosen = {'Predicted too high': high, 'Predicted too low': low, 'Closest': close}
    return [
        SheetRow(
            title,
            [
                RatedPhoto(predictions.names[i], float(predictions.mos[i]), float(predictions.predicted[i]))
                for i in indices
            ],
        )
        for title, indices in chosen.items()
        if indices
    ]


def thumbnail(path: str | Path, side: int) -> np.ndarray | str:
    """A photo reduced to at most ``side`` px, uint8 RGB (H, W, 3), or in words why it can't be shown.

    Args:
        path: of the photo.
        side: longer side in px; a smaller photo keeps its size.
    """
    try:
        photo = read_photo(path)
    except FileNotFoundError:
        return 'photo not found'
    except (OSError, ValueError):
        return 'photo unreadable'
    return fit_box(photo, side, side)


@styled
def photo_sheet(rows: Sequence[SheetRow], photo_root: str | Path, heading: Heading, side: int = 320) -> Figure:
    """Photos with name, MOS and prediction, in rows; a photo that can't be read is a grey tile.

    Args:
        rows: from :func:`extremes`.
        photo_root: folder that the names start from.
        heading: stands over it.
        side: longer side of the thumbnails in px.

    Raises:
        InputError: no photos.
    """
    columns = max((len(row.photos) for row in rows), default=0)
    if not columns:
        raise InputError('no photos to show')
    figure, _ = new_figure(2.3 * columns, 2.85 * len(rows), heading, axes=False)
    bands = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for band, row in zip(bands, rows, strict=True):
        band.suptitle(row.title, fontsize=12, fontweight='bold', x=0.012, ha='left')
        for axes, photo in zip(band.subplots(1, columns, squeeze=False)[0], row.photos, strict=False):
            tile = thumbnail(Path(photo_root) / photo.name, side)
            if isinstance(tile, str):
                axes.imshow(np.full((3, 4, 3), GREY, np.uint8))
                axes.text(0.5, 0.5, '\n'.join(tile.split(' ', 1)), transform=axes.transAxes, ha='center', va='center')
            else:
                axes.imshow(tile)
            axes.set_title(f'{shortened(photo.name, 26)}\n{photo.scores}', fontsize=9)
        for axes in band.axes:
            axes.axis('off')
    return figure
