"""Splits: disjoint, complete, groups whole, the same everywhere; the file they are kept in survives a failed write."""

import csv
import os
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating
from mmqpt.datasets.rated.sets import RatedSet, SetInfo, info_path, read_set, write_set
from mmqpt.datasets.rated.splits import (
    add_clean_split,
    add_columns,
    add_random_splits,
    partition,
    protocol_name,
    random_splits,
    split_columns,
)


def rows_of(sizes, **columns):
    """Ratings in groups of these sizes; further columns by functions of (group, number in the group)."""
    return [
        Rating(
            f'{g}_{i}.jpg', float(g), {'ref': f'r{g}', **{name: make(g, i) for name, make in columns.items()}}
        )
        for g, size in enumerate(sizes)
        for i in range(size)
    ]  # fmt: skip


def set_of(ratings, splits, group_column='ref', path='set.csv'):
    return RatedSet(path, SetInfo('x', (0, 1000), group_column=group_column, splits=splits), ratings)


def names(ratings):
    return {rating.name for rating in ratings}


def groups(ratings):
    return {rating.row['ref'] for rating in ratings}


SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=40)


@given(SIZES, st.integers(0, 99), st.integers(1, 99), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_random_splits_keep_groups_whole_and_come_nearest_to_the_share(sizes, seed, percent, shuffler):
    ratings = rows_of(sizes)
    splits = random_splits(ratings, 2, seed, percent / 100, 'ref')
    total = len(ratings)
    sums = {0}
    for size in sizes:  # every size a part can have
        sums |= {s + size for s in sums}
    nearest = min(abs(s - percent / 100 * total) for s in sums - {0, total})
    for values in splits.values():
        assert set(values) == {'train', 'test'}
        assert abs(values.count('test') - percent / 100 * total) == pytest.approx(nearest)
        of_group = {}
        for rating, value in zip(ratings, values, strict=True):
            assert of_group.setdefault(rating.row['ref'], value) == value
    mixed = list(ratings)
    shuffler.shuffle(mixed)
    again = random_splits(mixed, 2, seed, percent / 100, 'ref')
    for column, values in splits.items():
        assert dict(zip(names_in(ratings), values, strict=True)) == dict(
            zip(names_in(mixed), again[column], strict=True)
        )


def names_in(ratings):
    return [rating.name for rating in ratings]


def test_random_splits_are_those_of_every_machine():
    """Written down once; if this fails, everyone's stored splits are no longer reproducible."""
    splits = random_splits(rows_of([1] * 10), 2, 123, 0.3)
    tested = [[i for i, value in enumerate(values) if value == 'test'] for values in splits.values()]
    assert list(splits) == ['ratio703_seed123_split_01', 'ratio703_seed123_split_02']
    assert tested == [[1, 6, 8], [2, 8, 9]]


def test_more_splits_extend_the_earlier_ones_and_differ():
    ratings = rows_of([2] * 30)
    few, many = (random_splits(ratings, count, 7, group_column='ref') for count in (3, 12))
    assert all(many[column] == values for column, values in few.items())
    assert len({tuple(values) for values in many.values()}) == 12
    other = random_splits(ratings, 1, 8, group_column='ref')
    assert next(iter(other.values())) != next(iter(few.values()))


def test_each_photo_is_tested_about_as_often_as_the_share_says():
    splits = random_splits(rows_of([1] * 20 + [5] * 4), 400, 1, 0.2, 'ref')
    counts = [sum(values[i] == 'test' for values in splits.values()) for i in range(40)]
    assert 40 <= min(counts) <= max(counts) <= 130  # 80 expected; the last fill-up favours small groups a little


@pytest.mark.parametrize(
    ('share', 'ratio'), [(0.2, '802'), (0.1, '901'), (0.5, '505'), (0.25, '750025'), (0.05, '950005'), (0.95, '050095')]
)
def test_names_of_columns(share, ratio):
    assert split_columns(1, 5, share) == [f'ratio{ratio}_seed5_split_01']
    assert split_columns(100, 5, share)[-1] == f'ratio{ratio}_seed5_split_100'


def test_protocol_name():
    assert protocol_name(0.2, 123, 'ref') == 'random 80/20, seed 123, grouped by ref'
    assert protocol_name(0.2, 123, None) == 'random 80/20, seed 123'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'count': 0}, r'count of splits must be >= 1, got 0'),
        ({'test_share': 0}, r'test_share must be a whole number of percent from 0.01 to 0.99, got 0'),
        ({'test_share': 0.125}, r'test_share must be a whole number of percent'),
        ({'test_share': float('nan')}, r'test_share must be a whole number of percent'),
        ({'seed': -1}, r'seed must be >= 0, got -1'),
        ({'group_column': 'scene'}, r"no column 'scene'; there are: ref"),
        ({'ratings': []}, r'no rows to split'),
        ({'ratings': rows_of([5])}, r"at least 2 groups, but all 5 photos are in 'r0'"),
        ({'ratings': [*rows_of([5]), Rating('b.jpg', 1.0, {'ref': ''})]}, r"b.jpg: column 'ref' is empty"),
    ],
)
def test_random_splits_refuse(arguments, message):
    defaults = {'ratings': rows_of([2, 2]), 'count': 1, 'seed': 0, 'group_column': 'ref'}
    with pytest.raises(InputError, match=message):
        random_splits(**{**defaults, **arguments})


