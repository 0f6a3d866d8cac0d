"""The order of the folders: each imports only from those before it, and the metric stands alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'mmqpt'
ORDER = ['version', 'core', 'degradations', 'datasets', 'models', 'evaluation', 'engine', 'export']
ALONE = {
    'metric': {'version', 'core', 'metric'},
    'degradations': {'version', 'core', 'degradations'},
    'ray': {'version', 'core', 'metric'},
    'cli': {'version', 'core', 'metric', 'cli'},
}
OPENMMLAB = {'mmengine', 'mmcv', 'mmpretrain'}


def imports(path):
    """Absolute names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def files(folder):
    found = sorted((PACKAGE / folder).rglob('*.py')) or [PACKAGE / f'{folder}.py']
    assert found[0].is_file()
    return found


@pytest.mark.parametrize('folder', [*ORDER, *ALONE])
def test_imports_only_from_folders_before_it(folder):
    allowed = ALONE.get(folder) or set(ORDER[: ORDER.index(folder) + 1])
    for path in files(folder):
        for name in imports(path):
            if name.startswith('mmqpt.'):
                assert name.split('.')[1] in allowed, f'{path.relative_to(ROOT)} imports {name}'


@pytest.mark.parametrize('folder', ['core', 'degradations', 'metric', 'ray'])
def test_no_openmmlab_below_the_data_sets(folder):
    for path in files(folder):
        assert not OPENMMLAB & {name.split('.')[0] for name in imports(path)}, path


def test_every_folder_is_in_the_order():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {'__pycache__', '.mim'}
    assert folders <= {*ORDER, *ALONE}


def test_no_asserts_in_library_code():
    for path in PACKAGE.rglob('*.py'):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], path


def test_tests_mirror_the_source_tree():
    for path in (ROOT / 'tests').rglob('test_*.py'):
        folder = path.relative_to(ROOT / 'tests').parent
        assert (PACKAGE / folder).is_dir() or (ROOT / folder).is_dir(), path
