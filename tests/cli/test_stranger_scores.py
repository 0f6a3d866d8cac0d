"""Files of scores from strangers: names that are no text, scores that are no numbers."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from mmqpt.cli.report_page import write_page
from mmqpt.cli.results import read_scores
from mmqpt.cli.terminal import printable
from mmqpt.core.errors import InputError


@pytest.mark.parametrize(
    'line',
    [
        '{"path": 7, "score": 0.5, "error": null}',
        '{"path": "a.jpg", "score": 0.5, "error": {"a": 1}}',
        '{"path": "a.jpg", "score": [1]}',
        '{"path": "a.jpg", "score": NaN}',
        '{"path": "a.jpg", "score": 1e999}',
        '{"path": "a.jpg", "score": ' + '9' * 400 + '}',
        '{"path": "a.jpg", "score": ' + '9' * 5000 + '}',
        '["path", "score"]',
        '[' * 100_000,
        '"path"',
    ],
)
def test_rows_that_are_none(line, tmp_path):
    (tmp_path / 's.jsonl').write_text(line + '\n')
    with pytest.raises(InputError, match=r's\.jsonl: .*(line 1|limit)'):
        read_scores(str(tmp_path / 's.jsonl'))


@pytest.mark.parametrize('score', ['nan', 'inf', '"' + 'x' * 200_000 + '"'])
def test_csv_scores_that_are_none(score, tmp_path):
    (tmp_path / 's.csv').write_text(f'path,score\na.jpg,{score}\n')
    with pytest.raises(InputError, match=r's\.csv: .*(line 2: the score .* is not a finite number|field limit)'):
        read_scores(str(tmp_path / 's.csv'))


def test_meta_that_nests_without_end(tmp_path):
    (tmp_path / 's.csv').write_text('path,score\na.jpg,0.5\n')
    (tmp_path / 's.csv.meta.json').write_text('[' * 100_000)
    with pytest.raises(InputError, match=r's\.csv\.meta\.json: not a JSON object'):
        read_scores(str(tmp_path / 's.csv'))


def test_parquet_of_other_types(tmp_path):
    pa, pq = pytest.importorskip('pyarrow'), pytest.importorskip('pyarrow.parquet')
    pq.write_table(pa.table({'path': [1], 'score': ['x'], 'error': [None]}), tmp_path / 's.parquet')
    with pytest.raises(InputError, match=r's\.parquet: its columns must be texts and numbers'):
        read_scores(str(tmp_path / 's.parquet'))


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('\ud800.jpg', r'\ud800.jpg'),  # JSON can hold half a character, a file system can't
        (os.fsdecode(b'\xff.jpg'), r'\xff.jpg'),
        ('\x1b[31m.jpg', r'\x1b[31m.jpg'),
        ('a\u202egpj.exe', r'a\u202egpj.exe'),
        ('\u00e9 \u732b.jpg', '\u00e9 \u732b.jpg'),
    ],
)
def test_any_name_can_be_shown(name, shown):
    assert printable(name) == shown
    assert printable(name).isprintable()


META = {'weights': 'q', 'view': {'min_side': 1}, 'mos_range': [1, 5], 'folder': '/', 'dataset': None}


@pytest.mark.parametrize(
    'key', ['weights', 'weights_sha256', 'view', 'backbone', 'dataset', 'mos_range', 'folder', 'kind']
)
@pytest.mark.parametrize(
    'value', ['ab', 7, -1.5, True, [], [1], [1, 'x'], [1, 1e400], {}, {'a': [1]}, 'a\0b', [[1], [2]]]
)
def test_what_lies_beside_scores_may_be_anything(key, value, tmp_path):
    """It is taken as it is, or refused by one sentence; the page is made of what was taken."""
    (tmp_path / 's.csv').write_text('path,score,error\na.jpg,0.5,\n')
    (tmp_path / 's.csv.meta.json').write_text(json.dumps({**META, key: value}))
    refused = None
    try:
        rows, meta = read_scores(str(tmp_path / 's.csv'))
    except InputError as error:
        refused = str(error)
    else:
        assert meta[key] == value
        write_page(str(tmp_path / 'p.html'), 'x', rows, meta, str(meta.get('folder') or ''))
    assert refused is None or f's.csv.meta.json: {key} must be ' in refused


@pytest.mark.parametrize('text', ['', '[]', '7', 'null', '"x"', '{', '[' * 100_000, '\udcff', '9' * 5000])
def test_what_lies_beside_scores_is_no_object(text, tmp_path):
    (tmp_path / 's.csv').write_text('path,score,error\na.jpg,0.5,\n')
    (tmp_path / 's.csv.meta.json').write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(InputError, match=r's\.csv\.meta\.json: not a JSON object'):
        read_scores(str(tmp_path / 's.csv'))


def parquet(file, **columns):
    pa = pytest.importorskip('pyarrow')
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), file, compression='zstd')
    return str(file)


def test_a_small_parquet_with_many_rows_is_refused(tmp_path):
    count = 3_000_000
    pa = pytest.importorskip('pyarrow')
    path = parquet(
        tmp_path / 's.parquet', path=pa.array(['a.jpg']).take(pa.array(np.zeros(count, np.int32))),
        score=np.zeros(count), error=pa.nulls(count, pa.string()),
    )  # fmt: skip
    assert os.path.getsize(path) < 100_000
    with pytest.raises(InputError, match=r's\.parquet: refused, 3000000 rows in \d+ bytes \(at most 100000\)'):
        read_scores(path)


def test_a_small_parquet_with_long_texts_is_refused(tmp_path):
    pa = pytest.importorskip('pyarrow')
    names = pa.array(['a' * 100_000]).take(pa.array(np.zeros(1_000, np.int32)))  # 100 MB, stored once
    path = parquet(tmp_path / 's.parquet', path=names, score=np.zeros(1_000), error=pa.nulls(1_000, pa.string()))
    assert os.path.getsize(path) < 100_000
    with pytest.raises(InputError, match=r's\.parquet: refused, its texts have more than \d+ bytes'):
        read_scores(path)


def test_a_parquet_without_the_columns(tmp_path):
    with pytest.raises(InputError, match=r's\.parquet: not a Parquet file of scores \(no column score, error\)'):
        read_scores(parquet(tmp_path / 's.parquet', path=['a']))


def test_a_damaged_parquet_does_not_end_the_process(tmp_path):
    """Found by fuzzing: pyarrow aborts when it is asked for the metadata of a column whose histogram is damaged."""
    path = parquet(tmp_path / 's.parquet', path=['a.jpg', 'b.jpg'], score=[0.5, None], error=[None, 'gone'])
    code = (
        'import sys\nfrom mmqpt.cli.results import read_scores\n'
        'data = open(sys.argv[1], "rb").read()\n'
        'for at in range(len(data) - 700, len(data), 7):\n'
        '    for value in (0, 1, 127, 255):\n'
        '        open(sys.argv[1], "wb").write(data[:at] + bytes([value]) + data[at + 1:])\n'
        '        try: read_scores(sys.argv[1])\n'
        '        except ValueError: pass\n'
    )
    done = subprocess.run([sys.executable, '-c', code, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]


def test_a_parquet_whose_names_are_no_text(tmp_path):
    """Found by fuzzing: pyarrow does not look at the bytes of texts before Python does."""
    pa = pytest.importorskip('pyarrow')
    names = pa.array([b'\x80.jpg']).view(pa.string())
    path = parquet(tmp_path / 's.parquet', path=names, score=[0.5], error=pa.nulls(1, pa.string()))
    with pytest.raises(InputError, match=r's\.parquet: not a Parquet file of scores'):
        read_scores(path)
