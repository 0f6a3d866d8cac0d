"""Scores of many photos: order, equality with single scores, errors, bounds."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.limits import DECODING
from mmqpt.core.view import View
from mmqpt.metric import score_many as module
from mmqpt.metric.open import Scorer
from mmqpt.metric.score_many import Scored, score_many


@pytest.fixture(scope='module')
def scorer(metric_weights):
    return Scorer(metric_weights, 'cpu')


@pytest.fixture
def mixed(photos, photo_folder, tmp_path):
    """14 photos: two sizes in turn, one with alpha, one grey; some within the size bounds and some not."""
    paths = [str(path) for path in sorted(photo_folder.iterdir())]
    for number in range(8):
        photo = photos[number % 3][10 * number :, 5 * number :]
        part = photo[:100, :90] if number % 2 else photo[:70, :120]
        image = Image.fromarray(np.ascontiguousarray(part))
        image = image.convert('L') if number == 3 else image
        if number == 4:
            image.putalpha(128)
        image.save(tmp_path / f'{number}.png')
        paths.insert(2 * number, str(tmp_path / f'{number}.png'))
    return paths


class Slow:
    """Stands for a scorer: each photo is a number of pixels, and its score is its size by 1000."""

    device = 'cpu'
    view = View(1, None)

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.prepared = 0
        self.batches = []

    def examine(self, photo, name):
        return self.prepare(photo, name), ()

    def prepare(self, photo, name):
        with self.lock:
            self.now += 1
            self.prepared += 1
            self.most = max(self.most, self.now)
        time.sleep(0.002 * (photo % 3))
        with self.lock:
            self.now -= 1
        if photo == 13:
            raise PhotoError(f'{name}: unlucky')
        if photo == 666:
            raise MemoryError('no memory')
        return np.zeros((3, 1, photo), np.uint8)

    def stack(self, prepared):
        return np.stack(prepared)

    def score_batch(self, batch):
        self.batches.append(tuple(batch.shape))
        return np.full(len(batch), batch.shape[-1] / 1000)


@pytest.mark.parametrize('workers', [1, 2, 5])
def test_threads_give_the_same_bits_as_single_scores(scorer, mixed, workers):
    expected = [Scored(path, scorer.score(path), None, scorer.examine(path)[1]) for path in mixed]
    assert list(score_many(scorer, mixed, workers=workers)) == expected
    assert len({row.score for row in expected}) > 8


@pytest.mark.parametrize('batch', [2, 3, 64])
def test_batches_give_the_scores_of_single_photos_in_their_order(scorer, mixed, batch):
    expected = [scorer.score(path) for path in mixed]
    found = list(score_many(scorer, mixed, batch=batch, workers=2))
    assert [row.name for row in found] == mixed
    np.testing.assert_allclose([row.score for row in found], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('batch', [1, 4])
def test_a_bad_photo_is_a_row_with_an_error(scorer, mixed, tmp_path, batch):
    (tmp_path / 'cut.jpg').write_bytes((tmp_path / '0.png').read_bytes()[:200])
    bad = [str(tmp_path / 'cut.jpg'), str(tmp_path / 'missing.png'), str(tmp_path)]
    sources = [bad[0], mixed[0], bad[1], bad[2], mixed[1]]
    rows = list(score_many(scorer, sources, batch=batch))
    assert [row.score is None for row in rows] == [True, False, True, True, False]
    for row in rows:
        assert (row.error is None) == (row.score is not None)
        assert row.error is None or (row.name in row.error and '\n' not in row.error)
    assert all(row.error for row in score_many(scorer, bad, batch=batch))


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('batch', [1, 3])
def test_a_score_that_is_not_finite_is_an_error(batch, value):
    scorer = Slow()
    score_batch = scorer.score_batch
    scorer.score_batch = lambda images: np.where(images.shape[-1] == 7, value, score_batch(images))
    rows = list(score_many(scorer, [5, 7, 7, 6], batch=batch, names=['a', 'b', 'c', 'd'], workers=2))
    bad = [Scored(name, None, f'{name}: the network gave no finite score') for name in 'bc']
    assert rows == [Scored('a', 0.005), *bad, Scored('d', 0.006)]


def test_photos_of_other_kinds_and_names(scorer, photo_folder, photos):
    path = sorted(photo_folder.iterdir())[0]
    sources = [path, path.read_bytes(), Image.open(path), photos[0], b'text']
    rows = list(score_many(scorer, sources))
    assert [row.name for row in rows] == [str(path), 'photo 1', 'photo 2', 'photo 3', 'photo 4']
    assert rows[0].score == rows[1].score == rows[2].score
    assert 'photo 4' in rows[4].error
    assert [row.name for row in score_many(scorer, iter(sources[:2]), names=['a', 'b'])] == ['a', 'b']
    for names in (['a'], ['a', 'b', 'c']):
        with pytest.raises(InputError, match=f'as many names as photos, got {len(names)}'):
            list(score_many(scorer, sources[:2], names=names))


@pytest.mark.parametrize('batch', [1, 3])
def test_what_is_not_about_the_photo_is_raised(batch):
    scorer = Slow()
    rows = score_many(scorer, [2, 13, 666, *[4] * 500], batch=batch, workers=2)
    with pytest.raises(MemoryError, match='no memory'):
        list(rows)
    assert scorer.prepared < 60  # the rest is not worked off
    assert not [thread for thread in threading.enumerate() if thread.name.startswith('mmqpt')]


@pytest.mark.parametrize('batch', [1, 5])
def test_order_does_not_depend_on_speed_and_look_ahead_is_bounded(batch):
    scorer = Slow()
    taken = []

    def sources():
        for number in range(1, 200):
            taken.append(number)
            yield number % 7 + 1

    for number, row in enumerate(score_many(scorer, sources(), batch=batch, workers=3)):
        assert row == Scored(f'photo {number}', ((number + 1) % 7 + 1) / 1000)
        assert len(taken) - number <= 4 * batch + 2 * 3 + 1
    assert number == 198
    assert scorer.most <= 3


def test_photos_of_one_size_share_a_batch_and_types_do_not_mix():
    scorer = Slow()
    list(score_many(scorer, [5, 6] * 8, batch=4, workers=2))
    assert scorer.batches == [(4, 3, 1, 5), (4, 3, 1, 6)] * 2
    scorer = Slow()
    prepare = scorer.prepare
    scorer.prepare = lambda photo, name: prepare(5, name) if photo == 5 else prepare(5, name).astype(np.float32)
    assert len(list(score_many(scorer, [5, 6] * 4, batch=4, workers=2))) == 8
    assert scorer.batches == [(4, 3, 1, 5), (4, 3, 1, 5)]


def test_a_lone_size_does_not_wait_for_ever():
    scorer = Slow()
    rows = list(score_many(scorer, [9, *[5] * 100], batch=4, workers=2))
    assert rows[0].score == 0.009
    assert (1, 3, 1, 9) in scorer.batches
    assert len(scorer.batches) == 26


def test_large_photos_are_decoded_one_at_a_time_and_batches_are_bounded_by_pixels(monkeypatch):
    scorer = Slow()
    monkeypatch.setattr(module, '_memory', lambda source: 600_000_000 if source == 8 else 1)
    list(score_many(scorer, [8] * 12, batch=2, workers=4))
    assert scorer.most == 1
    monkeypatch.setattr(module, '_memory', lambda source: 10**12)  # larger than the bound: alone, but not never
    assert len(list(score_many(scorer, [8] * 4, workers=4))) == 4
    assert scorer.most == 1
    monkeypatch.setattr(module, '_memory', lambda source: 1)
    monkeypatch.setattr(module, '_IN_BATCH', 20)
    scorer.batches.clear()
    list(score_many(scorer, [8] * 6, batch=6, workers=2))
    assert scorer.batches == [(2, 3, 1, 8)] * 3
    monkeypatch.setattr(module, '_WAITING', 1)  # no photo ahead: still every photo once
    assert [row.score for row in score_many(scorer, [5, 6, 7, 13, 5], batch=3)] == [0.005, 0.006, 0.007, None, 0.005]


def test_memory_comes_from_the_header(tmp_path):
    Image.new('L', (70, 30)).save(tmp_path / 'a.png')
    wanted = int(2100 * DECODING['PNG'])
    assert module._memory(tmp_path / 'a.png') == module._memory((tmp_path / 'a.png').read_bytes()) == wanted
    Image.new('RGB', (70, 30)).save(tmp_path / 'b.jp2')
    assert module._memory(str(tmp_path / 'b.jp2')) == int(2100 * DECODING['JPEG2000'])
    (tmp_path / 'c.heic').write_bytes(b'x' * 50)
    assert module._memory(str(tmp_path / 'c.heic')) == module._memory(tmp_path / 'none') == module._memory(3) == 0


def test_threads_end_and_the_number_of_torch_threads_stays(scorer, mixed):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        rows = score_many(scorer, mixed, workers=3)
        next(rows)
        rows.close()
        assert torch.get_num_threads() == 2
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert seen == [2]
    finally:
        torch.set_num_threads(before)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith('mmqpt')]


def test_defaults_and_bad_arguments(scorer, monkeypatch):
    assert list(score_many(scorer, [])) == []
    with pytest.raises(InputError, match='batch must be >= 1, got 0'):
        score_many(scorer, [], batch=0)
    with pytest.raises(InputError, match='workers must be >= 1, got -1'):
        score_many(scorer, [], workers=-1)
    stand_in = SimpleNamespace(device='cuda')
    monkeypatch.setattr(module, '_in_batches', lambda scorer, named, batch, workers: batch)
    assert score_many(stand_in, []) == module.GPU_BATCH
    monkeypatch.setattr(module, '_in_threads', lambda scorer, named, workers: workers)
    assert score_many(scorer, []) == module.usable_cores() >= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_gives_the_scores_of_the_cpu(scorer, metric_weights, mixed):
    found = list(score_many(Scorer(metric_weights, 'cuda'), mixed))
    np.testing.assert_allclose([row.score for row in found], [scorer.score(path) for path in mixed], atol=1e-3)


@pytest.mark.parametrize('name', ['a', 'no', '1', 'scan 7.png'])
def test_errors_name_the_photo_even_where_its_name_is_part_of_a_word(scorer, name, monkeypatch):
    def examine(photo, name=None):
        raise OSError('no action was taken in 1 s')

    monkeypatch.setattr(scorer, 'examine', examine)
    [found] = score_many(scorer, [b'x'], names=[name])
    assert found.error == f'{name}: no action was taken in 1 s'
