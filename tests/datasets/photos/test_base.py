"""What all data sets of photos share: the same photos, distributed in the same way over ranks and workers."""

import io
import os
import pickle
import shutil
import struct
import tarfile
import zlib
from collections import Counter

import lmdb
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.photos import base
from mmqpt.datasets.photos import sampler as sampler_module
from mmqpt.datasets.photos.base import PhotoDataset
from mmqpt.datasets.photos.folder import PhotoFolder
from mmqpt.datasets.photos.lmdb import PhotoLMDB
from mmqpt.datasets.photos.sampler import SampleKey, SeededSampler
from mmqpt.datasets.photos.shards import PhotoShards
from mmqpt.datasets.photos.table import PhotoTable

LOAD = [{'type': 'LoadPhoto'}]
PRETRAIN = [*LOAD, {'type': 'PatchPairs', 'patch_size': 32, 'window': 96}, {'type': 'PackPatchPairs'}]
KINDS = ('folder', 'shards', 'lmdb', 'table')


@pytest.fixture(scope='session')
def seven(photo_folder, tmp_path_factory):
    """A folder of seven photos: an odd number."""
    folder = shutil.copytree(photo_folder, tmp_path_factory.mktemp('seven') / 'photos')
    Image.open(folder / 'coffee_0.jpg').transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / 'seventh.jpg')
    return folder


@pytest.fixture(scope='session')
def photos_in(seven, make_small, tmp_path_factory):
    """Builds a data set of the seven photos, of any kind."""
    datasets = pytest.importorskip('datasets')
    folder = tmp_path_factory.mktemp('stored')
    photos = [path.read_bytes() for path in sorted(seven.iterdir())]
    shards = make_small(seven, folder / 'shards', 3)
    with lmdb.open(str(folder / 'lmdb'), map_size=1 << 26) as environment, environment.begin(write=True) as view:
        view.put(b'__len__', b'7')
        for number, data in enumerate(photos):
            view.put(f'{number:04d}'.encode(), data)
    datasets.Dataset.from_dict({'image': photos}).save_to_disk(str(folder / 'table'))

    def build(kind, pipeline=LOAD, **options):
        if kind == 'folder':
            return PhotoFolder(str(seven), pipeline, **options)
        if kind == 'shards':
            return PhotoShards(str(shards), pipeline, **options)
        if kind == 'lmdb':
            return PhotoLMDB(str(folder / 'lmdb'), pipeline, **options)
        return PhotoTable(str(folder / 'table'), pipeline, **options)

    return build


class Bytes(PhotoDataset):
    """A data set of the tests' own: values are photos, or errors."""

    def __init__(self, photos, pipeline=LOAD, max_tries=20):
        self.photos = photos
        self.reads = 0
        super().__init__('here', pipeline, max_tries)

    def __len__(self):
        return len(self.photos)

    def name(self, index):
        return f'photo {index}'

    def read(self, index):
        self.reads += 1
        if isinstance(self.photos[index], Exception):
            raise self.photos[index]
        return self.photos[index]


@pytest.mark.parametrize('kind', KINDS)
def test_pixels_are_those_of_the_files(photos_in, kind, seven):
    dataset = photos_in(kind)
    assert len(dataset) == dataset.metainfo['photos'] == 7
    found = [sample['img'] for sample in dataset]
    wanted = [read_photo(path)[..., ::-1] for path in sorted(seven.iterdir())]
    if kind == 'shards':  # in an order of its own
        found, wanted = (sorted(images, key=lambda image: image.tobytes()) for images in (found, wanted))
    for image, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(image, other)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('start', ['fork', pytest.param('spawn', marks=pytest.mark.slow)])
def test_every_photo_once_an_epoch_over_ranks_and_workers(photos_in, kind, start, monkeypatch):
    dataset = photos_in(kind)
    dataset[0]  # what is open now must not disturb the workers
    seen = Counter()
    ranks = 1 if start == 'spawn' else 3
    for rank in range(ranks):
        monkeypatch.setattr(sampler_module, 'get_dist_info', lambda rank=rank: (rank, ranks))
        sampler = SeededSampler(dataset, seed=1, round_up=False)
        loader = DataLoader(
            dataset, 1, sampler=sampler, num_workers=2, collate_fn=pseudo_collate, multiprocessing_context=start
        )
        seen.update(path for batch in loader for path in batch['img_path'])
    assert seen == {dataset.name(index): 1 for index in range(7)}


@pytest.mark.parametrize('kind', KINDS)
def test_pickled_after_use(photos_in, kind):
    dataset = photos_in(kind)
    wanted = dataset[5]['img']
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset))[5]['img'], wanted)


@pytest.mark.parametrize('kind', KINDS)
def test_pretraining_samples(photos_in, kind):
    sample = photos_in(kind, PRETRAIN)[SampleKey(2, (7, 1, 3))]
    assert sample['inputs'].shape == (2, 2, 3, 32, 32)


