"""Photos out of tars: found, read at their place, skipped by name when they can't be read."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import Runner

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.photos import shards as photo_shards
from mmqpt.datasets.photos.shards import PhotoShards
from mmqpt.datasets.photos.tar_index import index_path, load_index, scan_tar, write_index
from tests.datasets.photos.test_tar_index import make_tar

LOAD = [{'type': 'LoadPhoto'}]


@pytest.fixture
def folder(shard_folder, tmp_path):
    """A copy to damage."""
    return shutil.copytree(shard_folder, tmp_path / 'shards')


def test_names_order_and_blocks(shard_folder):
    dataset = PhotoShards(str(shard_folder), LOAD)
    assert [dataset.name(index) for index in range(6)] == [
        *(f'photos-000000.tar/{number:09d}.jpg' for number in range(4)),
        *(f'photos-000001.tar/{number:09d}.jpg' for number in (4, 5)),
    ]
    assert dataset.block_sizes == [4, 2]
    assert dataset.metainfo == {'data_root': str(shard_folder), 'photos': 6}
    sample = dataset[5]
    assert sample['img_path'] == 'photos-000001.tar/000000005.jpg'
    with pytest.raises(IndexError):
        dataset[6]


def test_bytes_are_those_of_the_files(shard_folder, photo_folder):
    dataset = PhotoShards(str(shard_folder), LOAD)
    assert {dataset.read(index) for index in range(6)} == {path.read_bytes() for path in photo_folder.iterdir()}


def test_ways_to_name_shards(shard_folder, tmp_path):
    tars = [str(shard_folder / f'photos-00000{number}.tar') for number in (1, 0)]
    assert PhotoShards(tars, LOAD).block_sizes == [2, 4]  # in the order given
    assert PhotoShards(str(shard_folder / '*.tar'), LOAD).block_sizes == [4, 2]
    assert PhotoShards([str(shard_folder / '*0.tar'), tars[0]], LOAD).block_sizes == [4, 2]
    assert PhotoShards(tars[0], LOAD).block_sizes == [2]
    shutil.copytree(shard_folder, tmp_path / 'b')
    two = PhotoShards([tars[0], str(tmp_path / 'b' / 'photos-000001.tar')], LOAD)
    assert two.name(0) != two.name(2)  # called by their folders, too


@pytest.mark.parametrize(
    ('shards', 'error', 'message'),
    [
        ('nowhere', FileNotFoundError, 'no such shard: nowhere'),
        ('{folder}/x*.tar', FileNotFoundError, r'no such shard: .*x\*\.tar'),
        (['{folder}/photos-000000.tar', '{folder}/*.tar'], InputError, 'photos-000000.tar: this shard is named twice'),
        ([], InputError, 'names no tar'),
        ('{folder}/empty', InputError, r'empty: no \*\.tar in this folder'),
    ],
)
def test_shards_that_are_not_there(folder, shards, error, message):
    (folder / 'empty').mkdir()
    shards = shards.format(folder=folder) if isinstance(shards, str) else [x.format(folder=folder) for x in shards]
    with pytest.raises(error, match=message):
        PhotoShards(shards, LOAD)


def test_foreign_tar_without_an_index(photo_folder, tmp_path):
    paths = sorted(photo_folder.iterdir())
    members = [('0/a.jpg', paths[0].read_bytes()), ('0/a.json', b'{}'), ('0/b.jpg', paths[1].read_bytes())]
    make_tar(tmp_path / '00000.tar', members)
    dataset = PhotoShards(str(tmp_path), LOAD)
    assert [dataset.name(index) for index in range(2)] == ['00000.tar/0/a.jpg', '00000.tar/0/b.jpg']
    np.testing.assert_array_equal(dataset[1]['img'], read_photo(paths[1])[..., ::-1])
    assert os.listdir(tmp_path) == ['00000.tar']  # nothing is written without being asked
    make_tar(tmp_path / '00000.tar', [('a.json', b'{}')])
    with pytest.raises(InputError, match='no photos in 1 shards'):
        PhotoShards(str(tmp_path), LOAD)


def test_stale_index(folder):
    tar = folder / 'photos-000001.tar'
    shutil.copy(index_path(folder / 'photos-000000.tar'), index_path(tar))
    with pytest.raises(InputError, match=r'photos-000001\.index\.npy: made for a tar of'):
        PhotoShards(str(folder), LOAD)


def test_index_that_fits_at_its_end_only(folder):
    """What the start does not find out is found out for each photo."""
    tar = folder / 'photos-000000.tar'
    places = scan_tar(tar)
    places[0] = places[1] + [0, 0, 5]
    write_index(tar, places)
    sample = PhotoShards(str(folder), LOAD)[0]
    assert sample['img_path'] == 'photos-000000.tar/000000001.jpg'
    assert sample['skipped'] == [
        ('photos-000000.tar/photo 0',
         'photos-000000.tar/photo 0: the index is not that of this tar, or the tar is damaged here')
    ]  # fmt: skip


def test_truncated_tar(folder):
    dataset = PhotoShards(str(folder), LOAD)
    tar = folder / 'photos-000000.tar'
    os.truncate(tar, int(load_index(tar)[2, 1]) + 100)  # in the third photo
    assert dataset[1]['skipped'] == []
    sample = dataset[2]
    assert sample['img_path'] == 'photos-000001.tar/000000004.jpg'
    (name, reason), (other, _) = sample['skipped']
    assert name == 'photos-000000.tar/000000002.jpg'
    assert reason == f'{name}: photos-000000.tar ends before the photo does; it was truncated'
    assert other == 'photos-000000.tar/photo 3'
    with pytest.raises(InputError, match=r'made for a tar of \d+ bytes'):
        PhotoShards(str(folder), LOAD)
    index_path(tar).unlink()
    with pytest.raises(InputError, match=r'photos-000000\.tar: (truncated|not a tar)'):
        PhotoShards(str(folder), LOAD)


def test_vanished_tar(folder):
    dataset = PhotoShards(str(folder), LOAD)
    (folder / 'photos-000001.tar').unlink()
    assert dataset[0]['skipped'] == []
    with pytest.raises(InputError, match=r'no such shard: .*photos-000001\.tar \(it was there at the start\)'):
        dataset[4]
    for gone in ('nothing', 'manifest.json'):  # each tells that a shard is missing
        (folder / gone).unlink(missing_ok=True)
        shutil.rmtree(folder / '.make_shards', ignore_errors=True)
        with pytest.raises(FileNotFoundError, match=r'no such shard: .*photos-000001\.tar \(1 missing\)'):
            PhotoShards(str(folder), LOAD)


def test_shards_that_are_not_finished(folder):
    (folder / 'manifest.json').unlink()
    with pytest.raises(InputError, match='has not finished here; run the same command again to resume'):
        PhotoShards(str(folder), LOAD)


def test_half_written_shards_are_no_shards(folder):
    (folder / 'manifest.json').unlink()
    shutil.rmtree(folder / '.make_shards')
    (folder / '.photos-000002.0123abcd.partial.tar').write_bytes(b'half')
    assert PhotoShards(str(folder), LOAD).block_sizes == [4, 2]


def test_shard_that_the_manifest_does_not_know(folder):
    shutil.copy(folder / 'photos-000001.tar', folder / 'more.tar')
    with pytest.raises(InputError, match=r'more\.tar: not in the manifest of its folder'):
        PhotoShards(str(folder), LOAD)


def test_disk_errors_are_skipped(folder, monkeypatch):
    dataset = PhotoShards(str(folder), LOAD)
    pread, start = os.pread, int(load_index(folder / 'photos-000000.tar')[1, 0])

    def fails(descriptor, size, offset):
        if offset == start:
            raise OSError(5, 'Input/output error')
        return pread(descriptor, size, offset)

    monkeypatch.setattr(photo_shards.os, 'pread', fails)
    sample = dataset[1]
    assert sample['skipped'] == [
        ('photos-000000.tar/photo 1', "photos-000000.tar/photo 1: can't be read (Input/output error)")
    ]


def test_unreadable_photo_in_a_shard(photo_folder, tmp_path, monkeypatch):
    good = min(photo_folder.iterdir()).read_bytes()
    make_tar(tmp_path / 'a.tar', [('1.jpg', good[:2000]), ('2.jpg', b''), ('3.jpg', good), ('4.jpg', good + b' ')])
    dataset = PhotoShards(str(tmp_path), LOAD)
    assert [name for name, _ in dataset[0]['skipped']] == ['a.tar/1.jpg', 'a.tar/2.jpg']
    monkeypatch.setattr(photo_shards, 'MAX_BYTES', len(good))
    assert dataset[3]['skipped'][0][1] == f'a.tar/4.jpg: refused, the file has more than {len(good)} bytes'


def test_few_files_are_open(folder):
    dataset = PhotoShards(str(folder), LOAD, max_open=1)

    def open_tars():
        links = (Path('/proc/self/fd') / name for name in os.listdir('/proc/self/fd'))
        found = [os.readlink(link) for link in links if link.is_symlink()]
        return [path for path in found if path.startswith(str(folder)) and path.endswith('.tar')]

    for index in range(6):
        dataset.read(index)
        assert open_tars() == [str(folder / f'photos-00000{index // 4}.tar')]
    del dataset
    assert open_tars() == []
    with pytest.raises(InputError, match='max_open must be >= 1, got 0'):
        PhotoShards(str(folder), LOAD, max_open=0)


@pytest.mark.slow
def test_python_ends_quietly_with_open_files(shard_folder):
    code = f"""
