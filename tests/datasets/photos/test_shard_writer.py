"""One shard: which bytes, which names, what is left out."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.datasets.photos import shard_writer
from mmqpt.datasets.photos.shard_files import STATE
from mmqpt.datasets.photos.shard_writer import ShardJob, photo_suffix, write_shard
from mmqpt.datasets.photos.shards import PhotoShards


@pytest.fixture
def job(tmp_path):
    """A job for photos that the test writes to ``photos``."""

    def make(*names, **options):
        (tmp_path / 'out' / STATE).mkdir(parents=True, exist_ok=True)
        return ShardJob(
            str(tmp_path / 'out'), 3, str(tmp_path / 'photos'), names, **{'first': 7, 'max_unopened': 0.05, **options}
        )

    (tmp_path / 'photos').mkdir()
    return make


def photo(path, suffix='PNG', size=(9, 6)):
    Image.fromarray(np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(size[1], size[0], 3)).save(path, suffix)
    return path.read_bytes()


def rows_of(path):
    with path.open(newline='', encoding='utf-8', errors='surrogateescape') as file:
        return list(csv.DictReader(file))


def test_suffix_is_that_of_the_content(tmp_path):
    heif = pytest.importorskip('pillow_heif')
    wanted = {
        'JPEG': '.jpg',
        'PNG': '.png',
        'WEBP': '.webp',
        'TIFF': '.tif',
        'GIF': '.gif',
        'BMP': '.bmp',
        'PPM': '.ppm',
    }
    for kind, suffix in wanted.items():
        assert photo_suffix(photo(tmp_path / 'any.jpg', kind)) == suffix
    heif.from_pillow(Image.new('RGB', (64, 64))).save(tmp_path / 'x.heic')
    assert photo_suffix((tmp_path / 'x.heic').read_bytes()) == '.heic'


def test_odd_names_and_unreadable_photos(job, tmp_path):
    names = ['a, "b".jpg', 'line\nbreak\r.jpg', os.fsdecode(b'caf\xe9.jpg'), 'bad.jpg', 'fin.jpg']
    stored = [photo(tmp_path / 'photos' / name) for name in names]
    (tmp_path / 'photos' / 'bad.jpg').write_bytes(stored[0][:40])
    record = write_shard(job(*names, 'gone.jpg'))
    assert record.photos == 4
    assert [name for name, _ in record.unreadable] == ['bad.jpg', 'gone.jpg']
    assert record.unreadable[1][1] == "gone.jpg: can't be opened (No such file or directory)"
    rows = rows_of(tmp_path / 'out' / 'photos-000003.csv')
    assert [row['member'] for row in rows] == [f'{number:09d}.png' for number in (7, 8, 9, 11)]  # a gap for bad.jpg
    assert [row['name'] for row in rows] == [name for name in names if name != 'bad.jpg']
    assert [(row['width'], row['height']) for row in rows] == [('9', '6')] * 4
    dataset = PhotoShards(str(tmp_path / 'out' / '*.tar'), [{'type': 'LoadPhoto'}])
    assert [dataset.read(index) for index in range(4)] == [stored[0], stored[1], stored[2], stored[4]]
    said = json.loads((tmp_path / 'out' / STATE / 'photos-000003.json').read_text())
    assert said['sha256'] == record.sha256
    assert said['unreadable'] == [list(pair) for pair in record.unreadable]


def test_a_disk_that_is_gone_leaves_no_shard(job, tmp_path, monkeypatch):
    monkeypatch.setattr(shard_writer, 'FEW_UNOPENED', 1)
    photo(tmp_path / 'photos' / 'a.png')
    with pytest.raises(InputError, match=r"photos-000003\.tar: 2 of its 3 photos can't be opened \(is .*photos still"):
        write_shard(job('a.png', 'b.png', 'c.png'))
    assert os.listdir(tmp_path / 'out') == [STATE]
    assert write_shard(job('a.png', 'b.png', 'c.png', max_unopened=0.7)).photos == 1


@pytest.mark.parametrize('at', range(4))
def test_a_full_disk_leaves_no_half_shard(job, tmp_path, monkeypatch, at):
    """The tar, the index, the CSV and the state file: whichever is refused, the shard is not there."""
    photo(tmp_path / 'photos' / 'a.png')
    calls, fsync = [], os.fsync

    def full(handle):
        calls.append(handle)
        if len(calls) > at:
            raise OSError(28, 'No space left on device')
        fsync(handle)

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(
        InputError,
        match=r"photos-000003\.tar: can't be written \(No space left on device\); run the same command again",
    ):
        write_shard(job('a.png'))
    assert not (tmp_path / 'out' / STATE / 'photos-000003.json').exists()
    assert not list((tmp_path / 'out').rglob('.*partial*'))
    monkeypatch.undo()
    write_shard(job('a.png'))
    assert len(PhotoShards(str(tmp_path / 'out' / '*.tar'), [{'type': 'LoadPhoto'}])) == 1


def test_progress(job, tmp_path):
    for name in 'ab':
        photo(tmp_path / 'photos' / name)
    done = []
    write_shard(job('a', 'gone', 'b'), done.append)
    assert done[-1] == 3
    assert done == sorted(done)


def test_partial_names_are_hidden(tmp_path):
    """What is half-written is found and removed by this pattern."""
    with replacing(tmp_path / 'photos-000000.tar') as partial:
        open(partial, 'w').close()
        assert list(tmp_path.glob('.*.partial*'))
        assert not list(tmp_path.glob('[!.]*'))
