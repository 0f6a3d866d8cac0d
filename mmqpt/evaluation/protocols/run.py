"""Run methods over tasks; every result is stored as soon as it is there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mmqpt.core.errors import InputError
from mmqpt.core.files import write_json
from mmqpt.datasets.rated.ratings import group_of
from mmqpt.evaluation.protocols.features import digest_of
from mmqpt.evaluation.protocols.learners import Learner, Method
from mmqpt.evaluation.protocols.tasks import Task
from mmqpt.evaluation.statistics.groups import grouped_srcc
from mmqpt.evaluation.statistics.measures import COMPARED, measures
from mmqpt.evaluation.statistics.predictions import Predictions, write_predictions


def run_tasks(out: Path, methods: Sequence[tuple[Method, Learner]], tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Compute what is missing in a folder of results; a cell is one method on one task.

    A cell is written when it is done, so a stopped run resumes with the next. Several processes, on one machine or on
    many with a common file system, may work on one folder: each cell is locked while it is computed, and the lock ends
    with the process that holds it.

    Args:
        out: folder of results.
        methods: each with its learner; names must differ.
        tasks: what to compute.

    Returns:
        The cells, methods outermost.

    Raises:
        InputError: two methods of one name, or the folder holds a result of the same name from other settings, which
            is never replaced.
    """
    names = [method.name for method, _ in methods]
    if len(set(names)) != len(names):
        raise InputError(f'two methods have one name: {", ".join(names)}')
    cells = [(method, learner, task) for method, learner in methods for task in tasks]
    keys = [_cell_key(method, learner, task) for method, learner, task in cells]
    files = [_cell_file(out, *cell) for cell in cells]
    if len(set(files)) != len(files):
        raise InputError('a task is given twice')
    for file, key in zip(files, keys, strict=True):
        _check_cell(file, key)
    waiting = [number for number, file in enumerate(files) if not file.is_file()]
    total = len(cells)
    if len(waiting) < total:
        print(f'{total - len(waiting)} of {total} results are already in {out}', flush=True)
    while waiting:
        later = []
        for number in waiting:
            file = files[number]
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(file.with_suffix('.lock'), timeout=0):
                    _check_cell(file, keys[number])  # another process may have written it by now
                    if not file.is_file():
                        method, learner, task = cells[number]
                        print(
                            f'[{number + 1}/{total}] {learner.title} of {method.name}: {task.split}, '
                            f'{task.labels} labels, {len(task.test)} test photos',
                            flush=True,
                        )
                        _compute(out, file, keys[number], *cells[number])
            except Timeout:
                later.append(number)
        if len(later) == len(waiting):
            time.sleep(2)  # all of them are being computed by other processes
        waiting = later
    others = len(set((out / 'cells').glob('*.json')) - set(files))
    if others:
        print(f'{others} more results in {out} belong to other runs; the report leaves them out', flush=True)
    return [json.loads(file.read_text(encoding='utf-8'))['cell'] for file in files]


def _compute(out: Path, file: Path, key: dict[str, Any], method: Method, learner: Learner, task: Task) -> None:
    start = time.perf_counter()
    folder = out / 'runs' / f'{file.stem}_{digest_of(key)[:8]}'  # other settings get another folder
    folder.mkdir(parents=True, exist_ok=True)
    predicted, chosen = learner.predict(method, task, folder)
    if not any(folder.iterdir()):
        folder.rmdir()
    seconds = time.perf_counter() - start
    predictions = task.predictions(predicted)
    path = out / 'predictions' / f'{file.stem}.csv'
    write_predictions(path, predictions)
    fitted = not method.is_pyiqa
    same_scale = fitted and task.train_set is task.test_set and not task.train_set.info.scale_column
    values, notes = _measures(predictions, same_scale)
    subsets = {}
    for name in sorted(set(predictions.subsets) - {''}):
        subsets[name], more = _measures(predictions.subset(name), same_scale)
        notes += [f'{name}: {note}' for note in more]
    notes += _about_subsets(predictions)
    cell = {
        'method': method.name,
        'split': task.split,
        'fraction': task.fraction,
        'labels': task.labels if fitted else 0,
        'test': len(task.test),
        'seconds': round(seconds, 1),
        'chosen': chosen,
        'metrics': values,
        'subsets': subsets,
        'notes': [*task.notes, *notes],
        'predictions': path.relative_to(out).as_posix(),
    }
    write_json(file, {'key': key, 'cell': cell})
    print(f'    {_short(values)} in {seconds:.0f} s', flush=True)


def _about_subsets(predictions: Predictions) -> list[str]:
    """What differences between subsets do to the figures of all photos, if it is much."""
    try:
        note = grouped_srcc(predictions.predicted, predictions.mos, predictions.subsets).note
    except InputError:  # a subset of one or two photos, say
        return []
    return [note] if note else []


def _measures(predictions: Predictions, same_scale: bool) -> tuple[dict[str, float], list[str]]:
    values, notes = measures(predictions.predicted, predictions.mos)
    if not same_scale:
        values.pop('RMSE', None)
    return values, notes


def _short(values: Mapping[str, float]) -> str:
    return ', '.join(f'{name} {values[name]:.3f}' for name in COMPARED if name in values) or 'no figure defined'


def _cell_key(method: Method, learner: Learner, task: Task) -> dict[str, Any]:
    key = json.loads(json.dumps(learner.key(method), default=str))
    for name in ('train', 'val', 'test'):
        rated = task.test_set if name == 'test' else task.train_set
        info, rows = rated.info, getattr(task, name)
        key[name] = digest_of([(r.name, r.mos, rated.path(r).stat().st_size) for r in rows])
        key[f'groups and subsets of {name}'] = digest_of(
            [(group_of(r, info.group_column), r.row[info.subset_column] if info.subset_column else '') for r in rows]
        )
    info = task.train_set.info
    if info.scale_column:
        key['rating scales'] = digest_of([r.row[info.scale_column] for r in (*task.train, *task.val)])
    return {**key, 'seed': task.seed}


def _cell_file(out: Path, method: Method, learner: Learner, task: Task) -> Path:
    name = f'{_slug(method.name)}_{_slug(task.split)}_{100 * task.fraction!r}'
    return out / 'cells' / f'{name}.json'


def _slug(text: str) -> str:
    """A file name for any text; two texts never share one."""
    if re.fullmatch(r'[a-z0-9_]+', text):
        return text
    return f'{re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")}-{digest_of(text)[:8]}'


def _check_cell(file: Path, key: dict[str, Any]) -> None:
    if not file.is_file():
        return
    found = json.loads(file.read_text(encoding='utf-8'))['key']
    if found != key:
        different = sorted(name for name in {*found, *key} if found.get(name) != key.get(name))
        raise InputError(
            f'{file} was computed with other settings ({", ".join(different)} differ); it is not replaced: '
            'choose another --out, or delete the file'
        )