from mmqpt.datasets.photos.shards import PhotoShards
shards = PhotoShards({str(shard_folder)!r}, [])
shards.read(0), shards.read(5)
"""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True)
    assert 'Exception' not in done.stderr


def test_nothing_is_unpacked(photo_folder, tmp_path):
    good = min(photo_folder.iterdir()).read_bytes()
    (tmp_path / 'tars').mkdir()
    make_tar(tmp_path / 'tars' / 'a.tar', [('../../evil.jpg', good), (f'{tmp_path}/evil.jpg', good)])
    assert len(list(PhotoShards(str(tmp_path / 'tars'), LOAD))) == 2
    assert sorted(path.name for path in tmp_path.rglob('*')) == ['a.tar', 'tars']


def test_webdataset_reads_them(shard_folder, photo_folder):
    webdataset = pytest.importorskip('webdataset')
    tars = sorted(map(str, shard_folder.glob('*.tar')))
    samples = list(webdataset.WebDataset(tars, shardshuffle=False))
    assert [sample['__key__'] for sample in samples] == [f'{number:09d}' for number in range(6)]
    assert {sample['jpg'] for sample in samples} == {path.read_bytes() for path in photo_folder.iterdir()}


def test_training_from_shards_is_training_from_the_folder(shard_folder, photo_folder, tiny_pretrain, tmp_path):
    """With the photos in the same order: the same losses."""
    names = []
    for path in sorted(shard_folder.glob('photos-*.csv')):
        with path.open(newline='') as file:
            names += [row['name'] for row in csv.DictReader(file)]
    (tmp_path / 'list.txt').write_text('\n'.join(names))

    def losses(name, **changes):
        Runner.from_cfg(tiny_pretrain(tmp_path / name, **changes)).train()
        lines = next((tmp_path / name).glob('*/vis_data/scalars.json')).read_text().splitlines()
        return [json.loads(line)['loss'] for line in lines]

    shards = {'train_dataloader.dataset.type': 'PhotoShards', 'train_dataloader.dataset.data_root': str(shard_folder)}
    from_folder = losses('folder', **{'train_dataloader.dataset.ann_file': str(tmp_path / 'list.txt')})
    from_shards = losses('shards', **shards)
    assert len(from_folder) == 4
    assert from_shards == from_folder
    assert losses('other') != from_folder  # in the order of the names
