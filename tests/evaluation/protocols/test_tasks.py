"""Tasks: the parts of each split, and sets that may not be mixed."""

import shutil
from dataclasses import replace

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set
from mmqpt.evaluation.protocols.tasks import cross_tasks, open_rated_set, split_tasks

FIRST, SECOND = 'ratio604_seed0_split_01', 'ratio604_seed0_split_02'


@pytest.fixture
def rated(rated_set):
    return open_rated_set(rated_set, rated_set.parent / 'images')


def names(rows):
    return {rating.name for rating in rows}


def test_split_tasks(rated):
    tasks = split_tasks(rated, [FIRST, SECOND], [0.5, 1.0], 0.3, 7)
    assert [(task.split, task.fraction, task.seed) for task in tasks] == [
        (FIRST, 0.5, 7), (FIRST, 1.0, 7), (SECOND, 0.5, 8), (SECOND, 1.0, 8)
    ]  # fmt: skip
    assert split_tasks(rated, [SECOND], [1.0], 0.3, 7)[0].seed == 8  # whichever others are run
    half, whole = tasks[:2]
    assert names(half.test) == names(whole.test)
    assert (whole.labels, len(whole.test)) == (18, 12)
    assert names(half.train) | names(half.val) < names(whole.train) | names(whole.val)
    for task in tasks:
        assert task.protocol == 'random 60/40, seed 0, grouped by scene'
        assert task.notes == ()
        parts = [{r.row['scene'] for r in part} for part in (task.train, task.val, task.test)]
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]


def test_leaks_and_dropped_rows_become_notes(rated, tmp_path):
    rows = [{'name': r.name, 'mos': r.mos, 'scene': r.row['scene']} for r in rated.data.ratings]
    for number, row in enumerate(rows):
        row['own'] = 'drop' if number > 27 else 'test' if number % 2 else 'train'  # every scene is torn apart
    write_set(tmp_path / 'own.csv', SetInfo('own', (1, 5), group_column='scene', splits={'own': 'mine'}), rows)
    task = split_tasks(open_rated_set(tmp_path / 'own.csv', rated.root), ['own'], [1.0], 0.25, 0)[0]
    assert task.notes == (
        '14 of 14 test photos of own share a group (scene) with a training photo',
        '2 photos are in no part of own',
    )


def test_cross_tasks(rated, tmp_path, photo_folder):
    other = [{'name': p.name, 'mos': i} for i, p in enumerate(sorted(photo_folder.iterdir()))]
    write_set(tmp_path / 'other.csv', SetInfo('other', (0, 100)), other)
    target = open_rated_set(tmp_path / 'other.csv', photo_folder)
    tasks = cross_tasks(rated, target, 2, 0.2, 3)
    assert [(task.split, task.seed, len(task.test)) for task in tasks] == [('repeat_01', 3, 6), ('repeat_02', 4, 6)]
    assert all(names(task.train) | names(task.val) == names(rated.data.ratings) for task in tasks)
    assert names(tasks[0].val) != names(tasks[1].val)
    assert tasks[0].protocol == 'cross-set, all of tiny to all of other'


def test_predictions_hold_what_is_known_of_the_test_photos(rated):
    task = split_tasks(rated, [FIRST], [1.0], 0.3, 7)[0]
    found = task.predictions(range(12))
    assert found.names == [rating.name for rating in task.test]
    assert found.mos.tolist() == [rating.mos for rating in task.test]
    assert found.predicted.tolist() == list(range(12))
    assert found.groups == [rating.row['scene'] for rating in task.test]
    assert found.subsets == [rating.row['kind'] for rating in task.test]


def test_a_photo_without_a_group_is_its_own(rated):
    info = replace(rated.info, group_column=None, subset_column=None)
    plain = replace(rated, data=replace(rated.data, info=info))
    found = replace(split_tasks(rated, [FIRST], [1.0], 0.3, 7)[0], test_set=plain).predictions(range(12))
    assert found.groups == found.names
    assert set(found.subsets) == {''}


def test_errors(rated, tmp_path):
    with pytest.raises(InputError, match=r"no column 'fold'"):
        split_tasks(rated, ['fold'], [1.0], 0.2, 0)
    with pytest.raises(InputError, match="both sets are named 'tiny'"):
        cross_tasks(rated, rated, 1, 0.2, 0)
    renamed = replace(rated, data=replace(rated.data, info=replace(rated.info, name='other')))
    with pytest.raises(InputError, match=r'30 photos are in both sets, the first: 00\.png'):
        cross_tasks(rated, renamed, 1, 0.2, 0)
    with pytest.raises(InputError, match='a split is named twice: '):
        split_tasks(rated, [FIRST, FIRST], [1.0], 0.3, 0)
    with pytest.raises(InputError, match=r'a fraction is named twice: 1.0, 1.0'):
        split_tasks(rated, [FIRST], [1.0, 1.0], 0.3, 0)
    two = replace(rated.data.info, splits={**rated.info.splits, SECOND: 'another'})
    with pytest.raises(InputError, match=f"splits of different protocols .*; {SECOND} is 'another'"):
        split_tasks(replace(rated, data=replace(rated.data, info=two)), [FIRST, SECOND], [1.0], 0.3, 0)
    with pytest.raises(InputError, match='repeats must be >= 1, got 0'):
        cross_tasks(rated, rated, 0, 0.2, 0)
    with pytest.raises(FileNotFoundError, match='no such folder of photos: nowhere'):
        open_rated_set(rated.data.path, 'nowhere')
    copy = tmp_path / 'images'
    shutil.copytree(rated.root, copy)
    elsewhere = replace(rated, root=copy, data=replace(rated.data, info=replace(rated.info, name='copy')))
    with pytest.raises(InputError, match='the val part has 0 photos; at least 3 are needed'):
        cross_tasks(rated, elsewhere, 1, 0.0, 0)
    task = split_tasks(elsewhere, [FIRST], [1.0], 0.2, 0)[0]
    (copy / task.test[3].name).unlink()
    with pytest.raises(InputError, match=rf'1 of 30 photos are missing, the first: .*{task.test[3].name}'):
        split_tasks(elsewhere, [FIRST], [1.0], 0.2, 0)
    assert len(read_set(rated.data.path).ratings) == 30
