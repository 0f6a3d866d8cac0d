"""The folder of results: measures with intervals, comparisons, and joining several folders."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside, reading, write_json
from mmqpt.evaluation.protocols.learners import Method
from mmqpt.evaluation.protocols.tasks import OpenedSet, Task
from mmqpt.evaluation.reports.findings import FORMAT, figures_of, read_results
from mmqpt.evaluation.statistics.bootstrap import describe_difference, interval, paired_difference
from mmqpt.evaluation.statistics.correlation import plcc, rmse, srcc
from mmqpt.evaluation.statistics.groups import MACRO, grouped_srcc
from mmqpt.evaluation.statistics.measures import COMPARED
from mmqpt.evaluation.statistics.predictions import Predictions, read_predictions
from mmqpt.version import __version__

WITH_INTERVAL = {'SRCC': srcc, 'PLCC': plcc, 'RMSE': rmse}
"""Measures that get a bootstrap interval."""


def summarise(out: Path, cells: Sequence[Mapping[str, Any]], replicates: int = 1000) -> dict[str, Any]:
    """Medians over splits with intervals, and the differences of all pairs of methods.

    Args:
        out: folder of results, for the predictions.
        cells: of one or more methods on the same tasks.
        replicates: of the bootstrap.

    Returns:
        ``summary``, ``comparisons`` and ``leading`` of results.json: of which photos the figures come first, ``''`` for
        all, or :data:`MACRO` where differences between subsets carry the figures of all photos.
    """
    read = {cell['predictions']: read_predictions(out / cell['predictions']) for cell in cells}
    names = list(dict.fromkeys(cell['method'] for cell in cells))
    summary, comparisons = [], []
    for fraction in sorted({cell['fraction'] for cell in cells}):
        chosen = [cell for cell in cells if cell['fraction'] == fraction]
        subsets = sorted({name for cell in chosen for name in cell['subsets']})
        for subset in ['', *([MACRO] if len(subsets) > 1 else []), *subsets]:
            parts: dict[str, _Parts] = {}
            for name in names:
                own = [cell for cell in chosen if cell['method'] == name]
                if not own:
                    continue
                whole = {cell['split']: read[cell['predictions']] for cell in own}
                one_subset = subset not in ('', MACRO)
                by_split = {split: p.subset(subset) if one_subset else p for split, p in whole.items()}
                parts[name] = _Parts(by_split, all('RMSE' in cell['metrics'] for cell in own))
                figures = [figures_of(cell, subset) for cell in own]
                summary.append(
                    {
                        'method': name,
                        'fraction': fraction,
                        'subset': subset,
                        'splits': len(own),
                        'labels': int(np.median([cell['labels'] for cell in own])),
                        'metrics': _spread(figures, list(by_split.values()), replicates, subset == MACRO),
                    }
                )
            for i, b in enumerate(names):
                for a in names[i + 1 :]:
                    if a in parts and b in parts:
                        comparisons += _compare(a, b, fraction, subset, parts[a], parts[b], replicates)
    leading = MACRO if any(_carried_by_subsets(part) for part in read.values()) else ''
    return {'summary': summary, 'comparisons': comparisons, 'leading': leading}


def _carried_by_subsets(part: Predictions) -> bool:
    try:
        return bool(grouped_srcc(part.predicted, part.mos, part.subsets).note)
    except InputError:
        return False


def _spread(
    figures: Sequence[Mapping[str, float]], parts: Sequence[Predictions], replicates: int, within: bool
) -> dict[str, dict[str, float]]:
    result = {}
    for name in figures[0]:
        values = [figure[name] for figure in figures if name in figure]
        if len(values) < len(figures):
            continue  # a median over the splits where it worked would not be comparable
        result[name] = {
            'median': float(np.median(values)),
            'std': float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            'min': min(values),
            'max': max(values),
        }
        if name in WITH_INTERVAL:
            try:
                low, high = interval(parts, WITH_INTERVAL[name], replicates=replicates, within=within)
                result[name].update(low=low, high=high)
            except InputError:
                pass  # too few photos for resampling; the report shows no interval
    return result


class _Parts(NamedTuple):
    """A method's predictions by split, and whether they are on the scale of the set's MOS."""

    by_split: dict[str, Predictions]
    on_scale: bool


def _compare(
    a: str, b: str, fraction: float, subset: str, parts_a: _Parts, parts_b: _Parts, replicates: int
) -> list[dict[str, Any]]:
    """Rows of comparisons on the splits that both have; PLCC only where both are on the scale of the MOS."""
    common = [split for split in parts_a.by_split if split in parts_b.by_split]
    where = {'a': a, 'b': b, 'fraction': fraction, 'subset': subset, 'splits': len(common)}
    rows: list[dict[str, Any]] = []
    for measure in COMPARED:
        if measure == 'PLCC' and not (parts_a.on_scale and parts_b.on_scale):
            continue
        try:
            if not common:
                raise InputError('they have no split in common')
            one, other = ([parts.by_split[split] for split in common] for parts in (parts_a, parts_b))
            found = paired_difference(one, other, WITH_INTERVAL[measure], replicates=replicates, within=subset == MACRO)
        except InputError as error:
            sentence = f"{a} and {b} can't be compared in {measure}: {error}"
            rows.append({**where, 'metric': measure, 'verdict': sentence})
            continue
        sentence = describe_difference(a, b, measure, found)
        if len(common) < max(len(parts_a.by_split), len(parts_b.by_split)):
            sentence += f' On the {len(common)} splits that both have.'
        numbers = {'difference': found.difference, 'low': found.low, 'high': found.high}
        rows.append({**where, 'metric': measure, **numbers, 'verdict': sentence})
    return rows


def write_results(
    out: Path,
    title: str,
    protocol: str,
    command: str,
    methods: Sequence[Method],
    tasks: Sequence[Task],
    cells: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    replicates: int = 1000,
) -> dict[str, Any]:
    """Sum up and write results.json.

    Returns:
        What was written.
    """
    results = {
        'format': FORMAT,
        'title': title,
        'protocol': protocol,
        **origin(command),
        'train_set': _describe_set(tasks[0].train_set),
        'test_set': _describe_set(tasks[0].test_set),
        'splits': {task.split: task.protocol for task in tasks},
        'settings': {**settings, 'bootstrap replicates': replicates},
        'methods': [{'name': method.name, 'description': method.weights} for method in methods],
        'cells': list(cells),
        **summarise(out, cells, replicates),
    }
    write_json(out / 'results.json', results)
    return results


def join_results(folders: Sequence[Path], out: Path, replicates: int = 1000) -> dict[str, Any]:
    """Join folders of results on the same set and splits; methods of one name get that of their protocol added.

    Args:
        folders: that :func:`write_results` wrote.
        out: folder for the joined results; predictions are copied into it.
        replicates: of the bootstrap.

    Returns:
        What was written to results.json.

    Raises:
        FileNotFoundError: a folder holds no results.
        InputError: the results are of different sets or split protocols, or ``out`` is one of the folders.
    """
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise InputError(f'{out}: the joined results need a folder of their own')
    with reading(' and '.join(str(folder / 'results.json') for folder in folders)):
        return _join_results(folders, out, replicates)


def _join_results(folders: Sequence[Path], out: Path, replicates: int) -> dict[str, Any]:
    found = [read_results(folder) for folder in folders]
    first = found[0]
    for folder, results in zip(folders, found, strict=True):
        for name in ('train_set', 'test_set'):
            a, b = ({k: r[name][k] for k in ('name', 'photos', 'mos_range')} for r in (first, results))
            if a != b:
                raise InputError(f"{folder}: its {name} is {b}, that of {folders[0]} is {a}; they can't be joined")
    protocols = {name for results in found for name in results['splits'].values()}
    if len(protocols) > 1:
        raise InputError(f"results of different split protocols can't be joined: {'; '.join(sorted(protocols))}")
    names = [method['name'] for results in found for method in results['methods']]
    cells, methods = [], []
    for number, (folder, results) in enumerate(zip(folders, found, strict=True)):
        new = {
            name: f'{name} ({results["protocol"]})' if names.count(name) > 1 else name
            for name in (method['name'] for method in results['methods'])
        }
        methods += [{**method, 'name': new[method['name']]} for method in results['methods']]
        for cell in results['cells']:
            check_inside(cell['predictions'], f'{folder / "results.json"}')
            target = out / 'predictions' / f'{number}_{Path(cell["predictions"]).name}'
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / cell['predictions'], target)
            path = target.relative_to(out).as_posix()
            cells.append({**cell, 'method': new[cell['method']], 'predictions': path})
    if len({method['name'] for method in methods}) != len(methods):
        raise InputError(
            'two folders hold the same method of the same protocol; give each its own name with NAME=WEIGHTS'
        )
    settings = {f'{r["protocol"]}, {k}': v for r in found for k, v in r['settings'].items()}
    results = {
        **first,
        'title': f'{first["train_set"]["name"]}: comparison',
        'protocol': ' and '.join(dict.fromkeys(r['protocol'] for r in found)),
        'command': ' && '.join(r['command'] for r in found),
        'created': now(),
        'versions': {k: ', '.join(dict.fromkeys(r['versions'][k] for r in found)) for k in first['versions']},
        'machine': '; '.join(dict.fromkeys(r['machine'] for r in found)),
        'splits': {k: v for r in found for k, v in r['splits'].items()},
        'settings': settings,
        'methods': methods,
        'cells': cells,
        **summarise(out, cells, replicates),
    }
    write_json(out / 'results.json', results)
    return results


def origin(command: str) -> dict[str, Any]:
    """How and when results come about: the command, the time, versions and the machine; JSON-able."""
    return {
        'command': command,
        'created': now(),
        'versions': {'mmqpt': __version__, 'torch': torch.__version__, 'numpy': np.__version__},
        'machine': machine(),
    }


def now() -> str:
    """Date and time for a report."""
    return datetime.now().isoformat(timespec='seconds')


def _describe_set(rated: OpenedSet) -> dict[str, Any]:
    info = rated.info
    return {
        'name': info.name,
        'photos': len(rated.data.ratings),
        'mos_range': list(info.mos_range),
        'source': info.source,
        'photo_root': str(rated.root.resolve()),
    }


def machine() -> str:
    """The processor and its threads, and the GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
    return f'{cores} cores of {_processor()}, {torch.get_num_threads()} threads, {gpu}'


def _processor() -> str:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        text = ''
    found = re.search(r'model name\s*:\s*(.+)', text)
    return found[1].strip() if found else platform.processor() or platform.machine()
