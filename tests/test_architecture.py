"""The order of the folders and rooms: each imports only from those before it, there is no circle, and the metric stands
alone."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'mmqpt'
ORDER = ['version', 'core', 'degradations', 'datasets', 'models', 'evaluation', 'engine', 'export']
ROOMS = {
    'datasets': ['transforms', 'photos', 'rated'],
    'evaluation': ['statistics', 'protocols', 'reports'],
}
"""Rooms of a folder, in the order in which they may import each other."""

ALONE = {
    'metric': {'version', 'core', 'metric'},
    'degradations': {'version', 'core', 'degradations'},
    'evaluation/statistics': {'core', 'evaluation'},
    'ray': {'version', 'core', 'metric'},
    'transforms': {'core', 'degradations'},
    'cli': {*ORDER, 'metric', 'cli'},  # what a command may import when is told by tests/cli/test_main.py
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


def module_of(path):
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')


@pytest.mark.parametrize('folder', [*ORDER, *ALONE])
def test_imports_only_from_folders_before_it(folder):
    allowed = ALONE.get(folder) or set(ORDER[: ORDER.index(folder) + 1])
    for path in files(folder):
        for name in imports(path):
            if name.startswith('mmqpt.'):
                assert name.split('.')[1] in allowed, f'{path.relative_to(ROOT)} imports {name}'


@pytest.mark.parametrize(('folder', 'room'), [(folder, room) for folder, rooms in ROOMS.items() for room in rooms])
def test_imports_only_from_rooms_before_it(folder, room):
    rooms = ROOMS[folder]
    for path in files(f'{folder}/{room}'):
        for name in imports(path):
            if name.startswith(f'mmqpt.{folder}.'):
                assert name.split('.')[2] in rooms[: rooms.index(room) + 1], f'{path.relative_to(ROOT)} imports {name}'


def test_every_room_is_in_the_order():
    for folder, rooms in ROOMS.items():
        found = {path.name for path in (PACKAGE / folder).iterdir() if path.is_dir()} - {'__pycache__'}
        assert found == set(rooms)
        assert [path.name for path in (PACKAGE / folder).glob('*.py')] == ['__init__.py'], folder


def test_every_room_says_what_it_holds():
    for path in PACKAGE.rglob('__init__.py'):
        assert ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))), path


def test_no_circles():
    """Also of imports inside functions and for type checkers alone."""
    modules = {module_of(path): path for path in PACKAGE.rglob('*.py')}
    graph = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports(path):
            found = name if name in modules else name.rpartition('.')[0]
            if found in modules and found != module:
                graph[module].add(found)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(' -> '.join(error.args[1]))


@pytest.mark.parametrize('folder', ['core', 'degradations', 'metric', 'ray', 'transforms'])
def test_no_openmmlab_below_the_data_sets(folder):
    for path in files(folder):
        assert not OPENMMLAB & {name.split('.')[0] for name in imports(path)}, path


def test_scoring_needs_no_opencv():
    """One file of core has it, for those that use BGR; photo.py imports it when it is asked for BGR."""
    found = [path for folder in ('core', 'metric', 'ray') for path in files(folder) if 'cv2' in imports(path)]
    assert found == [PACKAGE / 'core' / 'bgr.py']


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