@given(
    st.lists(st.integers(1, 6), min_size=70, max_size=90),
    st.sampled_from([0.3, 0.5, 0.8, 1.0]),
    st.booleans(),
    st.text(max_size=3),
)
@settings(deadline=None, max_examples=60)
def test_partition_is_disjoint_complete_and_nested(sizes, fraction, own_val, salt):
    values = ['train', 'train', 'train', 'test', 'val' if own_val else 'train', 'train', 'drop']
    ratings = rows_of(sizes, split=lambda g, i: values[g % 7])
    data = set_of(ratings, {'split': 'official'})
    part = partition(data, 'split', fraction, 0.2, salt)
    train, val, test = (names(x) for x in (part.train, part.val, part.test))
    assert len(train | val | test) == len(train) + len(val) + len(test)
    assert not groups(part.train) & groups(part.val)
    assert test == {rating.name for rating in ratings if rating.row['split'] == 'test'}
    assert part.dropped == sum(rating.row['split'] == 'drop' for rating in ratings)
    assert (part.leaks, part.protocol, part.labels) == (0, 'official', len(train) + len(val))
    labels = {rating.name for rating in ratings if rating.row['split'] in ('train', 'val')}
    if fraction == 1:
        assert train | val == labels
        if own_val:
            assert val == {rating.name for rating in ratings if rating.row['split'] == 'val'}
    else:
        assert train | val < labels
        assert fraction * len(labels) <= len(train | val) < fraction * len(labels) + max(sizes)
        more = partition(data, 'split', fraction + 0.1, 0.2, salt)
        assert train | val <= names(more.train) | names(more.val)
        assert more.test == part.test


def test_parts_are_in_the_order_of_the_file():
    data = set_of(
        rows_of([3] * 20, split=lambda g, i: 'test' if g % 4 == 0 else ('val' if g % 4 == 1 else 'train')),
        {'split': 'p'},
    )
    order = names_in(data.ratings)
    for fraction in (1.0, 0.5):
        part = partition(data, 'split', fraction)
        for ratings in (part.train, part.val, part.test):
            assert [order.index(name) for name in names_in(ratings)] == sorted(map(order.index, names_in(ratings)))


def test_splits_and_salts_choose_different_labels():
    ratings = rows_of(
        [1] * 100, a=lambda g, i: 'test' if g < 20 else 'train', b=lambda g, i: 'test' if g < 20 else 'train'
    )
    data = set_of(ratings, {'a': 'A', 'b': 'B'})
    parts = [partition(data, column, 0.5, salt=salt) for column, salt in (('a', ''), ('b', ''), ('a', '1'))]
    chosen = [frozenset(names(part.train) | names(part.val)) for part in parts]
    assert len(set(chosen)) == 3
    assert len({frozenset(names(part.val)) for part in parts}) == 3
    assert partition(data, 'a', 0.5) == parts[0]


def test_validation_photos_with_a_relative_in_train_are_fitted():
    ratings = rows_of([2] * 20, split=lambda g, i: 'test' if g < 4 else 'train' if g < 14 else 'val')
    ratings += [Rating('late.jpg', 0.0, {'ref': 'r5', 'split': 'val'})]
    part = partition(set_of(ratings, {'split': 'official'}), 'split')
    assert 'late.jpg' in names(part.train)
    assert len(part.val) == 12


def test_leaks_are_counted_not_hidden():
    ratings = rows_of([4] * 10, split=lambda g, i: 'test' if i == 0 else 'drop' if g == 9 else 'train')
    part = partition(set_of(ratings, {'split': 'official'}), 'split')
    assert (part.leaks, len(part.test), part.dropped) == (9, 10, 3)
    assert partition(set_of(ratings, {'split': 'official'}, group_column=None), 'split').leaks == 0


