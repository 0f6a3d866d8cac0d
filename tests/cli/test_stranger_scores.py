"""Files of scores from strangers: names that are no text, scores that are no numbers."""

import os

import pytest

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
