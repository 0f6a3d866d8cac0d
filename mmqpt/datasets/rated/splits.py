"""Which photos are for training, validation and testing; random splits are drawn once and kept in the CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating, check_columns, group_of, split_holdout
from mmqpt.datasets.rated.sets import RatedSet, SetInfo, info_path, read_set, replace_set

MIN_PHOTOS = 3
"""With fewer photos in a part, a correlation means nothing."""


def random_splits(
    ratings: Sequence[Rating], count: int, seed: int, test_share: float = 0.2, group_column: str | None = None
) -> dict[str, list[str]]:
    """Draw splits into train and test that are the same on every machine and for every order of the rows.

    For each split the groups are put into a random order, and taken for the test part as long as those that follow can
    still fill it up to the size nearest to the share that whole groups allow. Split number k depends on the rows, the
    seed, the share and k alone: 20 splits are the same 10 as before and 10 more.

    Args:
        ratings: the rows of a set.
        count: how many splits.
        seed: >= 0.
        test_share: share of the photos that is tested; whole percent.
        group_column: photos with the same value stay on one side; None for every photo on its own.

    Returns:
        For each column, named in pyiqa's style (see :func:`split_columns`), ``'train'`` or ``'test'`` for every row.

    Raises:
        InputError: no such column, an empty group, fewer than two groups, or a count, seed or share out of range.
    """
    columns = split_columns(count, seed, test_share)
    if not ratings:
        raise InputError('no rows to split')
    check_columns(ratings, [group_column] if group_column else [], 'the rows to split')
    groups = [group_of(rating, group_column) for rating in ratings]
    sizes = sorted(Counter(groups).items())
    if len(sizes) < 2:
        raise InputError(f'a split needs at least 2 groups, but all {len(ratings)} photos are in {sizes[0][0]!r}')
    splits = {}
    for number, column in enumerate(columns, 1):
        # The raw stream of a bit generator never changes between versions of NumPy; that of Generator.permutation may.
        bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(number,)))
        order = np.argsort(bits.random_raw(len(sizes)), kind='stable')
        test = _fill([sizes[i] for i in order], test_share)
        splits[column] = ['test' if group in test else 'train' for group in groups]
    return splits


def _fill(groups: Sequence[tuple[str, int]], share: float) -> set[str]:
    """The first groups, in their order, that together have the size nearest to the share of all photos.

    Bit s of a sum set says that some of the groups have s photos together.
    """
    total = sum(size for _, size in groups)
    bound = int(share * total) + max(size for _, size in groups)  # some size between the share and this can be reached
    mask = (1 << (bound + 1)) - 1
    sums = [1]  # of no group, of the last group, of the last two ...
    for _, size in reversed(groups):
        sums.append((sums[-1] | (sums[-1] << size)) & mask)
    possible = [size for size in range(1, min(bound, total - 1) + 1) if sums[-1] >> size & 1]
    left = min(possible, key=lambda size: abs(size - share * total))
    chosen = set()
    for number, (name, size) in enumerate(groups, 1):
        if size <= left and sums[len(groups) - number] >> (left - size) & 1:
            chosen.add(name)
            left -= size
    return chosen


def split_columns(count: int, seed: int, test_share: float) -> list[str]:
    """Names of the columns of random splits: ``ratio802_seed123_split_01`` and so on.

    802 is 80 % train, 0 % val and 20 % test, as in pyiqa's meta_info files; shares that are no whole tenths have two
    digits each (``ratio750025``).
    """
    percent = round(100 * test_share) if 0 < test_share < 1 else 0
    if not 1 <= percent <= 99 or abs(100 * test_share - percent) > 1e-9:
        raise InputError(f'test_share must be a whole number of percent from 0.01 to 0.99, got {test_share}')
    if count < 1:
        raise InputError(f'count of splits must be >= 1, got {count}')
    if seed < 0:
        raise InputError(f'seed must be >= 0, got {seed}')
    tenths = percent % 10 == 0
    ratio = f'{10 - percent // 10}0{percent // 10}' if tenths else f'{100 - percent:02d}00{percent:02d}'
    return [f'ratio{ratio}_seed{seed}_split_{number:02d}' for number in range(1, count + 1)]


def protocol_name(test_share: float, seed: int, group_column: str | None) -> str:
    """What a report calls random splits: ``'random 80/20, seed 123, grouped by ref'``."""
    percent = round(100 * test_share)
    return f'random {100 - percent}/{percent}, seed {seed}' + (f', grouped by {group_column}' if group_column else '')


@dataclass(frozen=True)
class Partition:
    """The photos of one run by purpose, each list in the order of the CSV.

    Args:
        train: photos to fit.
        val: photos that choose the epoch or the penalty, and nothing else.
        test: photos that are scored once, at the end, and choose nothing.
        protocol: name of the protocol that the split belongs to.
        leaks: how many test photos have a photo of their own group in ``train`` or ``val``; 0 also where the set names
            no groups.
        dropped: how many rows the split leaves out.
    """

    train: list[Rating]
    val: list[Rating]
    test: list[Rating]
    protocol: str
    leaks: int
    dropped: int

    @property
    def labels(self) -> int:
        """How many opinion scores the run may learn from: those of ``train`` and ``val``."""
        return len(self.train) + len(self.val)


def partition(
    data: RatedSet, split_column: str, fraction: float = 1.0, validation: float = 0.1, salt: str = ''
) -> Partition:
    """Cut a set into the parts to fit, to validate and to test.

    The split column says which rows are ``train``, ``val`` (some official splits) and ``test``; rows with any other
    value, such as ``drop``, are left out. The test part is always the same. The validation part is the set's own if it
    has one and all labels are used (photos of it with a relative in ``train`` are fitted), and else is cut from the
    labels that are kept. Groups are kept whole.

    Args:
        data: the set.
        split_column: a column that ``data.info.splits`` names the protocol of.
        fraction: share of the labels outside the test part that is kept; 5 % are part of 10 %.
        validation: share of the kept labels that chooses the epoch or the penalty.
        salt: another text gives another choice of kept and of validation photos.

    Raises:
        InputError: no such column, one without a protocol, a row without a value, a share out of range, or fewer than
            :data:`MIN_PHOTOS` photos in a part.
    """
    path, column = data.path, data.info.group_column
    check_columns(data.ratings, [c for c in (split_column, column) if c], path)
    if split_column not in data.info.splits:
        known = ', '.join(data.info.splits) or 'none'
        raise InputError(
            f'{info_path(path)}: "splits" does not name the protocol of column {split_column!r} (named: {known}); '
            'without it a report could not say which split its numbers are of'
        )
    if not 0 < fraction <= 1:
        raise InputError(f'fraction must be > 0 and <= 1, got {fraction}')
    if not 0 < validation < 1:
        raise InputError(f'validation must be a share between 0 and 1, got {validation}')
    parts: dict[str, list[Rating]] = {'train': [], 'val': [], 'test': [], 'other': []}
    for rating in data.ratings:
        value = rating.row[split_column]
        if not value:
            raise InputError(f'{path}: column {split_column!r} is empty in the row of {rating.name!r}')
        parts[value if value in ('train', 'val', 'test') else 'other'].append(rating)

    if parts['val'] and fraction == 1:
        related = _groups(parts['train'], column)
        val = [rating for rating in parts['val'] if group_of(rating, column) not in related]
    else:
        kept = _of(data, parts['train'] + parts['val'])
        if fraction < 1:
            kept = split_holdout(kept, fraction, column, f'{split_column}|{salt}|fraction|')[1]
        val = split_holdout(kept, validation, column, f'{split_column}|{salt}|validation|')[1]
        parts['train'], parts['val'] = kept, []
    validating = {rating.name for rating in val}
    train = [rating for rating in _of(data, parts['train'] + parts['val']) if rating.name not in validating]
    for name, part in (('train', train), ('val', val), ('test', parts['test'])):
        if len(part) < MIN_PHOTOS:
            raise InputError(
                f'{path}, split {split_column!r}: {len(part)} photos for {name}, needs {MIN_PHOTOS} '
                f'(fraction {fraction:g}, validation {validation:g}: {len(train)} train, {len(val)} val, '
                f'{len(parts["test"])} test{f", groups by {column}" if column else ""})'
            )
    seen = _groups(train + val, column)
    leaks = sum(group_of(rating, column) in seen for rating in parts['test'])
    return Partition(train, val, parts['test'], data.info.splits[split_column], leaks, len(parts['other']))


def _groups(ratings: Sequence[Rating], column: str | None) -> set[str]:
    return {group_of(rating, column) for rating in ratings}


def _of(data: RatedSet, ratings: Sequence[Rating]) -> list[Rating]:
    """The same ratings in the order of the CSV."""
    names = {rating.name for rating in ratings}
    return [rating for rating in data.ratings if rating.name in names]


def add_random_splits(ann_file: str | Path, count: int = 10, seed: int = 123, test_share: float = 0.2) -> RatedSet:
    """Draw random splits, grouped as the set says, and keep them in its CSV; those that are there already are reused.

    Args:
        ann_file: CSV with its JSON file beside it.
        count: how many splits; see :func:`random_splits` for this and the others.

    Returns:
        The set with the new columns.

    Raises:
        InputError: the file holds another split under one of the names; nothing is changed then.
    """
    data = read_set(ann_file)
    info = data.info
    protocol = protocol_name(test_share, seed, info.group_column)
    new = {}
    for column, values in random_splits(data.ratings, count, seed, test_share, info.group_column).items():
        if column not in data.ratings[0].row:
            new[column] = values
        elif [rating.row[column] for rating in data.ratings] != values or info.splits.get(column, protocol) != protocol:
            raise InputError(
                f'{ann_file}: holds another split under the name {column!r} than {protocol!r} gives for these rows '
                '(were rows or groups changed after it was drawn?); take another seed, or remove the column'
            )
    splits = {**info.splits, **dict.fromkeys(split_columns(count, seed, test_share), protocol)}
    if not new and splits == info.splits:
        return data
    return add_columns(data, new, replace(info, splits=splits))


def check_split(data: RatedSet, split_column: str) -> None:
    """Check that a set has a split.

    Raises:
        InputError: it does not; the message names those that it has.
    """
    if split_column not in data.info.splits:
        known = ', '.join(data.info.splits) or 'none'
        raise InputError(f'{data.path}: no split {split_column!r}; there are: {known}')


def add_clean_split(ann_file: str | Path, split_column: str) -> RatedSet:
    """Keep a split without its leaks in the CSV: training photos with a relative in the test part become ``drop``.

    The test part stays as it is, so that results on it can be compared with published ones. The new column is called
    ``<split_column>_clean``; an existing one is replaced.

    Args:
        ann_file: CSV with its JSON file beside it, which names the groups (mmqpt find-duplicates --add-to).
        split_column: a split with ``train``, perhaps ``val``, and ``test``.

    Returns:
        The set with the new column.

    Raises:
        InputError: no such split, no groups, or nothing left to train on.
    """
    data = read_set(ann_file)
    info = data.info
    check_split(data, split_column)
    if info.group_column is None:
        raise InputError(
            f'{ann_file}: names no groups, so leaks are not known; run mmqpt find-duplicates PHOTOS --add-to first'
        )
    tested = _groups([rating for rating in data.ratings if rating.row[split_column] == 'test'], info.group_column)
    parts = [
        'drop' if rating.row[split_column] != 'test' and group_of(rating, info.group_column) in tested
        else rating.row[split_column]
        for rating in data.ratings
    ]  # fmt: skip
    if 'train' not in parts:
        raise InputError(f'{ann_file}: every photo to train on in {split_column!r} has a relative in the test part')
    column = f'{split_column}_clean'
    protocol = f'{info.splits[split_column]}, without what leaks into train'
    return add_columns(data, {column: parts}, replace(info, splits={**info.splits, column: protocol}))


def add_columns(data: RatedSet, columns: Mapping[str, Sequence[str]], info: SetInfo) -> RatedSet:
    """Write a set's CSV with more columns, or other values of columns, and its JSON file.

    Both are written to temporary files, which replace the old ones at the end: a run that is stopped leaves those.

    Args:
        data: the set.
        columns: name -> one value a row; a column that exists already gets these values.
        info: for the JSON file.

    Returns:
        The set, read again.

    Raises:
        InputError: a column of another length, or a line of the CSV with more fields than its header.
    """
    for name, values in columns.items():
        if len(values) != len(data.ratings):
            raise InputError(f'column {name!r} has {len(values)} values for {len(data.ratings)} rows')
    with data.path.open(newline='', encoding='utf-8-sig') as file:
        header, *lines = [line for line in csv.reader(file) if line]
    if len(lines) != len(data.ratings):
        raise InputError(f'{data.path}: {len(data.ratings)} rows were read, but now it has {len(lines)}')
    for line in lines:
        if len(line) != len(header):
            raise InputError(f'{data.path}: {len(line)} fields, but the header has {len(header)}: {line}')
    for name, values in columns.items():
        if name not in header:
            header.append(name)
        at = header.index(name)
        for line, value in zip(lines, values, strict=True):
            line[at : at + 1] = [value]
    replace_set(data.path, info, [header, *lines])
    return read_set(data.path)
