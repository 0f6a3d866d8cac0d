"""Features of whole photos, and the store that computes each of them once."""

import os
import threading

import numpy as np
import pytest
import torch

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.core.view import View
from mmqpt.evaluation.protocols import features
from mmqpt.evaluation.protocols.features import FeatureStore, digest_of, photo_features


@pytest.fixture
def paths(photo_folder):
    return sorted(photo_folder.iterdir())


class Counter:
    """Features that say which photo they are of, and how often each was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, paths, done):
        self.asked += [path.name for path in paths]
        for _ in paths:
            done(1)
        return np.array([[len(path.name), path.stat().st_size] for path in paths], np.float32)


def halves(images):
    """Features that one can compute by hand: means of the upper and of the lower half."""
    middle = images.shape[2] // 2
    return torch.cat([images[:, :, :middle].mean(dim=(2, 3)), images[:, :, middle:].mean(dim=(2, 3))], dim=1)


def test_whole_photos_at_two_scales(paths):
    seen = []

    def extract(images):
        seen.append(tuple(images.shape))
        return halves(images)

    counted = []
    found = photo_features(extract, paths[:2], (1.0, 0.5), workers=2, done=counted.append)
    photo = read_photo(paths[1]) / 255
    assert found.shape == (2, 12)
    np.testing.assert_allclose(found[1, :6], [*photo[:128].mean((0, 1)), *photo[128:].mean((0, 1))], atol=1e-5)
    np.testing.assert_allclose(found[1, 6:], found[1, :6], atol=0.01)  # the same photo at half its size
    assert seen == [(1, 3, 256, 320), (1, 3, 128, 160)] * 2
    assert counted == [1, 1]


def test_features_of_crops_are_averaged(paths):
    view = View(min_side=256, crop=256)
    found = photo_features(halves, paths[:1], view=view)
    photo = torch.from_numpy(read_photo(paths[0])).permute(2, 0, 1)[None].float() / 255
    expected = torch.stack([halves(crop) for crop in view.crops(photo)]).mean(dim=0)
    assert len(view.crops(photo)) == 2
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_any_number_of_photos_and_workers_in_order(paths):
    many = paths * 4
    found = [photo_features(halves, many, workers=workers) for workers in (1, 3)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][:6], found[0][6:12])
    assert len(np.unique(found[0][:6], axis=0)) == 6


def test_bad_input(paths, tmp_path):
    with pytest.raises(InputError, match=r'scales must be > 0, got \(0,\)'):
        photo_features(halves, [], scales=(0,))
    (tmp_path / 'bad.jpg').write_text('no photo')
    with pytest.raises(PhotoError, match=r'bad\.jpg: not an image'):
        photo_features(halves, [*paths, tmp_path / 'bad.jpg'])


def test_each_photo_is_computed_once(paths, tmp_path):
    compute = Counter()
    store = FeatureStore(tmp_path / 'new')
    some = store.get({'weights': 'a'}, paths[1:3], compute)
    everything = FeatureStore(tmp_path / 'new').get({'weights': 'a'}, paths, compute)  # from disk
    assert sorted(compute.asked) == [path.name for path in paths]
    np.testing.assert_array_equal(everything[1:3], some)
    np.testing.assert_array_equal(everything, Counter()(paths, lambda count: None))
    reverse = store.get({'weights': 'a'}, paths[::-1], compute)
    np.testing.assert_array_equal(reverse, everything[::-1])
    assert len(compute.asked) == 6


@pytest.mark.parametrize('other', [{'weights': 'b'}, {'weights': 'a', 'scales': [1]}])
def test_another_key_is_computed_anew(paths, tmp_path, other):
    compute = Counter()
    store = FeatureStore(tmp_path)
    store.get({'weights': 'a'}, paths[:1], compute)
    store.get(other, paths[:1], compute)
    assert len(compute.asked) == 2
    assert digest_of({'weights': 'a'}) != digest_of(other)
    assert digest_of({'b': 1, 'a': 2}) == digest_of({'a': 2, 'b': 1})


def test_a_changed_photo_is_computed_anew(paths, tmp_path):
    photo = tmp_path / 'photo.jpg'
    photo.write_bytes(paths[0].read_bytes())
    compute = Counter()
    store = FeatureStore(tmp_path / 'store')
    store.get({}, [photo], compute)
    photo.write_bytes(paths[1].read_bytes())
    os.utime(photo, ns=(1, 1))
    assert store.get({}, [photo], compute)[0, 1] == photo.stat().st_size
    assert len(compute.asked) == 2


def test_what_was_done_before_a_stop_is_kept(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(features, 'SAVE_EVERY', 2)
    compute = Counter()

    def stops(some, done):
        if paths[4] in some:
            raise KeyboardInterrupt
        return compute(some, done)

    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path).get({}, paths, stops)
    FeatureStore(tmp_path).get({}, paths, compute)
    assert compute.asked == [path.name for path in paths]
    assert not list(tmp_path.glob('*.tmp'))


def test_two_at_once_compute_once(paths, tmp_path):
    compute = Counter()
    threads = [threading.Thread(target=FeatureStore(tmp_path).get, args=({}, paths, compute)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(compute.asked) == [path.name for path in paths]


def test_a_damaged_store_is_named(paths, tmp_path):
    store = FeatureStore(tmp_path)
    store.get({}, paths, Counter())
    file = next(tmp_path.glob('*.npz'))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r'\.npz: a damaged store of features .*; delete the file'):
        store.get({}, paths, Counter())
