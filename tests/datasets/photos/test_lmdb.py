"""Photos in an LMDB. That they are read right, by all workers: test_base.py."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.lmdb import PhotoLMDB

lmdb = pytest.importorskip('lmdb')
LOAD = [{'type': 'LoadPhoto'}]


def write(path, values, **options):
    with lmdb.open(str(path), map_size=1 << 24, **options) as environment, environment.begin(write=True) as view:
        for key, value in values.items():
            view.put(key, value)
    return str(path)


def test_names_skipping_and_two_at_once(photo_folder, tmp_path):
    good = min(photo_folder.iterdir()).read_bytes()
    values = {b'__len__': b'3', b'a': good[:500], b'b/\xe9.jpg': good, b'c': b''}
    path = write(tmp_path / 'photos', values)
    dataset, other = PhotoLMDB(path, LOAD), PhotoLMDB(path, LOAD)
    assert len(dataset) == 3
    sample = dataset[0]
    assert sample['img_path'] == f'{path}/b/\udce9.jpg'
    assert sample['skipped'][0][0] == f'{path}/a'
    assert other.read(1) == good


def test_one_file(photo_folder, tmp_path):
    path = write(tmp_path / 'photos.lmdb', {b'a': min(photo_folder.iterdir()).read_bytes()}, subdir=False)
    assert PhotoLMDB(path, LOAD)[0]['img'].shape == (256, 320, 3)


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such LMDB: .*nowhere'):
        PhotoLMDB(str(tmp_path / 'nowhere'), LOAD)
    with pytest.raises(InputError, match='not an LMDB'):
        PhotoLMDB(str(tmp_path), LOAD)
    (tmp_path / 'text').write_text('no LMDB' * 1000)
    with pytest.raises(InputError, match='text: not an LMDB'):
        PhotoLMDB(str(tmp_path / 'text'), LOAD)
    with pytest.raises(InputError, match='empty: no photos in this LMDB'):
        PhotoLMDB(write(tmp_path / 'empty', {b'__len__': b'0'}), LOAD)
