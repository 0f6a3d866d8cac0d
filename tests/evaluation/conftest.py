"""A small folder of results: two methods, two splits, two shares of the labels, two subsets."""

import json

import numpy as np
import pytest

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
