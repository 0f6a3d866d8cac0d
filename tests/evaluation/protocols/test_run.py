"""Running methods over tasks: every result is kept at once, nothing is done twice, nothing is replaced."""

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.learners import Method
from mmqpt.evaluation.protocols.run import run_tasks
from mmqpt.evaluation.protocols.tasks import open_rated_set, split_tasks
from mmqpt.evaluation.statistics.predictions import read_predictions

SPLITS = ['ratio604_seed0_split_01', 'ratio604_seed0_split_02']


class Fake:
    """Predicts the MOS with noise; counts its calls, and stops at one of them."""

    title = 'fake'

    def __init__(self, noise=0.5, stop_at=None, constant=False):
        self.noise, self.stop_at, self.constant = noise, stop_at, constant
        self.calls = []

    def key(self, method):
        return {'learner': self.title, 'noise': self.noise, 'constant': self.constant}

    def check(self, method):
        """All fit."""

    def predict(self, method, task, folder):
        assert folder.is_dir()
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append((method.name, task.split, task.fraction))
        mos = np.array([rating.mos for rating in task.test])
        rng = np.random.default_rng(len(self.calls))
        return (mos * 0 + 2 if self.constant else mos + self.noise * rng.normal(size=len(mos))), {'penalty': 1.0}


@pytest.fixture
def tasks(rated_set):
    return split_tasks(open_rated_set(rated_set, rated_set.parent / 'images'), SPLITS, [0.5, 1.0], 0.3, 0)


def test_cells(tasks, tmp_path, capsys):
    fake = Fake()
    cells = run_tasks(tmp_path, [(Method('A b/c', 'a'), fake), (Method('B', 'b'), fake)], tasks)
    assert [(c['method'], c['split'], c['fraction']) for c in cells] == fake.calls
    assert len(cells) == 8
    cell = cells[0]
    assert (cell['labels'], cell['test'], cell['chosen']) == (tasks[0].labels, 12, {'penalty': 1.0})
    assert set(cell['subsets']) == {'light', 'heavy'}
    stored = read_predictions(tmp_path / cell['predictions'])
    assert list(stored.names) == [rating.name for rating in tasks[0].test]
    assert stored.groups[0] == tasks[0].test[0].row['scene']
    rank = np.argsort(np.argsort(stored.predicted)), np.argsort(np.argsort(stored.mos))
    assert cell['metrics']['SRCC'] == pytest.approx(np.corrcoef(*rank)[0, 1])
    assert '[8/8] fake of B: ratio604_seed0_split_02, 18 labels, 12 test photos' in capsys.readouterr().out


def test_a_stopped_run_goes_on(tasks, tmp_path, capsys):
    methods = Method('A', 'a'), Method('B', 'b')
    first, second = Fake(stop_at=3), Fake()
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tmp_path, [(method, first) for method in methods], tasks)
    cells = run_tasks(tmp_path, [(method, second) for method in methods], tasks)
    assert len(first.calls) == 3
    assert len(second.calls) == 5
    assert [(c['method'], c['split'], c['fraction']) for c in cells] == first.calls + second.calls
    assert f'3 of 8 results are already in {tmp_path}' in capsys.readouterr().out


def test_methods_may_be_added_later(tasks, tmp_path):
    one, two = Fake(), Fake()
    before = run_tasks(tmp_path, [(Method('A', 'a'), one)], tasks)
    after = run_tasks(tmp_path, [(Method('A', 'a'), two), (Method('B', 'b'), two)], tasks)
    assert after[:4] == before
    assert {name for name, _, _ in two.calls} == {'B'}


@pytest.mark.parametrize('change', ['settings', 'seed', 'labels', 'photos', 'groups'])
def test_results_of_other_settings_are_never_replaced(tasks, tmp_path, change, rated_set):
    method = Method('A', 'a')
    before = run_tasks(tmp_path, [(method, Fake())], tasks)
    rated = open_rated_set(rated_set, rated_set.parent / 'images')
    other = Fake(0.1) if change == 'settings' else Fake()
    word = {'settings': 'noise', 'seed': 'seed', 'labels': 'train, val', 'photos': 'test', 'groups': 'groups'}[change]
    if change == 'photos':
        copy = tmp_path / 'photos'
        shutil.copytree(rated.root, copy)
        with (copy / tasks[0].test[0].name).open('ab') as file:
            file.write(b'other bytes')
        tasks = split_tasks(replace(rated, root=copy), SPLITS, [0.5, 1.0], 0.3, 0)
    elif change == 'groups':
        info = replace(rated.info, subset_column=None)
        tasks = [replace(task, test_set=replace(rated, data=replace(rated.data, info=info))) for task in tasks]
    elif change != 'settings':
        tasks = split_tasks(rated, SPLITS, [0.5, 1.0], 0.4 if change == 'labels' else 0.3, int(change == 'seed'))
    with pytest.raises(InputError, match=rf'\.json was computed with other settings \(.*{word}.* differ\)'):
        run_tasks(tmp_path, [(method, other)], tasks)
    assert not other.calls
    files = sorted((tmp_path / 'cells').glob('*.json'))
    assert {json.loads(file.read_text())['cell']['metrics']['SRCC'] for file in files} == {
        cell['metrics']['SRCC'] for cell in before
    }


def test_a_run_is_never_resumed_with_other_settings(tasks, tmp_path):
    folders = []

    class Notes(Fake):
        def predict(self, method, task, folder):
            folders.append(folder)
            (folder / 'checkpoint').write_text('')
            return super().predict(method, task, folder)

    cell = tmp_path / 'cells'
    for noise in (0.5, 0.1, 0.5):
        run_tasks(tmp_path, [(Method('A', 'a'), Notes(noise))], tasks[:1])
        next(cell.glob('*.json')).unlink()
    assert folders[0] == folders[2] != folders[1]


def test_several_runs_share_the_work(tasks, tmp_path):
    fakes = [Fake() for _ in range(3)]
    results = {}

    def work(number):
        pairs = [(Method('A', 'a'), fakes[number]), (Method('B', 'b'), fakes[number])]
        results[number] = run_tasks(tmp_path, pairs, tasks)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = [call for fake in fakes for call in fake.calls]
    assert len(calls) == len(set(calls)) == 8
    assert results[0] == results[1] == results[2]


def test_constant_predictions_are_a_note_not_a_nan(tasks, tmp_path):
    cell = run_tasks(tmp_path, [(Method('A', 'a'), Fake(constant=True))], tasks[:1])[0]
    assert 'SRCC' not in cell['metrics']
    assert any('SRCC' in note and 'not defined' in note for note in cell['notes'])
    assert 'NaN' not in json.dumps(cell)


def test_any_name_of_a_split_keeps_methods_apart(tasks, tmp_path):
    odd = [replace(task, split='a/s') for task in tasks[1:2]] + [replace(task, split='a-s') for task in tasks[1:2]]
    cells = run_tasks(tmp_path, [(Method('A/x', 'a'), Fake()), (Method('B/x', 'b'), Fake())], odd)
    assert len({cell['predictions'] for cell in cells}) == 4
    with pytest.raises(InputError, match='a task is given twice'):
        run_tasks(tmp_path, [(Method('A', 'a'), Fake())], [odd[0], odd[0]])


def test_names_must_differ(tasks, tmp_path):
    with pytest.raises(InputError, match='two methods have one name: A, A'):
        run_tasks(tmp_path, [(Method('A', 'a'), Fake()), (Method('A', 'b'), Fake())], tasks)
