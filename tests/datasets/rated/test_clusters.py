"""Clusters in files; tests/cli/test_find_duplicates.py and test_make_photo_list.py run the commands."""

import numpy as np
import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.clusters import add_clusters, draw_pairs, read_clusters, write_clusters
from mmqpt.datasets.rated.duplicates import Fingerprints, Pairs
from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set

PAIR = Pairs(np.array([0]), np.array([2]), np.array([3]), np.array([0.9]))


@pytest.fixture
def prints():
    names = ['a.png', 'b.png', 'c.png']
    return Fingerprints(names, np.zeros((3, 256), bool), np.zeros((3, 16, 16), np.uint8), {'d.png': 'damaged'})


def test_a_file_of_clusters_is_read_as_written(prints, tmp_path):
    path = tmp_path / 'new' / 'clusters.csv'
    write_clusters(path, prints, ['1', '2', '1'])
    assert read_clusters(path) == {'a.png': '1', 'b.png': '2', 'c.png': '1', 'd.png': 'd.png'}
    assert path.read_text().splitlines()[1:3] == ['a.png,1,2', 'b.png,2,1']


def test_clusters_join_the_groups_of_a_set(prints, tmp_path):
    path = tmp_path / 'set.csv'
    rows = [
        {'name': f'{name}.png', 'mos': 1, 'ref': ref} for name, ref in (('a', 'x'), ('b', 'y'), ('c', 'z'), ('e', 'z'))
    ]
    write_set(path, SetInfo('x', (0, 9), group_column='ref'), rows)
    first, second, third, fourth = add_clusters(read_set(path), prints, PAIR)
    assert first == third == fourth != second
    assert read_set(path).info.group_column == 'cluster'


def test_another_column_of_that_name_is_not_replaced(prints, tmp_path):
    write_set(tmp_path / 'set.csv', SetInfo('x', (0, 9)), [{'name': 'a.png', 'mos': 1, 'cluster': 'mine'}])
    with pytest.raises(InputError, match="has a column 'cluster' already"):
        add_clusters(read_set(tmp_path / 'set.csv'), prints, PAIR)


def test_sheet(prints, tmp_path):
    for name in prints.names:
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    assert draw_pairs(tmp_path / 'new' / 'sheet.png', tmp_path, prints, PAIR) == 1
    assert Image.open(tmp_path / 'new' / 'sheet.png').size == (5 * 264, 156)
    none = Pairs(*(part[:0] for part in (PAIR.first, PAIR.second, PAIR.distance, PAIR.correlation)))
    assert draw_pairs(tmp_path / 'none.png', tmp_path, prints, none) == 0
    assert not (tmp_path / 'none.png').exists()
