"""Results from strangers: what their names lead to."""

import json
import shutil

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.cells import Cell, run_cells
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.reports.findings import read_results
from mmqpt.evaluation.reports.page import write_report
from mmqpt.evaluation.reports.results import join_results
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


def paths_of(value, path=()):
    """The places in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_of(inner, (*path, key))


def test_results_of_any_shape_end_in_one_sentence(results_folder, monkeypatch):
    """Every place of results.json once without its value, and once with another."""
    monkeypatch.setattr('mmqpt.evaluation.reports.page._plot_predictions', lambda *args: ('', []))  # which takes long
    monkeypatch.setattr('mmqpt.evaluation.reports.page._plot_summary', lambda *args: None)
    path = results_folder / 'results.json'
    whole = path.read_text()
    refused = 0
    for place in sorted(set(paths_of(json.loads(whole))), key=str):
        if len(place) > 1 and isinstance(place[1], int) and place[1] > 0:
            continue  # one of each list
        for value in ('gone', 'x', [[]]):
            results = json.loads(whole)
            part = results
            for key in place[:-1]:
                part = part[key]
            if value == 'gone':
                del part[place[-1]]
            else:
                part[place[-1]] = value
            path.write_text(json.dumps(results))
            message = 'results.json'
            try:
                write_report(results_folder)
            except (InputError, FileNotFoundError) as error:
                message = str(error)
                refused += 1
            assert 'results.json' in message or 'predictions' in message, (place, value)
    assert refused > 20


def test_joined_results_copy_no_file_from_outside(results_folder, tmp_path):
    other = tmp_path / 'other'
    shutil.copytree(results_folder, other, ignore=lambda folder, names: ['other'])
    results = json.loads((other / 'results.json').read_text())
    results['cells'][0]['predictions'] = '/etc/hostname'
    (other / 'results.json').write_text(json.dumps(results))
    with pytest.raises(InputError, match=r'results\.json: .*leads out of the folder'):
        join_results([results_folder, other], tmp_path / 'joined')
    assert not list((tmp_path / 'joined').rglob('*hostname*'))


@pytest.mark.parametrize(
    'text', ['', '[]', '{}', '{"key": 7, "cell": {}}', '{"key": {}}', '[' * 100_000, '{"key": {}, "cell": 3}']
)
def test_cells_of_any_shape(text, tmp_path):
    (tmp_path / 'cells').mkdir()
    (tmp_path / 'cells' / 'a.json').write_text(text)
    with pytest.raises(InputError, match=r'a\.json: (not what mmqpt writes|was computed with other settings)'):
        run_cells(tmp_path, [Cell('a', {}, 'a', lambda folder: {})])
