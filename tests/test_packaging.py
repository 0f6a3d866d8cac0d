"""The wheel holds every package, and what the command line needs of tools and configs."""

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TAKEN = ('mmqpt', 'tools', 'configs', 'setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Names in a wheel that is built from a copy, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp('source')
    for name in TAKEN:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, '-m', 'build', '--wheel', '--no-isolation', str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (source / 'dist').glob('*.whl')
    with zipfile.ZipFile(path) as file:
        found = {name: file.read(name) if name.endswith('entry_points.txt') else b'' for name in file.namelist()}
    return found


def test_every_folder_is_a_listed_package():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    listed = set(config['options']['packages'].split())
    there = {'.'.join(path.parent.relative_to(ROOT).parts) for path in (ROOT / 'mmqpt').rglob('__init__.py')}
    assert listed == there | {'mmqpt.tools', 'mmqpt.configs'}


def test_wheel_holds_all_files(wheel):
    for folder, inside in (('mmqpt', 'mmqpt'), ('tools', 'mmqpt/tools'), ('configs', 'mmqpt/configs')):
        for path in (ROOT / folder).rglob('*'):
            if path.is_file() and path.suffix not in ('.pyc', '.pyo'):
                assert f'{inside}/{path.relative_to(ROOT / folder).as_posix()}' in wheel
    assert not [name for name in wheel if name.startswith('tests')]


def test_entry_points(wheel):
    (text,) = [content.decode() for name, content in wheel.items() if name.endswith('entry_points.txt')]
    assert 'mmqpt = mmqpt.cli.main:main' in text
    assert 'mmqpt = mmqpt.metric.register:register' in text
