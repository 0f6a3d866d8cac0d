"""Tasks: the parts of each split, and sets that may not be mixed."""

import shutil
from dataclasses import replace

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set
from mmqpt.evaluation.protocols.tasks import cross_tasks, open_source, split_tasks

FIRST, SECOND = 'ratio604_seed0_split_01', 'ratio604_seed0_split_02'


@pytest.fixture
def source(rated_set):
    return open_source(rated_set, rated_set.parent / 'images')


def names(rows):
    return {rating.name for rating in rows}


def test_split_tasks(source):
    tasks = split_tasks(source, [FIRST, SECOND], [0.5, 1.0], 0.3, 7)
    assert [(task.split, task.fraction, task.seed) for task in tasks] == [
        (FIRST, 0.5, 7), (FIRST, 1.0, 7), (SECOND, 0.5, 8), (SECOND, 1.0, 8)
    ]  # fmt: skip
    assert split_tasks(source, [SECOND], [1.0], 0.3, 7)[0].seed == 8  # whichever others are run
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


def test_leaks_and_dropped_rows_become_notes(source, tmp_path):
    rows = [{'name': r.name, 'mos': r.mos, 'scene': r.row['scene']} for r in source.data.ratings]
    for number, row in enumerate(rows):
        row['own'] = 'drop' if number > 27 else 'test' if number % 2 else 'train'  # every scene is torn apart
    write_set(tmp_path / 'own.csv', SetInfo('own', (1, 5), group_column='scene', splits={'own': 'mine'}), rows)
    task = split_tasks(open_source(tmp_path / 'own.csv', source.root), ['own'], [1.0], 0.25, 0)[0]
    assert task.notes == (
        '14 of 14 test photos of own share a group (scene) with a training photo',
        '2 photos are in no part of own',
    )


def test_cross_tasks(source, tmp_path, photo_folder):
    other = [{'name': p.name, 'mos': i} for i, p in enumerate(sorted(photo_folder.iterdir()))]
    write_set(tmp_path / 'other.csv', SetInfo('other', (0, 100)), other)
    target = open_source(tmp_path / 'other.csv', photo_folder)
    tasks = cross_tasks(source, target, 2, 0.2, 3)
    assert [(task.split, task.seed, len(task.test)) for task in tasks] == [('repeat_01', 3, 6), ('repeat_02', 4, 6)]
    assert all(names(task.train) | names(task.val) == names(source.data.ratings) for task in tasks)
    assert names(tasks[0].val) != names(tasks[1].val)
    assert tasks[0].protocol == 'cross-set, all of tiny to all of other'


def test_errors(source, tmp_path):
    with pytest.raises(InputError, match=r"no column 'fold'"):
        split_tasks(source, ['fold'], [1.0], 0.2, 0)
    with pytest.raises(InputError, match="both sets are named 'tiny'"):
        cross_tasks(source, source, 1, 0.2, 0)
    renamed = replace(source, data=replace(source.data, info=replace(source.info, name='other')))
    with pytest.raises(InputError, match=r'30 photos are in both sets, the first: 00\.png'):
        cross_tasks(source, renamed, 1, 0.2, 0)
    with pytest.raises(InputError, match='a split is named twice: '):
        split_tasks(source, [FIRST, FIRST], [1.0], 0.3, 0)
    with pytest.raises(InputError, match=r'a fraction is named twice: 1.0, 1.0'):
        split_tasks(source, [FIRST], [1.0, 1.0], 0.3, 0)
    two = replace(source.data.info, splits={**source.info.splits, SECOND: 'another'})
    with pytest.raises(InputError, match=f"splits of different protocols .*; {SECOND} is 'another'"):
        split_tasks(replace(source, data=replace(source.data, info=two)), [FIRST, SECOND], [1.0], 0.3, 0)
    with pytest.raises(InputError, match='repeats must be >= 1, got 0'):
        cross_tasks(source, source, 0, 0.2, 0)
    with pytest.raises(FileNotFoundError, match='no such folder of photos: nowhere'):
        open_source(source.data.path, 'nowhere')
    copy = tmp_path / 'images'
    shutil.copytree(source.root, copy)
    elsewhere = replace(source, root=copy, data=replace(source.data, info=replace(source.info, name='copy')))
    with pytest.raises(InputError, match='the val part has 0 photos; at least 3 are needed'):
        cross_tasks(source, elsewhere, 1, 0.0, 0)
    task = split_tasks(elsewhere, [FIRST], [1.0], 0.2, 0)[0]
    (copy / task.test[3].name).unlink()
    with pytest.raises(InputError, match=rf'1 of 30 photos are missing, the first: .*{task.test[3].name}'):
        split_tasks(elsewhere, [FIRST], [1.0], 0.2, 0)
    assert len(read_set(source.data.path).ratings) == 30