def test_two_protocols_of_one_set_are_told_apart():
    ratings = rows_of(
        [1] * 40, official=lambda g, i: 'test' if g < 8 else 'train', random=lambda g, i: 'test' if g > 31 else 'train'
    )
    data = set_of(ratings, {'official': 'official', 'random': 'random 80/20, seed 123'})
    assert partition(data, 'official').protocol == 'official'
    assert partition(data, 'random').protocol == 'random 80/20, seed 123'
    with pytest.raises(
        InputError, match=r'set.json: "splits" does not name the protocol of column \'random\' \(named: official\)'
    ):
        partition(set_of(ratings, {'official': 'official'}), 'random')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'split_column': 'fold'}, r"set.csv: no column 'fold'; there are: ref, split, empty"),
        ({'split_column': 'empty'}, r"set.csv: column 'empty' is empty in the row of '2_0.jpg'"),
        ({'fraction': 0}, r'fraction must be > 0 and <= 1, got 0'),
        ({'fraction': 1.01}, r'fraction must be > 0 and <= 1, got 1.01'),
        ({'validation': 1}, r'validation must be a share between 0 and 1, got 1'),
        ({'validation': 0}, r'validation must be a share between 0 and 1, got 0'),
        ({'fraction': 0.05}, r"0 photos for train, needs 3 \(.* 0 train, 4 val, 12 test, groups by ref\)"),
    ],
)  # fmt: skip
def test_partition_refuses(arguments, message):
    ratings = rows_of(
        [4] * 15, split=lambda g, i: 'test' if g < 3 else 'train', empty=lambda g, i: '' if g == 2 else 'train'
    )
    with pytest.raises(InputError, match=message):
        partition(set_of(ratings, {'split': 'p', 'empty': 'p'}), **{'split_column': 'split', **arguments})


def test_too_small_a_test_part():
    ratings = rows_of([4] * 15, split=lambda g, i: 'test' if (g, i) < (0, 2) else 'train')
    with pytest.raises(InputError, match=r"split 'split': 2 photos for test, needs 3"):
        partition(set_of(ratings, {'split': 'p'}), 'split')


@pytest.fixture
def ann_file(tmp_path):
    """A prepared set of 12 groups with names and values that a careless writer would change."""
    rows = [
        {'name': f'ordner {g}/ü, "{i}".jpg', 'mos': f'{g}.50', 'ref': f'r{g}', 'note': ' 007 '}
        for g in range(12)
        for i in range(3)
    ]
    path = tmp_path / 'set.csv'
    write_set(path, SetInfo('x', (0, 20), group_column='ref', splits={}), rows)
    return path


def test_add_random_splits_keeps_everything_else(ann_file):
    before = list(csv.DictReader(ann_file.open(newline='', encoding='utf-8')))
    data = add_random_splits(ann_file, 2, 5, 0.25)
    after = list(csv.DictReader(ann_file.open(newline='', encoding='utf-8')))
    assert [
        {**row, **{c: r[c] for c in split_columns(2, 5, 0.25)}} for row, r in zip(before, after, strict=True)
    ] == after
    assert data.info.splits == dict.fromkeys(split_columns(2, 5, 0.25), 'random 75/25, seed 5, grouped by ref')
    assert read_set(ann_file) == data
    assert partition(data, 'ratio750025_seed5_split_01').leaks == 0
    assert sorted(path.name for path in ann_file.parent.iterdir()) == ['set.csv', 'set.json']


def test_splits_are_reused_and_extended(ann_file):
    first = add_random_splits(ann_file, 2)
    written = ann_file.read_bytes(), ann_file.stat().st_mtime_ns
    assert add_random_splits(ann_file, 2) == first
    assert (ann_file.read_bytes(), ann_file.stat().st_mtime_ns) == written
    more = add_random_splits(ann_file, 3)
    assert len(more.info.splits) == 3
    for old, new in zip(first.ratings, more.ratings, strict=True):
        assert old.row.items() <= new.row.items()


def test_a_column_without_its_protocol_is_adopted(ann_file):
    """What is left if the writer is killed between the two files."""
    old = info_path(ann_file).read_text()
    wanted = add_random_splits(ann_file, 1)
    info_path(ann_file).write_text(old)
    assert add_random_splits(ann_file, 1) == wanted


def torn(ann_file, part):
    """A split that tears groups: ``part(group, photo)``."""
    data = read_set(ann_file)
    parts = [part(int(r.row['ref'][1:]), i % 3) for i, r in enumerate(data.ratings)]
    return add_columns(data, {'torn': parts}, replace(data.info, splits={'torn': 'published'}))


