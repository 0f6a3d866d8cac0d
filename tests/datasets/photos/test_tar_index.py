"""Finding photos in tars, whoever made them."""

import io
import tarfile

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.tar_index import index_path, load_index, member_name, scan_tar, write_index


def make_tar(path, members, format=tarfile.PAX_FORMAT, mode='w'):
    with tarfile.open(path, mode, format=format) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def photos_of(tar):
    """What the index leads to."""
    raw = tar.read_bytes()
    return [
        (member_name(raw[start:offset], size), raw[offset : offset + size])
        for start, offset, size in scan_tar(tar).tolist()
    ]


LONG = 'a/' * 140 + 'caf\u00e9.PNG'


@pytest.mark.parametrize('format', [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_photos_of_foreign_tars(tmp_path, format):
    members = [
        ('0/1.jpg', b'one'), ('0/1.json', b'{}'), ('0/1.txt', b'words'), ('0/._1.jpg', b'of a Mac'), ('2.cls', b'3'),
        (LONG, b'x' * 1025), ('empty.webp', b''), ('../../up.jpeg', b'up'),
    ]  # fmt: skip
    tar = make_tar(tmp_path / 'a.tar', members, format)
    with tarfile.open(tar, 'a', format=format) as file:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo('other.jpg')
            info.type, info.linkname = kind, '0/1.jpg'
            file.addfile(info)
    wanted = [('0/1.jpg', b'one'), (LONG, b'x' * 1025), ('empty.webp', b''), ('../../up.jpeg', b'up')]
    assert photos_of(tar) == wanted


def test_names_that_are_not_utf8(tmp_path):
    tar = make_tar(tmp_path / 'a.tar', [('caf\udce9.jpg', b'x')], tarfile.GNU_FORMAT)
    assert photos_of(tar) == [('caf\udce9.jpg', b'x')]


def test_empty_tar(tmp_path):
    tar = make_tar(tmp_path / 'a.tar', [])
    assert scan_tar(tar).shape == (0, 3)
    write_index(tar, scan_tar(tar))
    assert load_index(tar).shape == (0, 3)


@pytest.mark.parametrize('cut', [511, 512, 600, 1024, 1536, 2048, 2100])
def test_truncated_tar(tmp_path, cut):
    tar = make_tar(tmp_path / 'a.tar', [('1.jpg', b'x' * 300), ('2.jpg', b'x' * 300)])  # ends at byte 2048
    tar.write_bytes(tar.read_bytes()[:cut])
    with pytest.raises(InputError, match=r'a\.tar: (truncated|not a tar)'):
        scan_tar(tar)


def test_no_tar_for_reading_in_any_order(tmp_path):
    one = make_tar(tmp_path / 'a.tar', [('1.jpg', b'x')])
    for name, data in {
        'zipped': make_tar(tmp_path / 'b.tar', [('1.jpg', b'x')], mode='w:gz').read_bytes(),
        'text': b'no tar' * 1000,
        'empty': b'',
        'joined': one.read_bytes() * 2,
        'damaged': one.read_bytes()[:1024] + b'damage' * 500,
    }.items():
        tar = tmp_path / f'{name}.tar'
        tar.write_bytes(data)
        with pytest.raises(InputError, match=rf'{name}\.tar: '):
            scan_tar(tar)
    with pytest.raises(FileNotFoundError, match=r'no such shard: .*gone\.tar'):
        scan_tar(tmp_path / 'gone.tar')


def test_index_is_that_of_its_tar(tmp_path):
    tar = make_tar(tmp_path / 'a.tar', [('1.jpg', b'one'), ('2.jpg', b'two')])
    write_index(tar, scan_tar(tar))
    assert index_path(tar) == tmp_path / 'a.index.npy'
    loaded = load_index(tar)
    assert isinstance(loaded.base.base, np.memmap)
    np.testing.assert_array_equal(loaded, scan_tar(tar))
    size = tar.stat().st_size
    make_tar(tar, [('1.jpg', b'one more'), ('2.jpg', b'two more')])
    assert tar.stat().st_size == size
    with pytest.raises(
        InputError, match=r'a\.index\.npy: does not fit .*a\.tar .*rebuild it: mmqpt make-shards --index'
    ):
        load_index(tar)
    make_tar(tar, [('1.jpg', b'x' * 20000)])
    with pytest.raises(InputError, match=rf'made for a tar of {size} bytes, but .*a\.tar has {tar.stat().st_size}'):
        load_index(tar)
    tar.unlink()
    with pytest.raises(FileNotFoundError, match=r'no such shard: .*a\.tar \(its index is there'):
        load_index(tar)


@pytest.mark.parametrize(
    'rows', [b'no array', b'', np.zeros((2, 3)), np.zeros((0, 3), np.int64), np.full((2, 2), 1), np.full((2, 3), 9)]
)
def test_files_that_are_no_index(tmp_path, rows):
    tar = make_tar(tmp_path / 'a.tar', [('1.jpg', b'one')])
    if isinstance(rows, bytes):
        index_path(tar).write_bytes(rows)
    else:
        np.save(index_path(tar), rows)
    with pytest.raises(InputError, match=r'a\.index\.npy: not an index'):
        load_index(tar)


@pytest.mark.parametrize('row', [(-512, 0, 3), (512, 512, 3), (0, 1 << 40, 3), (1 << 60, (1 << 60) + 512, 3)])
def test_an_index_with_impossible_places(tmp_path, row):
    tar = make_tar(tmp_path / 'a.tar', [('1.jpg', b'one')])
    write_index(tar, np.array([row]))
    with pytest.raises(InputError, match='does not fit'):
        load_index(tar)
