"""A run that is killed or stopped loses nothing: in processes of their own."""

import os
import shutil
import signal
import time

import pytest

from mmqpt.cli.results import read_rows

COUNT = 60
SLOW = """
import mmqpt.metric.torch_scorer as s, time
batch = s.TorchScorer.score_batch
def slow(self, x):
    time.sleep(0.05)
    return batch(self, x)
s.TorchScorer.score_batch = slow
"""


@pytest.fixture
def many(photo_folder, tmp_path):
    (tmp_path / 'in').mkdir()
    paths = sorted(photo_folder.iterdir())
    for number in range(COUNT):
        shutil.copy(paths[number % 6], tmp_path / 'in' / f'{number:02d}.jpg')


def wait_for_rows(path, count):
    for _ in range(1200):
        if path.exists() and path.read_bytes().count(b'\n') > count:
            return
        time.sleep(0.05)
    pytest.fail(f'{path}: no {count} rows')


@pytest.mark.parametrize(
    ('kind', 'end'), [('csv', signal.SIGKILL), ('json', signal.SIGINT), ('parquet', signal.SIGINT)]
)
def test_resume_after_the_end_of_a_process(many, start, mmqpt, tmp_path, kind, end):
    live = tmp_path / ('out.x.partial.jsonl' if kind == 'parquet' else 'out.x')
    process = start('score', 'in', f'--{kind}', 'out.x', '--workers', 1, code=SLOW)
    wait_for_rows(live, 5)
    process.send_signal(end)
    stdout, stderr = process.communicate(timeout=60)
    assert stdout == ''
    rows = read_rows(str(tmp_path / 'out.x'), kind)  # whole, without leaving out a cut row
    assert 5 <= len(rows) < COUNT
    if end == signal.SIGINT:
        assert process.returncode == 130
        assert f'stopped: {len(rows)} of {COUNT} photos have a score in out.x' in stderr
        assert 'Traceback' not in stderr
    else:
        assert process.returncode == -signal.SIGKILL
    result = mmqpt('score', 'in', f'--{kind}', 'out.x', '--resume')
    assert result.exit_code == 0, result.stderr
    assert f'{COUNT - len(rows)} scored, 0 failed' in result.stderr
    done = read_rows('out.x', kind)
    assert [row.name for row in done] == [f'in/{number:02d}.jpg' for number in range(COUNT)]
    assert done[: len(rows)] == rows
    scores = [row.score for row in done]
    assert scores[6:] == scores[:-6]  # the same six photos over and over


def test_parquet_goes_on_after_a_kill(many, start, mmqpt, tmp_path):
    process = start('score', 'in', '--parquet', 'out.parquet', '--workers', 1, code=SLOW)
    wait_for_rows(tmp_path / 'out.parquet.partial.jsonl', 5)
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / 'out.parquet').exists()
    assert mmqpt('score', 'in', '--parquet', 'out.parquet').exit_code == 2  # is not thrown away either
    result = mmqpt('score', 'in', '--parquet', 'out.parquet', '--resume')
    assert result.exit_code == 0, result.stderr
    assert len({row.name for row in read_rows('out.parquet', 'parquet')}) == COUNT
    assert sorted(os.listdir(tmp_path)) == ['in', 'out.parquet', 'out.parquet.meta.json']


def test_a_closed_pipe_ends_it_quietly(many, start):
    process = start('score', 'in', '--workers', 1, code=SLOW)
    assert process.stdout.readline().endswith('\tin/00.jpg\n')  # lines come one by one
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    assert 'Traceback' not in process.stderr.read()
    process.stderr.close()