def test_a_clean_split_keeps_the_test_part_and_has_no_leaks(ann_file):
    before = torn(ann_file, lambda g, i: 'test' if g < 2 or (g == 2 and i == 0) else 'val' if g == 3 else 'train')
    assert partition(before, 'torn').leaks == 1
    data = add_clean_split(ann_file, 'torn')
    parts = {
        part: [r.name for r in data.ratings if r.row['torn_clean'] == part] for part in ('train', 'val', 'test', 'drop')
    }
    assert parts['test'] == [r.name for r in before.ratings if r.row['torn'] == 'test']
    assert parts['drop'] == [r.name for r in before.ratings if r.row['ref'] == 'r2' and r.row['torn'] == 'train']
    assert [len(parts[part]) for part in ('train', 'val')] == [24, 3]
    assert partition(data, 'torn_clean').leaks == 0
    assert data.info.splits == {'torn': 'published', 'torn_clean': 'published, without what leaks into train'}
    assert add_clean_split(ann_file, 'torn') == data


def test_a_clean_split_says_why_not(ann_file):
    with pytest.raises(InputError, match="no split 'torn'; there are: none"):
        add_clean_split(ann_file, 'torn')
    data = torn(ann_file, lambda g, i: 'train' if i else 'test')
    with pytest.raises(InputError, match="every photo to train on in 'torn' has a relative in the test part"):
        add_clean_split(ann_file, 'torn')
    add_columns(data, {}, replace(data.info, group_column=None))
    with pytest.raises(InputError, match='names no groups, so leaks are not known'):
        add_clean_split(ann_file, 'torn')
    assert 'torn_clean' not in ann_file.read_text(encoding='utf-8')


def test_another_split_under_the_same_name_is_refused(ann_file):
    add_random_splits(ann_file, 2)
    text = ann_file.read_text(encoding='utf-8')
    swapped = re.sub(r'(train|test),(train|test)(\r?\n)', lambda m: f'{m[2]},{m[1]}{m[3]}', text)
    ann_file.write_text(swapped, encoding='utf-8', newline='')
    with pytest.raises(
        InputError, match=r"holds another split under the name 'ratio802_seed123_split_01'.*take another"
    ):
        add_random_splits(ann_file, 3)
    assert ann_file.read_text(encoding='utf-8') == swapped.replace('\r\n', '\n')


def test_a_split_drawn_before_the_groups_changed_is_refused(ann_file):
    info = info_path(ann_file)
    text = info.read_text()
    info.write_text(text.replace('"ref"', 'null'))
    add_random_splits(ann_file, 1)
    info.write_text(info.read_text().replace('"group_column": null', '"group_column": "ref"'))
    with pytest.raises(InputError, match=r'holds another split .* than .*grouped by ref.*were rows or groups changed'):
        add_random_splits(ann_file, 1)


@pytest.mark.parametrize('fails_at', [1, 2])
def test_a_failing_write_leaves_usable_files(ann_file, monkeypatch, fails_at):
    before = read_set(ann_file)
    calls = []
    rename = os.replace

    def replace(source, target):
        calls.append(target)
        if len(calls) == fails_at:
            raise OSError('disk full')
        rename(source, target)

    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(OSError, match='disk full'):
        add_random_splits(ann_file, 2)
    assert sorted(path.name for path in ann_file.parent.iterdir()) == ['set.csv', 'set.json']
    assert read_set(ann_file).info == before.info
    if fails_at == 1:
        assert read_set(ann_file) == before
    monkeypatch.setattr(os, 'replace', rename)
    assert len(add_random_splits(ann_file, 2).info.splits) == 2


def test_add_columns_refuses(ann_file):
    data = read_set(ann_file)
    with pytest.raises(InputError, match=r"column 'x' has 1 values for 36 rows"):
        add_columns(data, {'x': ['1']}, data.info)
    ann_file.write_text(ann_file.read_text(encoding='utf-8').replace(' 007 ', ' 007 ,1', 1), encoding='utf-8')
    with pytest.raises(InputError, match=r'set.csv: 5 fields, but the header has 4'):
        add_columns(data, {'x': ['1'] * 36}, data.info)
    ann_file.write_text('name,mos,ref,note\na,1,r,\n')
    with pytest.raises(InputError, match=r'36 rows were read, but now it has 1'):
        add_columns(data, {'x': ['1'] * 36}, data.info)


def test_add_columns_replaces_a_column(ann_file):
    data = read_set(ann_file)
    changed = add_columns(data, {'note': ['new'] * 36}, data.info)
    assert {rating.row['note'] for rating in changed.ratings} == {'new'}
    assert list(changed.ratings[0].row) == ['name', 'mos', 'ref', 'note']
