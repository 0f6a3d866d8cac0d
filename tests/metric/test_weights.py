"""Names of weights, and what pyiqa lists."""

import shutil
import subprocess
import sys

import pytest

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.metric import weights
from mmqpt.metric.weights import find_weights, list_weights, name_weights


@pytest.fixture
def folder(metric_weights, tmp_path, monkeypatch):
    for name in ('qpt', 'qpt-koniq10k', 'other', 'QPT-x'):
        shutil.copy(metric_weights, tmp_path / f'{name}.safetensors')
    monkeypatch.setenv('MMQPT_WEIGHTS', str(tmp_path))
    monkeypatch.setattr(weights, '_registered', {})
    return tmp_path


def test_names_in_the_folder(folder):
    assert list_weights()['qpt-koniq10k'] == folder / 'qpt-koniq10k.safetensors'
    assert find_weights() == find_weights('qpt') == folder / 'qpt.safetensors'
    assert not {'other', 'QPT-x'} & set(list_weights())


def test_registered_names_go_before_the_folder(folder, metric_weights):
    name_weights('qpt-koniq10k', metric_weights)
    name_weights('qpt-my.set_2', metric_weights)
    assert find_weights('qpt-koniq10k') == find_weights('qpt-my.set_2') == metric_weights


def test_a_path_is_itself(folder, metric_weights):
    assert find_weights(metric_weights) == find_weights(str(metric_weights)) == metric_weights


def test_what_is_not_there(folder, monkeypatch):
    with pytest.raises(InputError, match=r"no weights called 'qpt-clive'; there are: qpt, qpt-koniq10k"):
        find_weights('qpt-clive')
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: nowhere\.safetensors'):
        find_weights('nowhere.safetensors')
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        find_weights(folder)
    monkeypatch.setenv('MMQPT_WEIGHTS', str(folder / 'gone'))
    with pytest.raises(FileNotFoundError, match=r'gone \(from the environment variable MMQPT_WEIGHTS\)'):
        list_weights()


@pytest.mark.parametrize('name', ['', 'Qpt', 'musiq', 'qpt_x', 'qpt-', 'qpt-a b', 'qpt-../x'])
def test_bad_names(name, metric_weights):
    with pytest.raises(InputError, match="weights must be called 'qpt' or 'qpt-<dataset>'"):
        name_weights(name, metric_weights)


def test_no_file_to_register(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        name_weights('qpt-x', tmp_path / 'x.safetensors')


def test_pyiqa_lists_and_builds_every_name(folder, metric_weights):
    code = f"""
import mmqpt, pyiqa
from pyiqa.default_model_configs import DEFAULT_CONFIGS
mmqpt.register_weights('qpt-mine', {str(metric_weights)!r})
for name in pyiqa.list_models('NR', filter='qpt*'):
    metric = pyiqa.create_metric(name, device='cpu')
    print(name, metric.lower_better, metric.score_range)
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f'{name} False 0, 1' for name in ('qpt', 'qpt-koniq10k', 'qpt-mine')]


def test_a_folder_that_is_gone_does_not_keep_pyiqa_from_being_imported(monkeypatch, tmp_path):
    monkeypatch.setenv('MMQPT_WEIGHTS', str(tmp_path / 'gone'))
    code = "import mmqpt, pyiqa; print(pyiqa.list_models(filter='qpt*'))"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['qpt']", done.stderr
    assert 'no such folder' in done.stderr


def test_the_package_offers_them():
    assert {'score', 'Scorer', 'load_backbone', 'list_weights', 'register_weights'} <= set(dir(mmqpt))
    with pytest.raises(AttributeError, match="has no attribute 'scores'"):
        _ = mmqpt.scores
