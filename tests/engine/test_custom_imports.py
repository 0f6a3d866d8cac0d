"""A config's ``custom_imports`` add to this package's parts."""

import argparse
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.errors import InputError
from mmqpt.engine.custom_imports import COMPONENTS, import_components
from mmqpt.engine.launch import load_config

ROOT = Path(__file__).parent.parent.parent
BASE = ROOT / 'configs' / 'qpt' / 'qpt_resnet18_1xb32-coslr_folder.py'
CHECK = """
import sys
assert 'mmqpt.components' in sys.modules, 'comes after the components'
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / 'my_import.py').write_text(CHECK)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop('my_import', None)


def loaded(folder: Path, text: str, **options) -> Config:
    path = folder / 'config.py'
    path.write_text(text)
    arguments = {'config': str(path), 'launcher': 'none', 'cfg_options': None, 'work_dir': None, 'local_rank': 0}
    return load_config(argparse.Namespace(**{**arguments, **options}))


def test_a_list_adds_to_ours(tmp_path):
    cfg = loaded(tmp_path, f"_base_ = '{BASE}'\ncustom_imports = dict(imports=['my_import'])\n")
    assert cfg.custom_imports == {'imports': [COMPONENTS, 'my_import'], 'allow_failed_imports': False}
    assert 'my_import' in sys.modules
    assert Config.fromstring(cfg.pretty_text, file_format='.py').custom_imports == cfg.custom_imports


def test_so_does_one_of_the_command_line(tmp_path):
    options = {'custom_imports.imports': ['my_import']}
    cfg = loaded(tmp_path, f"_base_ = '{BASE}'\n", cfg_options=options)
    assert cfg.custom_imports.imports == [COMPONENTS, 'my_import']
    assert 'my_import' in sys.modules


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', [COMPONENTS]),
        ('custom_imports = None', [COMPONENTS]),
        ("custom_imports = dict(imports='my_import')", [COMPONENTS, 'my_import']),
        ("custom_imports = dict(imports=['my_import', 'mmqpt.components'])", [COMPONENTS, 'my_import']),
    ],
)
def test_other_forms(tmp_path, text, expected):
    cfg = loaded(tmp_path, text)
    assert cfg.custom_imports == {'imports': expected, 'allow_failed_imports': False}
    assert TRANSFORMS.get('PatchPairs') is not None


def test_a_module_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no module named 'no_module'; PYTHONPATH says where modules lie"):
        loaded(tmp_path, "custom_imports = dict(imports=['no_module'])")
    with pytest.warns(UserWarning, match='no_module failed to import and is ignored'):
        loaded(tmp_path, "custom_imports = dict(imports=['no_module'], allow_failed_imports=True)")


@pytest.mark.parametrize('given', [['my_import'], {'imports': 3}, {'imports': [3]}])
def test_no_custom_imports(given):
    with pytest.raises(InputError, match=r"custom_imports must be as in dict\(imports=\['my_module'\]\), got "):
        import_components(Config({'custom_imports': given}))
