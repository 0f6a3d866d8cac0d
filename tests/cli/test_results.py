"""Rows of the files of scores, and what is wrong with files that are none."""

import shutil

import pytest

from mmqpt.cli.results import ResultFile, encode, read_rows, read_scores
from mmqpt.core.errors import InputError
from mmqpt.metric.score_many import Scored

ROWS = [
    Scored('a.jpg', 0.1 + 0.2, None, ('blank', 'nearly black')),
    Scored('b,"\n\r\u2028ü.jpg', None, 'b: "bad", very'),
    Scored('c', 1e-9),
]


def write(path, kind, rows):
    path.write_bytes(
        (b'path,score,error,flags\n' if kind == 'csv' else b'') + b''.join(encode(row, kind) for row in rows)
    )


@pytest.mark.parametrize('kind', ['csv', 'json'])
def test_rows_come_back_from_every_cut(tmp_path, kind):
    path = tmp_path / 'rows'
    write(path, kind, ROWS)
    data = path.read_bytes()
    assert read_rows(str(path), kind) == ROWS
    head = len(b'path,score,error,flags\n') if kind == 'csv' else 0
    ends = [head + sum(len(encode(row, kind)) for row in ROWS[:n]) for n in range(4)]
    for length in range(head, len(data) + 1):
        path.write_bytes(data[:length])
        whole = max(n for n in range(4) if ends[n] <= length)
        assert read_rows(str(path), kind, cut=True) == ROWS[:whole]


def test_the_last_row_of_a_photo_counts_and_other_columns_are_left_out(tmp_path):
    path = tmp_path / 'x.csv'
    path.write_text('score,path,group\n0.5,a.jpg,x\n0.25,./a.jpg,x\n,b.jpg,y\n')
    assert read_scores(str(path)) == ([Scored('./a.jpg', 0.25), Scored('b.jpg', None, 'no score')], {})


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('x.csv', 'name,mos\na,1\n', 'its columns must be path, score, error'),
        ('x.csv', 'path,score,error\na,b,\n', "line 2: the score 'b' is not a number"),
        ('x.csv', 'path,score,error\na\n', 'line 2: a row of another length'),
        ('x.jsonl', '{"path": "a", "score": 1}\n[]\n', 'line 2: not an object with path'),
        ('x.jsonl', '{"path": "a"\n', 'line 1: not an object'),
        ('x.txt', '', 'must end with one of .csv'),
        ('x.parquet', 'PAR1', 'not a Parquet file of scores'),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=rf'(?s){name}.*{said}'):
        read_scores(str(tmp_path / name))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.csv'):
        read_scores(str(tmp_path / 'none.csv'))


def open_file(folder, kind):
    folder.mkdir()
    return ResultFile(str(folder / f'x.{kind}'), kind, {}, False, False, [])


KINDS = ['csv', 'json', 'parquet']


@pytest.mark.parametrize('kind', KINDS)
def test_a_folder_that_vanishes_is_an_error_at_the_next_row(tmp_path, kind):
    file = open_file(tmp_path / 'o', kind)
    file.add(ROWS[0])
    shutil.rmtree(tmp_path / 'o')
    with pytest.raises(InputError, match='removed, moved or replaced while it was written'):
        file.add(ROWS[1])


def rename(path):
    path.rename(path.with_name('other'))


def replace(path):
    path.unlink()
    path.write_bytes(b'')


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('change', [lambda path: path.unlink(), rename, replace, lambda path: rename(path.parent)])
def test_a_file_that_vanishes_after_the_last_row_is_an_error_at_the_end(tmp_path, kind, change):
    file = open_file(tmp_path / 'o', kind)
    file.add(ROWS[0])
    change(next(path for path in (tmp_path / 'o').iterdir() if not path.name.endswith('meta.json')))
    with pytest.raises(InputError, match='removed, moved or replaced while it was written'):
        file.close()
    file.close()  # again, as contextlib.closing does


@pytest.mark.parametrize('kind', KINDS)
def test_what_stays_is_closed_twice(tmp_path, kind):
    file = open_file(tmp_path / 'o', kind)
    file.add(ROWS[0])
    file.close()
    file.close()
    assert read_scores(file.path)[0] == ROWS[:1]
