"""Predictions of one model on one test part: kept in a CSV, so that every figure can be computed again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside

COLUMNS = ('name', 'mos', 'predicted', 'group', 'subset')


@dataclass(frozen=True)
class Predictions:
    """What was predicted for each photo.

    Args:
        names: of N photos, each once.
        mos: (N,) opinion scores in the units of the set.
        predicted: (N,) predictions, higher is better; in the units of the set where the model was trained on it.
        groups: N names; photos of one group (reference image, near-duplicates) are not independent.
        subsets: N names to report by; empty where the set has none.
    """

    names: Sequence[str]
    mos: np.ndarray
    predicted: np.ndarray
    groups: Sequence[str]
    subsets: Sequence[str]

    def __post_init__(self) -> None:
        lengths = [len(x) for x in (self.names, self.mos, self.predicted, self.groups, self.subsets)]
        if len(set(lengths)) != 1:
            raise InputError(f'names, mos, predicted, groups and subsets differ in length: {lengths}')
        if len(set(self.names)) != len(self.names):
            raise InputError('a photo was predicted twice')

    def subset(self, name: str) -> Predictions:
        """The photos of one subset."""
        keep = [i for i, subset in enumerate(self.subsets) if subset == name]
        return Predictions(
            [self.names[i] for i in keep],
            self.mos[keep],
            self.predicted[keep],
            [self.groups[i] for i in keep],
            [self.subsets[i] for i in keep],
        )


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write a CSV with :data:`COLUMNS`; numbers keep all their digits."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, mos, predicted, group, subset in zip(
            predictions.names,
            predictions.mos,
            predictions.predicted,
            predictions.groups,
            predictions.subsets,
            strict=True,
        ):
            writer.writerow([name, repr(float(mos)), repr(float(predicted)), group, subset])


def read_predictions(path: str | Path) -> Predictions:
    """Read what :func:`write_predictions` wrote.

    Raises:
        FileNotFoundError: no such file.
        InputError: other columns, a number that is none, or a name that leads out of the folder of the photos; names
            the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no such file of predictions: {path}')
    try:
        with path.open(newline='', encoding='utf-8') as file:
            head, *rows = list(csv.reader(file)) or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f'{path}: {error}') from error
    if tuple(head) != COLUMNS:
        raise InputError(f'{path}: not a file of predictions; its columns must be {", ".join(COLUMNS)}')
    for row in rows:
        check_inside(row[0] if row else '', str(path))
    try:
        mos, predicted = (np.array([float(row[i]) for row in rows]) for i in (1, 2))
        return Predictions([row[0] for row in rows], mos, predicted, [row[3] for row in rows], [row[4] for row in rows])
    except (ValueError, IndexError) as error:
        raise InputError(f'{path}: {error}') from error
