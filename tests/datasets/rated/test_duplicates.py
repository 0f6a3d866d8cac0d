"""Near-duplicates: copies of a photo are found, other photos and smooth ones are not joined."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist
from skimage import data

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated import duplicates
from mmqpt.datasets.rated.duplicates import (
    Fingerprints,
    Pairs,
    clusters,
    fingerprint,
    fingerprint_photos,
    leaking,
    near_duplicates,
)


def jpeg(photo, quality):
    return cv2.imdecode(cv2.imencode('.jpg', photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def crop(photo, share):
    top, left = (round(side * share / 2) for side in photo.shape[:2])
    return photo[top : photo.shape[0] - top, left : photo.shape[1] - left]


COPIES = {
    'jpeg': lambda photo: jpeg(photo, 10),
    'small': lambda photo: cv2.resize(photo, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA),
    'stretched': lambda photo: cv2.resize(photo, (640, 360)),
    'blurred': lambda photo: cv2.GaussianBlur(photo, (0, 0), 4),
    'noisy': lambda photo: np.clip(photo + np.random.default_rng(0).normal(0, 25, photo.shape), 0, 255).astype(
        np.uint8
    ),
    'darker': lambda photo: (255 * (photo / 255) ** 2).astype(np.uint8),
    'cropped': lambda photo: crop(photo, 0.03),
    'grey': lambda photo: np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


def prints_of(photos):
    bits, thumbnails = (np.stack(x) for x in zip(*map(fingerprint, photos), strict=True))
    return Fingerprints([f'{i}' for i in range(len(photos))], bits, thumbnails)


def found(photos, **options):
    pairs = near_duplicates(prints_of(photos), **options)
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


@pytest.fixture(scope='module')
def scenes():
    """Seven different photos."""
    left = data.stereo_motorcycle()[0]
    return [
        data.astronaut(), data.coffee(), data.chelsea(), data.rocket(), data.hubble_deep_field(), left,
        np.repeat(data.camera()[..., None], 3, axis=2),
    ]  # fmt: skip


@pytest.mark.parametrize('copy', COPIES)
def test_copies_are_found_and_nothing_else(scenes, copy):
    photos = [*scenes, *(COPIES[copy](photo) for photo in scenes)]
    assert found(photos) == {(i, i + len(scenes)) for i in range(len(scenes))}


def test_what_is_said_not_to_be_found(scenes):
    assert not found([scenes[0], scenes[0][:, ::-1].copy()])
    assert not found([scenes[0], crop(scenes[0], 0.4)])


def smooth(number):
    """A sky: brighter to the right, with a slope and a curve of its own, and a little sensor noise."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:240, :320] / 240
    grey = 120 + 60 * y + rng.uniform(10, 40) * x + rng.uniform(-30, 30) * y * y + rng.normal(0, 2, y.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_skies_have_like_hashes_but_are_not_joined():
    skies = [smooth(number) for number in range(12)]
    clean = [cv2.GaussianBlur(sky, (0, 0), 15) for sky in skies]
    assert not found(skies)
    prints = prints_of(clean)
    assert np.median(cdist(prints.bits, prints.bits, 'hamming')) * 256 < duplicates.THRESHOLD  # hash alone: all joined
    assert not found(clean)


def test_blank_photos():
    def blank(level):
        return np.full((64, 64, 3), level, np.uint8)

    bird = blank(255)
    bird[28:36, 28:36] = 0
    white = [blank(255), blank(255), blank(254), blank(250), blank(0), bird]
    assert found(white) == {(0, 1), (0, 2), (1, 2)}  # the very same, up to one grey level


def test_against_a_naive_search():
    rng = np.random.default_rng(3)
    base = rng.random((40, 256)) < 0.5
    bits = base[rng.integers(0, 40, 90)] ^ (rng.random((90, 256)) < 0.1)
    thumbnails = rng.integers(0, 256, (40, 16, 16))[rng.integers(0, 40, 90)].astype(np.uint8)
    prints = Fingerprints([str(i) for i in range(90)], bits, thumbnails)
    expected = {
        (i, j): (bits[i] != bits[j]).sum()
        for i in range(90)
        for j in range(i + 1, 90)
        if (bits[i] != bits[j]).sum() <= 60 and (thumbnails[i] == thumbnails[j]).all()
    }
    assert expected
    for block in (1, 7, 64, 512):
        pairs = near_duplicates(prints, 60, 0.95, block)
        triples = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.distance.tolist(), strict=True)
        assert {(i, j): d for i, j, d in triples} == expected
        some = near_duplicates(prints, 60, 0.95, block, among=20)
        assert {*zip(some.first.tolist(), some.second.tolist(), strict=True)} == {p for p in expected if p[0] < 20}


