"""Over every row of the table: the original layout is read, photos are found, higher scores are better."""

import dataclasses
from pathlib import Path

import pytest

from mmqpt.datasets.rated.readers.prepare import prepare
from mmqpt.datasets.rated.readers.table import SETS
from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set

PHOTOS = {
    'bid': 4, 'clive': 5, 'koniq10k': 4, 'spaq': 4, 'flive': 4, 'biq2021': 4, 'biq2021 part': 3, 'live': 6, 'csiq': 10,
    'tid2013': 4, 'kadid10k': 4, 'pipal': 4,
}  # fmt: skip


def prepared(name: str, root):
    known = SETS[name.split(' ')[0]]
    labels = known.read(root)
    info = SetInfo(
        known.key, known.mos_range, known.score, known.group_column, known.subset_column, source=known.source
    )
    return prepare(labels, info), labels, known


@pytest.mark.parametrize('name', PHOTOS)
def test_original_layout(name, make, tmp_path):
    root = make(name)
    done, labels, known = prepared(name, root)
    assert done.left_out == []
    assert len(done.rows) == PHOTOS[name]
    assert labels.photo_root.is_relative_to(root)
    assert all((labels.photo_root / row['name']).is_file() for row in done.rows)
    low, high = known.mos_range
    for row in done.rows:
        assert low <= float(row['mos']) <= high
        if known.score == 'DMOS':
            assert float(row['mos']) == pytest.approx(low + high - float(row['dmos']), abs=1e-9)
        else:
            assert 'dmos' not in row
    for column in labels.splits:
        assert {row[column] for row in done.rows} <= {'train', 'val', 'test', 'drop'}
    assert bool(labels.splits) == bool(known.official)
    # What is written is what the data sets read.
    write_set(tmp_path / 'set.csv', done.info, done.rows)
    again = read_set(tmp_path / 'set.csv')
    assert again.info == done.info
    assert [rating.name for rating in again.ratings] == [row['name'] for row in done.rows]


@pytest.mark.parametrize('name', [key for key, row in SETS.items() if row.group_column == 'ref'])
def test_synthetic_sets_have_references_and_distortions(name, make):
    done, _, known = prepared(name, make(name))
    assert (done.info.group_column, done.info.subset_column) == ('ref', 'distortion')
    assert 1 < len({row['ref'] for row in done.rows}) < len(done.rows)
    assert all(row['distortion'] and row['ref'] for row in done.rows)
    assert known.photos > 700


def test_every_set_has_a_layout():
    assert {name.split(' ')[0] for name in PHOTOS} == set(SETS)


@pytest.mark.parametrize('key', SETS)
def test_rows_are_frozen_and_complete(key):
    row = SETS[key]
    assert row.key == key
    assert row.mos_range[0] < row.mos_range[1]
    assert row.source
    assert row.files
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.photos = 1


@pytest.mark.parametrize('key', SETS)
def test_wrong_folder_says_what_was_looked_for(key, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"looked for the (file|folder) '.*' and found nothing"):
        SETS[key].read(tmp_path)
    (tmp_path / 'readme.txt').write_text('')
    with pytest.raises(FileNotFoundError, match=r'looked for .* and found readme\.txt'):
        SETS[key].read(tmp_path)
    with pytest.raises(FileNotFoundError, match='no such folder: nowhere'):
        SETS[key].read(Path('nowhere'))
