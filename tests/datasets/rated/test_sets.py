"""A CSV and the JSON file that says what it means."""

import json

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.sets import SetInfo, info_path, read_info, read_set, write_set

INFO = SetInfo(
    'kadid10k', (1, 5), 'DMOS', 'ref', 'distortion', {'fold': 'random 80/20, seed 1, grouped by ref'}, 'Lin et al.'
)
ROWS = [
    {'name': 'b, c.png', 'mos': '2.50', 'dmos': '3.5', 'ref': 'I02', 'distortion': '01', 'fold': 'train'},
    {'name': 'ä.png', 'mos': 5, 'dmos': 1, 'ref': 'I01', 'distortion': '25', 'fold': 'test'},
]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'new' / 'kadid10k.csv'
    write_set(file, INFO, ROWS)
    return file


def test_round_trip(path):
    data = read_set(path)
    assert data.path == path
    assert data.info == INFO
    assert [(r.name, r.mos) for r in data.ratings] == [('b, c.png', 2.5), ('ä.png', 5)]
    assert data.ratings[0].row == ROWS[0]
    assert read_set(str(path)) == data
    assert info_path(path).name == 'kadid10k.json'


def test_info_given_wins_over_the_file(path):
    other = SetInfo('other', (0, 10))
    assert read_set(path, other).info == other
    info_path(path).unlink()
    assert len(read_set(path, other).ratings) == 2


def test_defaults():
    info = SetInfo('mine', (0, 1))
    assert info.mos_range == (0.0, 1.0)
    assert (info.original_score, info.group_column, info.subset_column, dict(info.splits)) == ('MOS', None, None, {})


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'mos_range': (5, 1)}, r'mos_range must be \(low, high\) with low < high, got \(5, 1\)'),
        ({'mos_range': (1, 1)}, 'mos_range must be'),
        ({'mos_range': (float('nan'), 1)}, 'mos_range must be'),
        ({'original_score': 'dmos'}, "original_score must be 'MOS' or 'DMOS', got 'dmos'"),
    ],
)
def test_bad_info(fields, message):
    with pytest.raises(InputError, match=message):
        SetInfo(**{'name': 'x', 'mos_range': (0, 1), **fields})


def test_missing_files(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such CSV of scores: .*none\.csv'):
        read_set(tmp_path / 'none.csv')
    info_path(path).unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r'kadid10k\.json, which says what the scores in kadid10k\.csv mean; mmqpt prepare-dataset',
    ):
        read_set(path)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"name": "x"', r'kadid10k\.json: '),
        ('{"name": "x"}', r'kadid10k\.json: .*missing 1 required .*mos_range'),
        ('{"name": "x", "mos_range": [0, 1], "colour": 1}', "unexpected keyword argument 'colour'"),
        ('{"name": "x", "mos_range": [1, 0]}', r'kadid10k\.json: mos_range must be'),
        ('{"name": "x", "mos_range": 1}', r'kadid10k\.json: '),
        ('[1]', r'kadid10k\.json: '),
    ],
)
def test_bad_json(path, text, message):
    info_path(path).write_text(text)
    with pytest.raises(InputError, match=message):
        read_info(path)


def test_columns_that_the_info_names_must_be_there(path):
    fields = json.loads(info_path(path).read_text())
    for change in ({'group_column': 'cluster'}, {'subset_column': 'cluster'}, {'splits': {'cluster': 'x'}}):
        info_path(path).write_text(json.dumps({**fields, **change}))
        with pytest.raises(InputError, match="no column 'cluster'; there are: name, mos, dmos, ref"):
            read_set(path)


def test_a_name_twice(path):
    write_set(path, INFO, [ROWS[0], ROWS[1], ROWS[0]])
    with pytest.raises(InputError, match=r"'b, c\.png' is listed twice"):
        read_set(path)


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([], r'x\.csv: no rows to write'),
        ([{'mos': 1, 'name': 'a'}], r"first two columns must be 'name' and 'mos', got \['mos', 'name'\]"),
        (
            [{'name': 'a', 'mos': 1}, {'name': 'b', 'mos': 1, 'x': 2}],
            r"row of 'b' has the columns .*'x'.*the first row",
        ),
        ([{'name': 'a', 'mos': 1, 'x': 0}, {'name': 'b', 'mos': 1}], "row of 'b' has the columns"),
    ],
)
def test_rows_that_are_not_written(tmp_path, rows, message):
    with pytest.raises(InputError, match=message):
        write_set(tmp_path / 'x.csv', SetInfo('x', (0, 1)), rows)
    assert not (tmp_path / 'x.csv').exists()


def test_rating_scales(tmp_path):
    path = tmp_path / 's.csv'
    write_set(path, SetInfo('s', (0, 5), scale_column='distortion'), ROWS)
    assert read_info(path).scale_column == 'distortion'
    info_path(path).write_text(json.dumps({'name': 's', 'mos_range': [0, 5], 'scale_column': 'nothing'}))
    with pytest.raises(InputError, match="no column 'nothing'"):
        read_set(path)
    info_path(path).write_text(json.dumps({'name': 's', 'mos_range': [0, 5]}))  # as older versions wrote it
    assert read_info(path).scale_column is None
