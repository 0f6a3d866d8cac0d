"""Tasks: the photos that a method is fitted to, validated on, and tested with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mmqpt.core.errors import InputError
from mmqpt.core.files import file_identity
from mmqpt.datasets.rated.ratings import Rating, check_files_once, group_of, split_holdout
from mmqpt.datasets.rated.sets import RatedSet, SetInfo, read_set
from mmqpt.datasets.rated.splits import partition
from mmqpt.evaluation.statistics.predictions import Predictions


@dataclass(frozen=True)
class OpenedSet:
    """A rated set and the folder of its photos."""

    data: RatedSet
    root: Path

    @property
    def info(self) -> SetInfo:
        """What the set's columns mean."""
        return self.data.info

    def path(self, rating: Rating) -> Path:
        """Where a photo is."""
        return self.root / rating.name


@dataclass(frozen=True)
class Task:
    """Photos for training, validation and testing.

    Args:
        train_set: the set that ``train`` and ``val`` come from.
        test_set: the set that ``test`` comes from; the same except in a cross-set test.
        split: name of the split column, or of the repetition.
        fraction: share of the labels of the training part, 0 to 1.
        train: rows to train on.
        val: rows by which the epoch is chosen.
        test: rows to predict; no choice may depend on them.
        protocol: name of the split's protocol.
        seed: for the training.
        notes: what a reader of the results must know.
    """

    train_set: OpenedSet
    test_set: OpenedSet
    split: str
    fraction: float
    train: Sequence[Rating]
    val: Sequence[Rating]
    test: Sequence[Rating]
    protocol: str
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> int:
        """How many opinion scores are used, those of validation photos included."""
        return len(self.train) + len(self.val)

    def predictions(self, predicted: ArrayLike) -> Predictions:
        """(N,) scores of the test photos, in their order, as predictions; a photo without a group is its own group."""
        info = self.test_set.info
        return Predictions(
            [rating.name for rating in self.test],
            np.array([rating.mos for rating in self.test], np.float64),
            np.asarray(predicted, np.float64),
            [group_of(rating, info.group_column) for rating in self.test],
            [rating.row[info.subset_column] if info.subset_column else '' for rating in self.test],
        )


def open_rated_set(ann_file: str | Path, root: str | Path, info: SetInfo | None = None) -> OpenedSet:
    """Read a set whose photos are in a folder.

    Args:
        ann_file: CSV that mmqpt prepare-dataset wrote, or any with columns of photos and scores.
        root: folder of the photos.
        info: what the CSV means, where no JSON file beside it says so.

    Raises:
        FileNotFoundError: no CSV, JSON file or folder.
        InputError: see :func:`read_set`; a file under two names.
    """
    if not Path(root).is_dir():
        raise FileNotFoundError(f'no such folder of photos: {root}')
    data = read_set(ann_file, info)
    check_files_once(data.ratings, root, ann_file)
    return OpenedSet(data, Path(root))


def split_tasks(
    rated: OpenedSet, columns: Sequence[str], fractions: Sequence[float], validation: float, seed: int
) -> list[Task]:
    """A task for each split column and share of the labels.

    Raises:
        InputError: no such column, columns of different protocols, a column or share twice, too few photos in a part
            (see :func:`partition`), or photos that are missing.
    """
    for name, values in (('split', columns), ('fraction', fractions)):
        if len(set(values)) != len(values):
            raise InputError(f'a {name} is named twice: {", ".join(map(str, values))}')
    protocols = {rated.info.splits[c]: c for c in columns if c in rated.info.splits}
    if len(protocols) > 1:
        raise InputError(
            "splits of different protocols can't share a median: "
            f'{"; ".join(f"{column} is {name!r}" for name, column in protocols.items())}'
        )
    tasks = []
    for column in columns:
        for fraction in fractions:
            parts = partition(rated.data, column, fraction, validation, salt=str(seed))
            notes = []
            if parts.leaks:
                notes.append(
                    f'{parts.leaks} of {len(parts.test)} test photos of {column} share a group '
                    f'({rated.info.group_column}) with a training photo'
                )
            if parts.dropped:
                notes.append(f'{parts.dropped} photos are in no part of {column}')
            tasks.append(
                Task(
                    rated, rated, column, fraction, parts.train, parts.val, parts.test, parts.protocol,
                    _training_seed(column, seed), tuple(notes),
                )
            )  # fmt: skip
    _check_photos(tasks)
    return tasks


def cross_tasks(train_set: OpenedSet, test_set: OpenedSet, repeats: int, validation: float, seed: int) -> list[Task]:
    """Train on the whole of one set, test on the whole of another; each repetition cuts another validation part.

    Raises:
        InputError: fewer than 3 photos in a part, the two sets share a photo, or photos are missing.
    """
    if repeats < 1:
        raise InputError(f'repeats must be >= 1, got {repeats}')
    if train_set.info.name == test_set.info.name:
        raise InputError(f'both sets are named {train_set.info.name!r}; give them different names for the report')
    trained = {_identity(train_set.path(r)) for r in train_set.data.ratings}
    shared = [r.name for r in test_set.data.ratings if _identity(test_set.path(r)) in trained]
    if shared:
        raise InputError(
            f'{len(shared)} photos are in both sets, the first: {min(shared)}; a cross-set test needs two sets'
        )
    tasks = []
    for number in range(repeats):
        train, val = split_holdout(
            train_set.data.ratings, validation, train_set.info.group_column, salt=f'{seed}/{number}/'
        )
        for name, part in (('train', train), ('val', val), ('test', test_set.data.ratings)):
            if len(part) < 3:
                raise InputError(f'the {name} part has {len(part)} photos; at least 3 are needed')
        tasks.append(
            Task(
                train_set, test_set, f'repeat_{number + 1:02d}', 1.0, train, val, test_set.data.ratings,
                f'cross-set, all of {train_set.info.name} to all of {test_set.info.name}', seed + number,
                ('trained on the scale of another set: raw RMSE left out',),
            )
        )  # fmt: skip
    _check_photos(tasks)
    return tasks


def _identity(path: Path) -> object:
    try:
        return file_identity(path)
    except OSError:  # missing: named later
        return str(path.absolute())


def _training_seed(column: str, seed: int) -> int:
    """Random splits are numbered, and each trains with a seed of its own, whichever others are run."""
    number = re.search(r'_(\d+)$', column)
    return seed + (int(number[1]) - 1 if number else 0)


def _check_photos(tasks: Sequence[Task]) -> None:
    wanted = {task.train_set.path(r) for task in tasks for r in (*task.train, *task.val)}
    wanted |= {task.test_set.path(r) for task in tasks for r in task.test}
    missing = sorted(path for path in wanted if not path.is_file())
    if missing:
        raise InputError(f'{len(missing)} of {len(wanted)} photos are missing, the first: {missing[0]}')
