"""Shards of a folder: the same bytes however they were made, and nothing lost when a run stops."""

import csv
import json
import os
import shutil

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos import shard_run
from mmqpt.datasets.photos.shard_files import STATE
from mmqpt.datasets.photos.shard_run import ShardArguments, cut_into_shards, locked, make_shards, mixed


@pytest.fixture
def folder(photo_folder, tmp_path):
    """A copy of the six photos to change."""
    return shutil.copytree(photo_folder, tmp_path / 'photos')


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_order_is_mixed_and_the_same_for_all_time():
    names = [f'{number:02d}.jpg' for number in range(12)]
    assert mixed(names, 0) == mixed(reversed(names), 0)
    assert sorted(mixed(names, 0)) == names
    assert len({tuple(mixed(names, seed)) for seed in range(5)} | {tuple(names)}) == 6
    assert mixed(names, 0)[:4] == ['03.jpg', '08.jpg', '10.jpg', '04.jpg']  # by printf 0/03.jpg | sha256sum


def test_groups_by_size_and_by_number():
    names = list('abcdef')
    sizes = dict(zip(names, (100, 512, 513, 5000, 1, 0), strict=True))

    def groups(**options):
        return [''.join(part) for part in cut_into_shards(names, sizes, ShardArguments(**options))]

    assert groups(shard_size=None, photos_per_shard=4) == ['abcd', 'ef']
    assert groups(shard_size=2048) == ['ab', 'c', 'd', 'ef']
    assert groups(shard_size=2047) == ['a', 'b', 'c', 'd', 'ef']
    assert groups(shard_size=10**6) == ['abcdef']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'shard_size': None}, 'give either shard_size or photos_per_shard'),
        ({'photos_per_shard': 3}, 'give either shard_size or photos_per_shard'),
        ({'shard_size': 0}, 'shard_size must be >= 1, got 0'),
        ({'seed': -1}, 'seed must be >= 0, got -1'),
    ],
)
def test_arguments(options, message):
    with pytest.raises(InputError, match=message):
        ShardArguments(**options)


def test_manifest_and_csv(shard_folder, photo_folder):
    manifest = json.loads((shard_folder / 'manifest.json').read_text())
    assert manifest['photos'] == 6
    assert [shard['photos'] for shard in manifest['shards']] == [4, 2]
    assert manifest['bytes'] == sum(path.stat().st_size for path in shard_folder.glob('*.tar'))
    names = []
    for path in sorted(shard_folder.glob('photos-*.csv')):
        with path.open(newline='') as file:
            names += [row['name'] for row in csv.DictReader(file)]
    assert names == mixed((path.name for path in photo_folder.iterdir()), 0)
    assert (shard_folder / 'unreadable.csv').read_text().split() == ['name,reason']


@pytest.mark.parametrize('workers', [1, 2])
def test_a_rerun_makes_what_is_missing(folder, shard_folder, make_small, tmp_path, workers):
    out = make_small(folder, tmp_path / 'out', workers=workers)
    assert files(out) == files(shard_folder)
    kept = (out / 'photos-000000.tar').stat()
    (out / 'photos-000001.tar').unlink()
    (out / '.photos-000001.0123abcd.partial.tar').write_bytes(b'half')
    (out / STATE / '.photos-000001.0123abcd.partial.json').write_bytes(b'half')
    assert make_small(folder, out, workers=workers) == out
    assert files(out) == files(shard_folder)
    after = (out / 'photos-000000.tar').stat()
    assert (after.st_ino, after.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)


def test_no_manifest_while_it_is_not_finished(folder, make_small, tmp_path, monkeypatch):
    out = make_small(folder, tmp_path / 'out')
    (out / 'photos-000001.tar').unlink()

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shard_run, 'write_shard', stop)
    with pytest.raises(KeyboardInterrupt):
        make_small(folder, out)
    assert not (out / 'manifest.json').exists()


def test_other_arguments_or_photos_are_refused(folder, make_small, tmp_path):
    out = make_small(folder, tmp_path / 'out')
    before = files(out)
    with pytest.raises(InputError, match='out: was begun with photos_per_shard 4, not 5; give the same'):
        make_small(folder, out, 5)
    with pytest.raises(InputError, match='was begun with seed 0, not 1'):
        make_shards(folder, out, ShardArguments(None, 4, seed=1))
    with pytest.raises(InputError, match='was begun with shard_size None, not 1000'):
        make_shards(folder, out, ShardArguments(1000))
    shutil.copy(folder / 'coffee_0.jpg', folder / 'new.jpg')
    with pytest.raises(InputError, match='was begun with photos 6, not 7'):
        make_small(folder, out)
    (folder / 'coffee_0.jpg').unlink()
    with pytest.raises(InputError, match=r'was begun with other photos \(names or sizes\)'):
        make_small(folder, out)
    assert files(out) == before


def test_a_folder_of_something_else_is_left_alone(folder, make_small, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'notes.txt').touch()
    with pytest.raises(InputError, match=r'out: holds notes\.txt and was not begun by mmqpt make-shards'):
        make_small(folder, tmp_path / 'out')
    assert os.listdir(tmp_path / 'out') == ['notes.txt']
    with pytest.raises(InputError, match=r"notes\.txt/.*: can't be written \(Not a directory\)"):
        make_small(folder, tmp_path / 'out' / 'notes.txt')


def test_one_run_at_a_time(folder, make_small, tmp_path):
    out = make_small(folder, tmp_path / 'out')
    with locked(out), pytest.raises(InputError, match='out: another run is making shards here'):
        make_small(folder, out)


def test_a_listed_photo_is_stored_once(folder, make_small, tmp_path):
    (tmp_path / 'list.txt').write_text('coffee_0.jpg\nchelsea_1.jpg\ncoffee_0.jpg\n')
    with pytest.raises(InputError, match=r'list\.txt: 1 photos are listed twice'):
        make_small(folder, tmp_path / 'out', ann_file=tmp_path / 'list.txt')
    (tmp_path / 'list.txt').write_text('coffee_0.jpg\nchelsea_1.jpg\n')
    out = make_small(folder, tmp_path / 'out', ann_file=tmp_path / 'list.txt')
    assert json.loads((out / 'manifest.json').read_text())['photos'] == 2


def test_unreadable_photos_are_listed_and_limited(folder, make_small, tmp_path):
    (folder / 'bad, bad.jpg').write_bytes(b'bad')
    with pytest.raises(InputError, match=r'unreadable\.csv: 1 of 7 photos are unreadable, more than the share'):
        make_small(folder, tmp_path / 'out')
    out = make_small(folder, tmp_path / 'out', max_unreadable=0.2)  # goes on from there
    manifest = json.loads((out / 'manifest.json').read_text())
    assert (manifest['photos'], manifest['unreadable']) == (6, 1)
    with (out / 'unreadable.csv').open(newline='') as file:
        (row,) = csv.DictReader(file)
    assert row['name'] == 'bad, bad.jpg'
    assert 'not an image' in row['reason']


def test_a_full_disk_is_named(folder, make_small, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(InputError, match=r"can't be written \(No space left on device\)"):
        make_small(folder, tmp_path / 'out')
    monkeypatch.undo()
    make_small(folder, tmp_path / 'out')


@pytest.mark.parametrize(
    ('options', 'message'), [({'workers': 0}, 'workers'), ({'max_unreadable': 2}, 'max_unreadable')]
)
def test_options(folder, make_small, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        make_small(folder, tmp_path / 'out', **options)
