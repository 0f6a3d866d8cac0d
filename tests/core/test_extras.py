"""A missing package is named with the extra that brings it, and every extra that is named exists."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mmqpt.core.errors import InputError
from mmqpt.core.extras import EXTRAS, name_extra, require

ROOT = Path(__file__).parent.parent.parent
DISTRIBUTIONS = {
    'cv2': 'opencv-python-headless',
    'mmcv': 'mmcv-lite',
    'sklearn': 'scikit-learn',
    'onnxscript': None,
}
"""Where the package has another name than what brings it; onnxscript is no requirement of ours."""


def test_every_package_is_brought_by_its_extra():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    for package, extra in EXTRAS.items():
        lines = [line for line in config['options.extras_require'][extra].splitlines() if line]
        brought = {Requirement(line).name for line in lines}
        wanted = DISTRIBUTIONS.get(package, package)
        assert wanted is None or wanted in brought, package


def test_require():
    require('numpy', '', 'x')
    with pytest.raises(InputError, match=r"^x needs no_such, which is not installed: pip install 'mmqpt\[torch\]'$"):
        require('no_such', 'torch', 'x')
    with pytest.raises(InputError, match=r"^x needs no_such, which is not installed: pip install 'mmqpt'$"):
        require('no_such', '', 'x')


def test_name_extra():
    error = ModuleNotFoundError('no', name='torch.nn')
    assert str(name_extra(error, 'x')) == "x needs torch, which is not installed: pip install 'mmqpt[torch]'"
    for name in ('json.x', None):
        error = ModuleNotFoundError('no', name=name)
        assert name_extra(error, 'x') is error


def test_degradations_name_their_extra():
    code = 'import sys; sys.modules["cv2"] = None; import mmqpt.degradations'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    needs = "mmqpt.degradations needs cv2, which is not installed: pip install 'mmqpt[degradations]'"
    assert done.stderr.splitlines()[-1] == f'ModuleNotFoundError: {needs}'
