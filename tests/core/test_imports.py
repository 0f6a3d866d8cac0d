"""Modules that a user names."""

import sys

import pytest

from mmqpt.core.errors import InputError
from mmqpt.core.imports import import_named


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """On the path, with modules that are forgotten afterwards."""
    for name, text in {
        'imported_one': 'count = []',
        'imported_broken': 'import no_such_thing',
        'json': '',
    }.items():
        (tmp_path / f'{name}.py').write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ('imported_one', 'imported_broken'):
        sys.modules.pop(name, None)


def test_name_and_file_are_one_module(folder):
    module = import_named(str(folder / 'imported_one.py'))
    assert import_named('imported_one') is module
    assert import_named(str(folder / 'imported_one.py')) is module
    assert import_named('os.path').join


def test_file_that_is_not_on_the_path(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp('elsewhere') / 'imported_one.py'
    path.write_text('here = 1')
    assert import_named(str(path)).here == 1
    with pytest.raises(InputError, match=r"imported_one.py: there is a module 'imported_one' already: rename the file"):
        import_named(str(folder / 'imported_one.py'))


@pytest.mark.usefixtures('folder')
@pytest.mark.parametrize('name', ['no_module', 'no_package.module', 'os.no_module'])
def test_no_such_module(name):
    with pytest.raises(InputError, match=f"no module named '{name}'; PYTHONPATH says where modules lie"):
        import_named(name)


def test_no_such_file(folder):
    with pytest.raises(InputError, match=r'no such file: .*no_file.py'):
        import_named(str(folder / 'no_file.py'))
    with pytest.raises(InputError, match=r"json.py: there is a module 'json' already: rename the file"):
        import_named(str(folder / 'json.py'))


def test_errors_of_the_module_are_its_own(folder):
    for source in ('imported_broken', str(folder / 'imported_broken.py')):
        with pytest.raises(ModuleNotFoundError, match='no_such_thing'):
            import_named(source)
        assert 'imported_broken' not in sys.modules
