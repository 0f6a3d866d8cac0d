"""mmqpt make-shards as a user runs it, also when it is killed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mmqpt.datasets.photos.shard_run import ShardArguments, make_shards
from mmqpt.datasets.photos.shards import PhotoShards
from tests.datasets.photos.test_tar_index import make_tar

ROOT = Path(__file__).parent.parent.parent
LOAD = [{'type': 'LoadPhoto'}]


@pytest.fixture
def tool(run_command):
    return partial(run_command, 'make-shards')


@pytest.fixture(scope='module')
def many(photo_folder, tmp_path_factory):
    """120 photos that take long enough to be stopped, and the files of their shards."""
    folder = tmp_path_factory.mktemp('many')
    (folder / 'photos').mkdir()
    paths = sorted(photo_folder.iterdir())
    for number in range(120):
        os.link(paths[number % 6], folder / 'photos' / f'{number:03d}.jpg')
    make_shards(folder / 'photos', folder / 'out', ShardArguments(None, 2), workers=1)
    return folder / 'photos', files(folder / 'out')


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_make_verify_and_repair(tool, photo_folder, tmp_path):
    out = tmp_path / 'new' / 'shards'
    done = tool(photo_folder, out, '--photos-per-shard', 4, '--workers', 1)
    assert done.returncode == 0, done.err
    assert done.out.startswith(f'{out}: 6 photos in 2 shards, ')
    assert 'warning' not in done.err
    assert tool('--verify', out).out == f'{out}: 2 shards with 6 photos are as they were written\n'
    before = files(out)
    (out / 'photos-000001.tar').write_bytes(before['photos-000001.tar'].replace(b'000000005', b'000000006'))
    done = tool('--verify', out)
    assert done.returncode == 2
    assert 'photos-000001.tar: differs from what was written' in done.out
    assert 'shards: 1 files are not as they were written; remove those shards, and the command' in done.err
    (out / 'photos-000001.tar').unlink()
    assert tool(photo_folder, out, '--photos-per-shard', 4, '--workers', 1).returncode == 0
    assert files(out) == before


def test_unreadable_photos_and_a_list(tool, photo_folder, tmp_path):
    photos = shutil.copytree(photo_folder, tmp_path / 'photos')
    (photos / 'bad.jpg').write_bytes(b'bad')
    (tmp_path / 'list.txt').write_text('bad.jpg\ncoffee_0.jpg\n')
    options = [photos, tmp_path / 'out', '--list', tmp_path / 'list.txt', '--shard-size', '20 MB', '--workers', 1]
    done = tool(*options)
    assert done.returncode == 2
    assert 'unreadable.csv: 1 of 2 photos are unreadable' in done.err
    done = tool(*options, '--max-unreadable', 0.5)
    assert done.returncode == 0
    assert 'warning: 1 unreadable photos were left out' in done.err
    assert done.out.endswith(', 1 unreadable\n')
    done = tool(*options, '--seed', 1)
    assert done.returncode == 2
    assert 'was begun with seed 0, not 1' in done.err


def test_index_of_foreign_tars(tool, photo_folder, tmp_path):
    data = min(photo_folder.iterdir()).read_bytes()
    for name in ('00000.tar', '00001.tar'):
        make_tar(tmp_path / name, [('a.jpg', data), ('a.txt', b'words')])
    make_tar(tmp_path / '00002.tar', [('a.txt', b'words')])
    done = tool('--index', tmp_path)
    assert done.out == '2 photos in 3 shards\n'
    assert 'warning: no photos in ' in done.err
    assert len(list(tmp_path.glob('*.index.npy'))) == 3
    dataset = PhotoShards(str(tmp_path), LOAD)
    assert len(dataset) == 2
    assert dataset.block_sizes == [1, 1]
    (tmp_path / '00001.tar').write_bytes(b'no tar')
    done = tool('--index', tmp_path / '00001.tar')
    assert done.returncode == 2
    assert '00001.tar: not a tar' in done.err


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'needs SOURCE and OUT'),
        (['photos'], 'needs SOURCE and OUT'),
        (['photos', '--verify', 'out'], 'take no SOURCE'),
        (['nowhere', 'out'], 'no such folder: nowhere'),
        (['photos', 'out', '--shard-size', '3 boxes'], "'3 boxes' is not a size such as 1GB"),
        (['photos', 'out', '--shard-size', '0'], 'shard_size must be >= 1, got 0'),
        (['--verify', 'nowhere'], 'no such manifest: nowhere'),
        (['--index', 'nowhere.tar'], 'no such shard: nowhere.tar'),
    ],
)
def test_mistakes_get_one_sentence(tool, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    done = tool(*options)
    assert done.returncode == 2
    assert message in done.err.splitlines()[-1]


def start(photos, out):
    command = [
        sys.executable,
        '-m',
        'mmqpt',
        'make-shards',
        str(photos),
        str(out),
        '--photos-per-shard',
        '2',
        '--workers',
        '2',
    ]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell makes it deaf
    )  # fmt: skip


def group_is_gone(number):
    """Whether no process of a session is left; waits for it."""
    for _ in range(100):
        try:
            os.killpg(number, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not hasattr(os, 'killpg'), reason='needs process groups')
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT])
def test_stopped_in_the_middle_and_run_again(many, tmp_path, how):
    photos, undisturbed = many
    out = tmp_path / 'out'
    run = start(photos, out)
    while not list(out.glob('photos-*.tar')):
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.005)
    os.kill(run.pid, how)
    _, said = run.communicate(timeout=60)
    assert group_is_gone(run.pid)
    made = len(list(out.glob('photos-*.tar')))
    assert 0 < made < 60
    assert not (out / 'manifest.json').exists()
    if how == signal.SIGINT:
        assert run.returncode == 130
        assert said.splitlines()[-1] == 'stopped; finished shards are kept, and the same command resumes'
        assert not list(out.rglob('.*partial*'))
    again = start(photos, out)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert files(out) == undisturbed
    assert not list(out.rglob('.*partial*'))
