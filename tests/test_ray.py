"""Ray Data on a local cluster: the scores of ``Scorer``, bad photos, and a worker that is killed half-way."""

import contextlib
import os
import signal
from collections import Counter

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
pa = pytest.importorskip('pyarrow')
ray = pytest.importorskip('ray')
pytest.importorskip('ray.data')

import mmqpt.ray  # noqa: E402
from mmqpt.core.errors import InputError  # noqa: E402
from mmqpt.metric.open import Scorer, open_scorer  # noqa: E402


@pytest.fixture(scope='module', autouse=True)
def cluster():
    """Room for two workers, a reader and a writer."""
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        object_store_memory=100_000_000,
        logging_level='ERROR',
        runtime_env={'env_vars': {'OMP_NUM_THREADS': '1'}},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


@pytest.fixture(scope='module')
def many(photos, tmp_path_factory):
    """36 photos that take a while to decode, all different."""
    folder = tmp_path_factory.mktemp('many')
    for number in range(36):
        photo = Image.fromarray(photos[number % 3][number : number + 290, number : number + 390])
        photo.resize((1950, 1450)).save(folder / f'{number:02}.jpg')
    return folder


def workers():
    """Pids of the processes that score."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if any('MapBatches(_Worker)' in part for part in process.cmdline()):
                found.append(process.pid)
    return found


def expected(scorer, paths):
    return {str(path): scorer.score(path) for path in paths}


def check(rows, scores):
    """Every photo once, with the score of ``Scorer``."""
    assert Counter(row['path'] for row in rows) == Counter(list(scores))
    for row in rows:
        assert row['error'] is None
        assert row['flags'] in ('', 'upscaled')
        assert row['score'] == pytest.approx(scores[row['path']], abs=1e-6), row['path']


@pytest.fixture(scope='module')
def written(photo_folder, metric_weights, tmp_path_factory):
    """The Parquet of three photos, one that is damaged and one that is not there, and their paths."""
    folder = tmp_path_factory.mktemp('written')
    (folder / 'bad.jpg').write_text('no photo')
    paths = [*sorted(photo_folder.iterdir())[:3], folder / 'bad.jpg', folder / 'gone.jpg']
    mmqpt.ray.score(paths, metric_weights).write_parquet(str(folder / 'scores'))
    return folder / 'scores', [str(path) for path in paths]


def test_a_killed_worker_loses_no_photo_and_scores_none_twice(many, metric_weights):
    scored = mmqpt.ray.score(many, metric_weights, batch_size=2, concurrency=2)
    rows, before, after = [], [], set()
    for row in scored.iter_rows():
        rows.append(row)
        if not before and len(rows) >= 4:
            before = workers()
            os.kill(before[0], signal.SIGKILL)
        after.update(workers())
    assert len(before) == 2
    assert after - set(before), 'no worker was started in its place'
    check(rows, expected(Scorer(metric_weights, 'cpu'), sorted(many.iterdir())))


def test_bad_photos_are_rows(written, metric_weights):
    folder, paths = written
    rows = ray.data.read_parquet(str(folder)).take_all()
    bad, gone = (next(row for row in rows if row['path'] == path) for path in paths[3:])
    assert bad['score'] is gone['score'] is None
    assert bad['error'].startswith(f'{paths[3]}: not an image')
    assert gone['error'] == f'no such photo: {paths[4]}'
    check([row for row in rows if row not in (bad, gone)], expected(Scorer(metric_weights, 'cpu'), paths[:3]))


def test_bytes_of_a_job_that_goes_on(written, photo_folder, metric_weights):
    """Other columns stay; what was written earlier is not scored again."""
    paths = sorted(photo_folder.iterdir())
    scores = expected(Scorer(metric_weights, 'cpu'), paths[3:])
    table = pa.table(
        {
            'bytes': pa.array([*(path.read_bytes() for path in paths), b'', None], pa.binary()),
            'path': [*map(str, paths), 'empty.jpg', 'none.jpg'],
            'number': pa.array([None, *range(7)], pa.int64()),
        }
    )
    rows = mmqpt.ray.score(ray.data.from_arrow(table), metric_weights, batch_size=2, done=written[0]).take_all()
    check([row for row in rows if row['path'] in scores], scores)
    assert all(list(row) == ['path', 'number', 'score', 'error', 'flags'] for row in rows)
    assert sorted(row['number'] for row in rows) == [2, 3, 4, 5, 6]
    errors = {row['path']: row['error'] for row in rows if row['error']}
    assert errors['empty.jpg'] == 'empty.jpg: the file is empty'
    assert errors['none.jpg'].startswith('none.jpg: photo must be a path')


def test_nothing_done_yet(photo_folder, metric_weights, tmp_path):
    """The first try of a job is called as those after it."""
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'begun').mkdir()
    (tmp_path / 'begun' / '_part').write_bytes(b'PAR1')
    path = min(photo_folder.iterdir())
    expected = Scorer(metric_weights, 'cpu').score(path)
    empty = ray.data.from_items([])
    filtered = ray.data.from_items([{'path': str(path), 'error': 'x'}]).filter(lambda row: row['error'] is None)
    for done in (tmp_path / 'none', f'file://{tmp_path}/none', tmp_path / 'empty', tmp_path / 'begun', empty, filtered):
        found = mmqpt.ray._without(mmqpt.ray._dataset([path], 16), done)
        assert [row['path'] for row in found.take_all()] == [str(path)]
    (row,) = mmqpt.ray.score([path], metric_weights, done=tmp_path / 'none').take_all()
    assert row['score'] == pytest.approx(expected, abs=1e-6)
    some = ray.data.from_items([{'path': str(path)}])
    assert mmqpt.ray._without(mmqpt.ray._dataset([path], 16), some).take_all() == []


def worker(path, column='path', threads=2):
    return mmqpt.ray._Worker(mmqpt.ray._Weights(ray.put(path.read_bytes()), path.suffix), column, 'cpu', threads, False)


def test_a_score_that_is_not_finite_is_a_row_with_an_error(photo_folder, metric_weights, monkeypatch):
    one = worker(metric_weights, threads=1)
    monkeypatch.setattr(one.scorer, 'score_batch', lambda batch: np.full(len(batch), np.nan))
    path = str(min(photo_folder.iterdir()))
    (row,) = one(pa.table({'path': [path]})).to_pylist()
    assert row == {'path': path, 'score': None, 'error': f'{path}: the network gave no finite score', 'flags': ''}


def test_each_thread_that_scores_by_onnx_has_one_thread_of_onnxruntime(metric_weights, tmp_path, monkeypatch):
    pytest.importorskip('onnxruntime')
    from mmqpt.metric import onnx_scorer
    from mmqpt.metric.onnx_export import export_onnx

    export_onnx(metric_weights, tmp_path / 'qpt.onnx')
    opened, threads = onnx_scorer.open_session, []
    monkeypatch.setattr(onnx_scorer, 'open_session', lambda *args: threads.append(args[2]) or opened(*args))
    before = torch.get_num_threads()
    try:
        one = worker(tmp_path / 'qpt.onnx')
    finally:
        torch.set_num_threads(before)
    assert (one.threads, threads) == (2, [1])


@pytest.mark.slow
@pytest.mark.parametrize('sizes', [((64, 80),) * 3, ((64, 80), (90, 70), (64, 80))], ids=['one-size', 'sizes'])
def test_pixels_from_an_onnx_file(sizes, metric_weights, tmp_path):
    pytest.importorskip('onnxruntime')
    from mmqpt.metric.onnx_export import export_onnx

    export_onnx(metric_weights, tmp_path / 'qpt.onnx')
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    dataset = ray.data.from_items([{'image': image, 'number': number} for number, image in enumerate(images)])
    rows = mmqpt.ray.score(dataset, tmp_path / 'qpt.onnx', keep=True).take_all()
    scorer = open_scorer(tmp_path / 'qpt.onnx', 'cpu')
    assert len(rows) == 3
    for row in rows:
        np.testing.assert_array_equal(row['image'], images[row['number']])
        assert row['score'] == pytest.approx(scorer.score(images[row['number']]), abs=1e-6)


def test_refusals(photo_folder, metric_weights, tmp_path):
    def refuse(message, photos=photo_folder, error=InputError, weights=metric_weights, **options):
        with pytest.raises(error, match=message):
            mmqpt.ray.score(photos, weights, **options)

    refuse('batch_size must be >= 1, got 0', batch_size=0)
    refuse('retries must be >= -1, got -2', retries=-2)
    refuse('num_cpus must be > 0, got 0', num_cpus=0)
    refuse(r'concurrency must be >= 1, or the fewest and the most workers, got \(2, 1\)', concurrency=(2, 1))
    refuse('4 workers with num_cpus=1 leave less than 1 of the 4 CPUs', concurrency=4)
    refuse("no column 'url' in the dataset; there are: path", column='url')
    refuse('the list of paths is empty', photos=[])
    refuse("a column 'score' already", photos=ray.data.from_items([{'path': 'x', 'score': 1}]))
    refuse("done needs a column 'path'", photos=ray.data.from_items([{'bytes': b''}]), done=tmp_path)
    refuse('no such folder', photos=tmp_path / 'none', error=FileNotFoundError)
    refuse('no such file of weights', weights=tmp_path / 'none', error=FileNotFoundError)
    refuse("done needs a column 'path', got a dataset with: id", done=ray.data.from_items([{'id': 1}]))
    (tmp_path / 'cut.parquet').write_bytes(b'PAR1')
    refuse('cut.parquet: no Parquet with results', done=tmp_path / 'cut.parquet')
    with pytest.raises(TypeError):  # keywords only, so that a batch size is never taken for a column
        mmqpt.ray.score(photo_folder, metric_weights, 'path')


def test_the_real_ray_is_not_shadowed():
    assert not ray.__file__.startswith(os.path.dirname(mmqpt.__file__))
    assert mmqpt.ray is not ray
