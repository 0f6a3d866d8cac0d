"""Manifests: what they say is compared with what is there."""

import shutil

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.shard_files import verify_shards


@pytest.fixture
def folder(shard_folder, tmp_path):
    """A copy to damage."""
    return shutil.copytree(shard_folder, tmp_path / 'shards')


def test_shards_as_they_were_written(folder):
    sizes = []
    assert verify_shards(folder, 2, sizes.append) == []
    assert sum(sizes) == sum(path.stat().st_size for path in folder.glob('*.tar'))


def test_one_bit(folder):
    for name in ('photos-000000.tar', 'photos-000001.index.npy', 'photos-000001.csv'):
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
    wrong = verify_shards(folder)
    assert [sentence.split(': differs from what was written')[0] for sentence in wrong] == [
        str(folder / name) for name in ('photos-000000.tar', 'photos-000001.index.npy', 'photos-000001.csv')
    ]


def test_missing_and_more(folder):
    (folder / 'photos-000001.tar').rename(folder / 'x.tar')
    assert verify_shards(folder) == [
        f'{folder / "photos-000001.tar"}: missing',
        f'{folder / "x.tar"}: not in the manifest',
    ]


@pytest.mark.parametrize('text', ['', '[]', '{"shards": 3}'])
def test_files_that_are_no_manifest(folder, text):
    (folder / 'manifest.json').write_text(text)
    with pytest.raises(InputError, match=r'manifest\.json: not'):
        verify_shards(folder)
    (folder / 'manifest.json').unlink()
    with pytest.raises(FileNotFoundError, match=r'no such manifest: .*manifest\.json'):
        verify_shards(folder)
