"""A small folder of results: two methods, two splits, two shares of the labels, two subsets."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmqpt.evaluation.protocols.distortion_readers import Readings
from mmqpt.evaluation.protocols.distortion_run import write_ladders
from mmqpt.evaluation.protocols.distortions import Design, assign, find_distortions
from mmqpt.evaluation.statistics.correlation import plcc, rmse, srcc
from mmqpt.evaluation.statistics.predictions import Predictions, write_predictions

METHODS = ('ImageNet', '<script>alert(1)</script>')
SPLITS = ('split_01', 'split_02')
FRACTIONS = (0.1, 1.0)
SUBSETS = ('indoor', 'a | b')


@pytest.fixture
def made_predictions(rng):
    """(n, noise) -> Predictions with MOS 0 to 1, two subsets; the names need no photo."""

    def make(count=40, noise=0.1):
        mos = rng.uniform(0, 1, count)
        names = [f'photo {i}.jpg' for i in range(count)]
        subsets = [SUBSETS[i % 2] for i in range(count)]
        return Predictions(names, mos, mos + noise * rng.normal(size=count), names, subsets)

    return make


@pytest.fixture
def results_folder(tmp_path, made_predictions):
    """results.json and predictions; the photos do not exist."""
    cells, summary, comparisons = [], [], []
    for method in METHODS:
        for fraction in FRACTIONS:
            for split in SPLITS:
                file = f'predictions/{METHODS.index(method)}_{fraction}_{split}.csv'
                predictions = made_predictions(noise=0.3 if method == 'ImageNet' else 0.1)
                write_predictions(tmp_path / file, predictions)
                subsets = {name: figures(predictions.subset(name)) for name in SUBSETS}
                cells.append(
                    {
                        'method': method, 'split': split, 'fraction': fraction, 'labels': int(160 * fraction),
                        'test': 40, 'seconds': 1.25, 'chosen': {'penalty': 10.0}, 'metrics': figures(predictions),
                        'subsets': subsets, 'notes': [], 'predictions': file,
                    }
                )  # fmt: skip
            for subset in ('', *SUBSETS):
                own = [c for c in cells if (c['method'], c['fraction']) == (method, fraction)]
                summary.append(
                    {
                        'method': method, 'fraction': fraction, 'subset': subset, 'splits': 2,
                        'metrics': {name: spread(own, subset, name) for name in ('SRCC', 'PLCC', 'RMSE')},
                    }
                )  # fmt: skip
    for fraction in FRACTIONS:
        for subset in ('', 'indoor'):
            comparisons.append(
                {
                    'a': METHODS[1], 'b': METHODS[0], 'fraction': fraction, 'subset': subset, 'metric': 'SRCC',
                    'difference': 0.1, 'low': 0.05, 'high': 0.15,
                    'verdict': f'{METHODS[1]} is better than {METHODS[0]} {subset}.',
                }
            )  # fmt: skip
    info = {'name': 'tiny', 'photos': 200, 'mos_range': [0, 1], 'source': 'A. B., 2020, https://example.org/set'}
    results = {
        'format': 1, 'title': 'tiny: linear probe', 'protocol': 'linear probe', 'command': 'python tools/x.py ```',
        'created': '2026-01-01T00:00:00', 'versions': {'mmqpt': '0.1'}, 'machine': 'a CPU',
        'train_set': info, 'test_set': {**info, 'photo_root': str(tmp_path / 'photos')},
        'splits': dict.fromkeys(SPLITS, 'random 80/20, seed 1'), 'settings': {'validation': 0.1, 'scales': [1, 2]},
        'methods': [{'name': name, 'description': f'weights of {name}'} for name in METHODS],
        'cells': cells, 'summary': summary, 'comparisons': comparisons,
    }  # fmt: skip
    write(tmp_path, results)
    return tmp_path


@pytest.fixture
def results(results_folder):
    """What its results.json holds."""
    return json.loads((results_folder / 'results.json').read_text())


def figures(predictions):
    x, y = predictions.predicted, predictions.mos
    return {'SRCC': srcc(x, y), 'PLCC': plcc(x, y), 'PLCC4': plcc(x, y), 'RMSE': rmse(x, y)}


def write(folder, results):
    (folder / 'results.json').write_text(json.dumps(results))


def spread(cells, subset, name):
    values = [(cell['subsets'][subset] if subset else cell['metrics'])[name] for cell in cells]
    middle = float(np.median(values))
    return {
        'median': middle, 'std': float(np.std(values, ddof=1)), 'min': min(values), 'max': max(values),
        'low': middle - 0.05, 'high': middle + 0.04,
    }  # fmt: skip


@pytest.fixture
def distortion_design():
    """30 photos that do not exist, three distortions of which each photo gets two."""
    names = [f'{i}.jpg' for i in range(30)]
    folds = np.arange(30) % 3
    distortions = find_distortions(['gaussian_blur', 'white_noise', 'jpeg'])
    return Design(Path('folder'), names, [f'g{i // 2}' for i in range(30)], folds, distortions, assign(folds, 3, 2), 64)


@pytest.fixture
def made_readings(distortion_design, rng):
    """(noise, blind) -> Readings near the truth; of ``jpeg`` blindly, with levels at random and the wrong type."""

    def make(noise=0.5, blind=False):
        _, kind, level = distortion_design.images.T
        levels = np.tile(np.arange(6.0), (len(distortion_design.ladders), 1))
        each, position = (levels + noise * rng.normal(size=levels.shape) for _ in range(2))
        taken = np.where(rng.random(len(kind)) < noise / 5, rng.integers(0, 3, len(kind)), kind)
        if blind:
            each[distortion_design.ladders[:, 1] == 2] = rng.normal(
                size=each[distortion_design.ladders[:, 1] == 2].shape
            )
            taken = np.where(kind == 2, 1, taken)
        return Readings(level + noise * rng.normal(size=len(level)), np.where(kind < 0, -1, taken), each, position)

    return make


@pytest.fixture
def distortion_cells(made_readings, distortion_design, tmp_path):
    """An encoder that is blind to ``jpeg`` and has an odd name, and two checkpoints of a run, the last the best."""
    places = (('<script>alert(1)</script>', '', None, 2.0), ('B 10', 'B', 10, 0.6), ('B 20', 'B', 20, 0.2))
    cells = []
    for number, (name, run, step, noise) in enumerate(places):
        path = f'predictions/{number}.csv'
        write_ladders(tmp_path / path, made_readings(noise, not number), distortion_design)
        cells.append(
            {
                'encoder': name, 'weights': f'{number}.pth', 'run': run, 'step': step, 'features': 8, 'seconds': 1.5,
                'predictions': path,
            }
        )  # fmt: skip
    return cells


@pytest.fixture
def distortion_folder(distortion_cells, tmp_path):
    """Where the readings of ``distortion_cells`` are."""
    return tmp_path
