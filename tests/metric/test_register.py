"""Registration: either import order, light, once. Each case runs in a fresh interpreter."""

import subprocess
import sys

import pytest


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
