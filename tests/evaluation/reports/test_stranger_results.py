"""Results from strangers: what their names lead to."""

import json

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.reports.findings import read_results
from mmqpt.evaluation.reports.page import write_report
from mmqpt.evaluation.statistics.predictions import COLUMNS, read_predictions

HEAD = ','.join(COLUMNS) + '\n'


@pytest.mark.parametrize('name', ['../secret.jpg', '/etc/secret.jpg', 'a/../../secret.jpg'])
def test_predictions_name_no_photo_outside_of_the_folder(name, tmp_path):
    (tmp_path / 'p.csv').write_text(f'{HEAD}{name},1,2,g,\n')
    with pytest.raises(InputError, match=r'p\.csv: .* leads out of the folder of the photos'):
        read_predictions(tmp_path / 'p.csv')


@pytest.mark.parametrize('name', ['../other.csv', '/etc/passwd'])
def test_results_name_no_predictions_outside_of_their_folder(name, results_folder):
    path = results_folder / 'results.json'
    results = json.loads(path.read_text())
    for cell in results['cells']:
        cell['predictions'] = name
    path.write_text(json.dumps(results))
    with pytest.raises(InputError, match=r'results\.json: .* leads out of the folder'):
        write_report(results_folder)


@pytest.mark.parametrize('content', [b'', b'\xff', b'"' + b'x' * 200_000 + b'"', HEAD.encode() + b'a\n'])
def test_damaged_predictions(content, tmp_path):
    (tmp_path / 'p.csv').write_bytes(content)
    with pytest.raises(InputError, match=r'p\.csv: '):
        read_predictions(tmp_path / 'p.csv')


def test_results_that_nest_without_end(tmp_path):
    (tmp_path / 'results.json').write_text('[' * 100_000)
    with pytest.raises(InputError, match=r'results\.json: not JSON'):
        read_results(tmp_path)


@pytest.mark.parametrize('content', [b'', b'PK\3\4', b'\x93NUMPY\1\0' + b'\xff' * 50])
def test_damaged_store_of_features(content, tmp_path):
    (tmp_path / 'f.npz').write_bytes(content)
    with pytest.raises(InputError, match=r'f\.npz: a damaged store of features'):
        FeatureStore(tmp_path)._read(tmp_path / 'f.npz')


def test_store_of_a_single_array(tmp_path):
    with (tmp_path / 'f.npz').open('wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match=r'f\.npz: a damaged store of features'):
        FeatureStore(tmp_path)._read(tmp_path / 'f.npz')