def test_a_sample_can_be_drawn_again_from_its_key(photos_in):
    dataset = photos_in('shards', [*LOAD, {'type': 'PatchPairs', 'patch_size': 32, 'window': 96}])
    first = dataset[SampleKey(np.int64(4), (7, 1, np.int64(3)))]
    assert first['sample_key'] == (4, [7, 1, 3])
    assert all(type(part) is int for part in (first['sample_key'][0], *first['sample_key'][1]))
    number, entropy = first['sample_key']
    again = dataset[SampleKey(number, tuple(entropy))]
    np.testing.assert_array_equal(first['patches'], again['patches'])


def test_unreadable_photos_are_skipped_and_named(photo_folder):
    good = min(photo_folder.iterdir()).read_bytes()
    dataset = Bytes([PhotoError('photo 0: gone'), good[:100], b'', good])
    sample = dataset[SampleKey(0, (1,))]
    assert sample['img_path'] == 'photo 3'
    assert sample['sample_key'] == (0, [1])
    assert 'img_bytes' not in sample
    names, reasons = zip(*sample['skipped'], strict=True)
    assert names == ('photo 0', 'photo 1', 'photo 2')
    assert reasons[0] == 'photo 0: gone'
    assert reasons[1].startswith('photo 1: ')
    assert reasons[2] == 'photo 2: the file is empty'


def test_other_errors_stop(photo_folder):
    dataset = Bytes([InputError('the whole folder is gone'), min(photo_folder.iterdir()).read_bytes()])
    with pytest.raises(InputError, match='the whole folder is gone'):
        dataset[0]


def test_patch_check_stops_at_the_first_photo_that_is_large_enough(photo_folder, monkeypatch):
    good = min(photo_folder.iterdir()).read_bytes()  # 256 px
    pipeline = [*LOAD, {'type': 'PatchPairs', 'patch_size': 256, 'window': None}]
    dataset = Bytes([b'bad', good, good, good], pipeline)
    assert dataset.reads == 2
    monkeypatch.setattr(base, 'LOOKED_AT', 3)
    pipeline = [*LOAD, {'type': 'PatchPairs', 'patch_size': 257, 'window': None}]
    with pytest.raises(InputError, match=r'largest of 3 \(spread evenly over all 10\) photos has a short side of 256'):
        Bytes([good] * 10, pipeline)
    with pytest.raises(InputError, match=r'none of 2 photos can be read, the first: photo 0'):
        Bytes([b'', b'bad'], pipeline)


def test_max_tries(photo_folder):
    with pytest.raises(InputError, match='max_tries must be >= 1, got 0'):
        Bytes([b''], max_tries=0)
    good = min(photo_folder.iterdir()).read_bytes()
    with pytest.raises(InputError, match='2 photos in a row could not be read, the last: photo 1'):
        Bytes([b'', b'', good], max_tries=2)[0]


def bombs():
    """Files of a few bytes that claim to be large photos, and what is none."""
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))  # noqa: E731
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0))
    png = b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')
    webp = b'VP8X' + struct.pack('<I', 10) + bytes(4) + b'\xff\xff\0' * 2
    return {
        '0.png': png,
        '1.webp': b'RIFF' + struct.pack('<I', 4 + len(webp)) + b'WEBP' + webp,
        '2.jpg': b'\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\3\1\x11\0\2\x11\0\3\x11\0\xff\xd9',
        '3.jpg': b'no photo',
    }


@pytest.mark.parametrize('kind', KINDS)
def test_bombs_are_skipped_and_named_wherever_they_stand(kind, seven, tmp_path):
    """Also as the first photo, whose size is looked at before training begins."""
    photos = {
        **bombs(),
        **{path.name: path.read_bytes() for path in sorted(seven.iterdir())[:2]},
        'z.png': bombs()['0.png'],
    }
    if kind == 'folder':
        for name, data in photos.items():
            (tmp_path / name).write_bytes(data)
        os.mkfifo(tmp_path / '4.jpg')  # is listed by none, and opened by none
        dataset = PhotoFolder(str(tmp_path), PRETRAIN)
    elif kind == 'shards':
        with tarfile.open(tmp_path / 'a.tar', 'w') as tar:
            for name, data in photos.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        dataset = PhotoShards(str(tmp_path), PRETRAIN)
    elif kind == 'lmdb':
        with lmdb.open(str(tmp_path / 'l'), map_size=1 << 24) as environment, environment.begin(write=True) as view:
            for name, data in photos.items():
                view.put(name.encode(), data)
        dataset = PhotoLMDB(str(tmp_path / 'l'), PRETRAIN)
    else:
        datasets = pytest.importorskip('datasets')
        datasets.Dataset.from_dict({'image': list(photos.values())}).save_to_disk(str(tmp_path / 't'))
        dataset = PhotoTable(str(tmp_path / 't'), PRETRAIN)
    assert len(dataset) == 7
    for index, bad in ((0, 4), (6, 5)):
        skipped = dataset[SampleKey(index, (0, 0, 0))]['data_samples'].get('skipped')
        assert len(skipped) == bad
        assert all(reason.startswith(f'{name}: ') for name, reason in skipped)
        assert 'refused, ' in skipped[0][1]
    assert dataset[SampleKey(4, (0, 0, 0))]['data_samples'].get('skipped') == []
