"""Run methods over tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import group_of
from mmqpt.evaluation.protocols.cells import Cell, run_cells, slug
from mmqpt.evaluation.protocols.features import digest_of
from mmqpt.evaluation.protocols.learners import Learner, Method
from mmqpt.evaluation.protocols.tasks import Task
from mmqpt.evaluation.protocols.trained_on import warning_of
from mmqpt.evaluation.statistics.groups import grouped_srcc
from mmqpt.evaluation.statistics.measures import COMPARED, measures
from mmqpt.evaluation.statistics.predictions import Predictions, write_predictions


def run_tasks(out: Path, methods: Sequence[tuple[Method, Learner]], tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Compute what is missing in a folder of results, as :func:`run_cells` does; a cell is one method on one task.

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
    for method, learner in methods:  # before the first of many hours
        learner.key(method)
        learner.check(method)
        for warning in sorted({warning_of(method, task.test_set.info.name) for task in tasks} - {''}):
            print(f'warning: {warning}', flush=True)
    found = [(method, learner, task) for method, learner in methods for task in tasks]
    cells = [
        Cell(
            _cell_name(method, task),
            _cell_key(method, learner, task),
            f'{learner.title} of {method.name}: {task.split}, {task.labels} labels, {len(task.test)} test photos',
            partial(_compute, out, method, learner, task),
        )
        for method, learner, task in found
    ]
    if len({cell.name for cell in cells}) != len(cells):
        raise InputError('a task is given twice')
    return run_cells(out, cells)


def _compute(out: Path, method: Method, learner: Learner, task: Task, folder: Path) -> dict[str, Any]:
    start = time.perf_counter()
    predicted, chosen = learner.predict(method, task, folder)
    seconds = time.perf_counter() - start
    predictions = task.predictions(predicted)
    path = out / 'predictions' / f'{_cell_name(method, task)}.csv'
    write_predictions(path, predictions)
    fitted = not method.is_pyiqa
    same_scale = fitted and task.train_set is task.test_set and not task.train_set.info.scale_column
    values, notes = _measures(predictions, same_scale)
    subsets = {}
    for name in sorted(set(predictions.subsets) - {''}):
        subsets[name], more = _measures(predictions.subset(name), same_scale)
        notes += [f'{name}: {note}' for note in more]
    notes += _about_subsets(predictions)
    notes += [warning for warning in [warning_of(method, task.test_set.info.name)] if warning]
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
    print(f'    {_short(values)} in {seconds:.0f} s', flush=True)
    return cell


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


def _cell_name(method: Method, task: Task) -> str:
    return f'{slug(method.name)}_{slug(task.split)}_{100 * task.fraction!r}'
