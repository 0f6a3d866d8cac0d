"""Registration: either import order, light, once. Each case runs in a fresh interpreter."""

import shutil
import subprocess
import sys

import pyiqa
import pytest

import mmqpt  # noqa: F401  (registers qpt)
from mmqpt.core.errors import InputError


def python(code: str) -> str:
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize('order', ['mmqpt, pyiqa', 'pyiqa, mmqpt'])
def test_both_import_orders(order):
    code = f"import {order}; print('qpt' in pyiqa.list_models('NR'))"
    assert python(code) == 'True'


def test_registering_again_changes_nothing():
    code = (
        'import mmqpt, pyiqa, mmqpt.metric.register as r; r.register(); r.register(); r.register_with_pyiqa(); '
        "print(pyiqa.list_models(filter='qpt'))"
    )
    assert python(code) == "['qpt']"


def test_import_is_light():
    heavy = ('torch', 'pyiqa', 'cv2', 'numpy', 'mmengine', 'mmpretrain')
    assert python(f'import sys, mmqpt; print([name for name in {heavy} if name in sys.modules])') == '[]'


def test_metric_needs_no_openmmlab(metric_weights):
    code = (
        'import sys; sys.modules.update(dict.fromkeys(("mmengine", "mmpretrain", "mmcv")));\n'
        'import mmqpt, pyiqa, torch\n'
        f"metric = pyiqa.create_metric('qpt', pretrained_model_path={str(metric_weights)!r}, device='cpu')\n"
        'print(tuple(metric(torch.rand(1, 3, 64, 64)).shape))'
    )
    assert python(code) == '(1, 1)'


@pytest.mark.parametrize('name', ['qpt-koniq10k', 'qpt-nothing-here', 'qpt-Large'])
def test_create_metric_says_which_weights_there_are(name):
    with pytest.raises((InputError, FileNotFoundError), match=name):
        pyiqa.create_metric(name, device='cpu')


def test_create_metric_finds_weights_that_came_later(metric_weights, tmp_path, monkeypatch):
    shutil.copy(metric_weights, tmp_path / 'qpt-late.safetensors')
    monkeypatch.setenv('MMQPT_WEIGHTS', str(tmp_path))
    assert pyiqa.create_metric('qpt-late', device='cpu').metric_name == 'qpt-late'


def test_other_names_are_pyiqas():
    with pytest.raises(AssertionError, match='nothing not implemented'):
        pyiqa.create_metric('nothing')