def test_thresholds_are_inclusive():
    thumbnail = np.random.default_rng(0).integers(0, 256, (1, 16, 16)).astype(np.uint8).repeat(2, axis=0)
    bits = np.zeros((2, 256), bool)
    bits[1, :5] = True
    prints = Fingerprints(['a', 'b'], bits, thumbnail)
    assert [len(near_duplicates(prints, threshold)) for threshold in (4, 5, 256)] == [0, 1, 1]
    assert near_duplicates(prints, 5).distance.tolist() == [5]


def test_bad_arguments(scenes):
    prints = prints_of(scenes)
    with pytest.raises(InputError, match=r'threshold must be from 0 to 256 bits, got 257'):
        near_duplicates(prints, 257)
    with pytest.raises(InputError, match=r'correlation must be from -1 to 1, got 1.5'):
        near_duplicates(prints, 3, 1.5)


def test_too_many_pairs_end_with_a_sentence(monkeypatch):
    monkeypatch.setattr(duplicates, 'MAX_PAIRS', 10)
    same = Fingerprints([str(i) for i in range(6)], np.zeros((6, 256), bool), np.zeros((6, 16, 16), np.uint8))
    with pytest.raises(InputError, match=r'more than 10 pairs: threshold 48 is too wide'):
        near_duplicates(same)


def pairs_of(*pairs):
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return Pairs(first, second, np.zeros(len(pairs)), np.ones(len(pairs)))


def test_clusters_are_chains_named_by_their_first_photo():
    names = ['d', 'b', 'c', 'a', 'e']
    assert clusters(names, pairs_of((0, 1), (1, 4))) == ['b', 'b', 'c', 'a', 'b']
    assert clusters(names, pairs_of()) == names
    assert clusters(names, pairs_of((0, 1)), ['x', 'y', 'x', 'y', 'z']) == ['a', 'a', 'a', 'a', 'e']


def test_relatives_within_a_part_do_not_leak():
    groups = ['a', 'a', 'b', 'b', 'c', 'c', 'd', 'd', 'e', 'e']
    parts = ['train', 'train', 'test', 'test', 'train', 'test', 'val', 'test', 'drop', 'test']
    assert leaking(groups, parts) == [5, 7]


@pytest.fixture
def folder(scenes, tmp_path):
    """Three photos, one of them in a subfolder, and two that are none."""
    (tmp_path / 'more').mkdir()
    for name, photo in zip(('a.png', 'b.jpg', 'more/c.png'), scenes, strict=False):
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / 'broken.jpg').write_bytes((tmp_path / 'b.jpg').read_bytes()[:2000])
    return tmp_path


NAMES = ['b.jpg', 'broken.jpg', 'more/c.png', 'gone.png', 'a.png']


def test_unreadable_photos_are_named_not_fatal(folder):
    seen = []
    prints = fingerprint_photos(folder, NAMES, workers=2, done=seen.append)
    assert prints.names == ['b.jpg', 'more/c.png', 'a.png']
    assert list(prints.unreadable) == ['broken.jpg', 'gone.png']
    assert 'damaged or truncated' in prints.unreadable['broken.jpg']
    assert 'no such photo' in prints.unreadable['gone.png']
    assert sum(seen) == 5
    with pytest.raises(InputError, match=r'none of 2 photos could be read; the first: .*broken.jpg: damaged'):
        fingerprint_photos(folder, ['broken.jpg', 'gone.png'])
    with pytest.raises(InputError, match='got 0 photos and 1 workers'):
        fingerprint_photos(folder, [])


def test_a_second_run_reads_the_cache(folder, monkeypatch):
    cache = folder / 'new' / 'prints.npz'
    first = fingerprint_photos(folder, NAMES, cache)
    read = []
    real = duplicates.read_photo
    monkeypatch.setattr(duplicates, 'read_photo', lambda path: read.append(path.name) or real(path))
    second = fingerprint_photos(folder, NAMES, cache)
    assert read == ['broken.jpg']
    assert (second.names, second.unreadable) == (first.names, first.unreadable)
    np.testing.assert_array_equal(second.bits, first.bits)
    np.testing.assert_array_equal(second.thumbnails, first.thumbnails)

    Image.fromarray(data.rocket()).save(folder / 'a.png')
    os.utime(folder / 'a.png', (1, 1))
    third = fingerprint_photos(folder, NAMES, cache)
    assert read[1:] == ['broken.jpg', 'a.png']
    assert (third.bits[2] != first.bits[2]).any()
    assert [path.name for path in cache.parent.iterdir()] == ['prints.npz']


@pytest.mark.parametrize('content', [b'', b'no archive', b'PK\x03\x04 half'])
def test_a_damaged_cache_is_named(folder, content):
    cache = folder / 'prints.npz'
    cache.write_bytes(content)
    with pytest.raises(
        InputError, match=r'prints.npz: not a cache of fingerprints, or a damaged one .*delete the file'
    ):
        fingerprint_photos(folder, NAMES, cache)
