"""mmqpt make-splits as a user runs it."""

from functools import partial
from pathlib import Path

import pytest

from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def tool(run_command):
    return partial(run_command, 'make-splits')


@pytest.fixture
def ann_file(tmp_path):
    """Ten groups of two photos; one group in no part of the official split."""
    rows = [
        {'name': f'{g}{i}.jpg', 'mos': g, 'ref': f'r{g}', 'official': ['test', 'drop', 'train'][min(g, 2)]}
        for g in range(10)
        for i in 'ab'
    ]
    path = tmp_path / 'set.csv'
    write_set(path, SetInfo('x', (0, 9), group_column='ref', splits={'official': 'official'}), rows)
    return path


def test_table_and_file(tool, ann_file):
    done = tool(ann_file, '--count', 2, '--seed', 7, '--test-share', 0.3)
    assert done.returncode == 0, done.err
    lines = done.out.splitlines()
    assert lines[1] == '| split | protocol | part | photos | groups | mean MOS |'
    assert '| official | official | train | 16 | 8 | 5.5 |' in lines
    assert '| official | official | drop | 2 | 1 | 1 |' in lines
    split = 'ratio703_seed7_split_02 | random 70/30, seed 7, grouped by ref'
    assert (
        sum(line.startswith((f'| {split} | train | 14 | 7 | ', f'| {split} | test | 6 | 3 | ')) for line in lines) == 2
    )
    assert list(read_set(ann_file).info.splits) == [
        'official', 'ratio703_seed7_split_01', 'ratio703_seed7_split_02'
    ]  # fmt: skip
    before = ann_file.read_bytes()
    assert tool(ann_file, '--count', 2, '--seed', 7, '--test-share', 0.3).out == done.out
    assert ann_file.read_bytes() == before


def test_mistakes_end_with_one_sentence(tool, ann_file, tmp_path):
    for arguments, message in (
        ([tmp_path / 'none.csv'], 'no such CSV of scores'),
        ([ann_file, '--test-share', '0'], 'test_share must be a whole number of percent'),
        ([ann_file, '--count', '0'], 'count of splits must be >= 1, got 0'),
    ):
        done = tool(*arguments)
        assert (done.returncode, 'Traceback' in done.err) == (2, False)
        assert message in done.err


def test_without_leaks(tool, ann_file):
    text = ann_file.read_text().replace('2a.jpg,2,r2,train', '2a.jpg,2,r2,test')
    ann_file.write_text(text)
    done = tool(ann_file, '--without-leaks', 'official')
    assert done.returncode == 0, done.err
    assert '| official_clean | official, without what leaks into train | drop | 3 | 2 | 1.333 |' in done.out
    assert not any('ratio' in split for split in read_set(ann_file).info.splits)
    assert tool(ann_file, '--without-leaks', 'new').returncode == 2
