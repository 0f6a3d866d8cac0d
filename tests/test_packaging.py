"""Wheel and sdist: every package, and what the command line and OpenMMLab's mim need of tools and configs."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDERS = (
    '.ci', 'benchmarks', 'configs', 'docs', 'examples', 'mmqpt', 'requirements', 'scripts', 'tests', 'tools',
)  # fmt: skip
FILES = (
    'CHANGELOG.md', 'CITATION.cff', 'CONTRIBUTING.md', 'LICENSE', 'MANIFEST.in', 'Makefile', 'README.md',
    'mkdocs.yml', 'model-index.yml', 'pyproject.toml', 'setup.cfg',
)  # fmt: skip
NOT_SOURCE = shutil.ignore_patterns('__pycache__', '*.pyc', '*.pyo')


def build(source: Path, *options: str) -> Path:
    """The folder with what a build of ``source`` made."""
    done = subprocess.run(
        [sys.executable, '-m', 'build', '--no-isolation', *options, str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'Deprecat' not in done.stdout + done.stderr
    return source / 'dist'


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def copy_checkout(folder: Path) -> Path:
    """A copy of the checkout in an empty folder, so that a build leaves nothing in the checkout."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=NOT_SOURCE)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return copy_checkout(tmp_path_factory.mktemp('source'))


@pytest.fixture(scope='module')
def wheel(source):
    """Names in a wheel that is built from the checkout, and their bytes."""
    (path,) = build(source, '--wheel').glob('*.whl')
    return contents(path)


@pytest.fixture(scope='module')
def unpacked(source, wheel, tmp_path_factory):
    """The folder that an sdist of the checkout unpacks to."""
    (path,) = build(source, '--sdist').glob('*.tar.gz')
    folder = tmp_path_factory.mktemp('unpacked')
    with tarfile.open(path) as file:
        assert all(member.isfile() or member.isdir() for member in file)
        file.extractall(folder)
    (top,) = folder.iterdir()
    return top


def test_every_folder_is_a_listed_package():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    listed = set(config['options']['packages'].split())
    there = {'.'.join(path.parent.relative_to(ROOT).parts) for path in (ROOT / 'mmqpt').rglob('__init__.py')}
    assert listed == there


def test_wheel_holds_all_files(wheel):
    for folder, inside in (('mmqpt', 'mmqpt'), ('tools', 'mmqpt/.mim/tools'), ('configs', 'mmqpt/.mim/configs')):
        for path in (ROOT / folder).rglob('*'):
            if path.is_file() and path.suffix not in ('.pyc', '.pyo'):
                assert f'{inside}/{path.relative_to(ROOT / folder).as_posix()}' in wheel
    assert not [
        name
        for name in wheel
        if name.startswith(('benchmarks', 'configs', 'scripts', 'tests', 'tools')) or name.endswith('.pyc')
    ]


def test_wheel_has_one_config_of_a_name(wheel):
    """mim refuses a name that it finds more than once in the package."""
    names = [name.rsplit('/', 1)[1] for name in wheel if '/.mim/configs/' in name]
    assert len(names) == len(set(names)) > 20
    assert not [name for name in wheel if name.rsplit('/', 1)[1] in names and '/.mim/configs/' not in name]


def test_wheel_is_small(source, wheel):
    [path] = (source / 'dist').glob('*.whl')
    assert path.stat().st_size <= 25_000_000
    weights = {name for name in wheel if name.startswith('mmqpt/metric/weights/')}
    assert {'mmqpt/metric/weights/qpt.onnx', 'mmqpt/metric/weights/qpt.safetensors'} <= weights


def test_entry_points(wheel):
    (text,) = [content.decode() for name, content in wheel.items() if name.endswith('entry_points.txt')]
    assert 'mmqpt = mmqpt.cli.main:main' in text
    assert 'mmqpt = mmqpt.metric.register:register' in text


def test_sdist_holds_the_repository(source, unpacked):
    kept = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob('*') if path.is_file()}
    for folder in FOLDERS:
        for path in (source / folder).rglob('*'):
            if path.is_file():
                assert path.relative_to(source).as_posix() in kept
    assert set(FILES) <= kept


def test_sdist_builds_the_same_wheel(unpacked, wheel):
    (path,) = build(unpacked, '--wheel').glob('*.whl')
    again = contents(path)
    assert sorted(again) == sorted(wheel)
    assert [name for name in wheel if again[name] != wheel[name]] == []


def test_checkout_has_links_where_mim_looks():
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (ROOT / 'mmqpt' / '.mim' / name).exists()
        if (ROOT / '.git').exists():
            assert (ROOT / 'mmqpt' / '.mim' / name).resolve() == (ROOT / name).resolve()


def test_model_index_names_what_is_there():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    collections = {collection['Name']: collection for collection in index['Collections']}
    listed = {model['Config']: model for model in index['Models']}
    there = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_'
    }
    assert set(listed) == there
    assert len(listed) == len(index['Models'])
    for config, model in listed.items():
        assert model['Name'] == Path(config).stem
        assert (ROOT / collections[model['In Collection']]['README']).is_file()
    weights = {model['Weights'] for model in index['Models'] if 'Weights' in model}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'mmqpt/metric/weights').iterdir()}
    exported = {name for name in files if name.endswith('.onnx')}
    assert weights == files - exported
    assert {name.replace('.onnx', '.safetensors') for name in exported} <= weights


def test_model_index_has_the_figures_of_the_model_card():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    (shipped,) = [model for model in index['Models'] if model.get('Weights', '').endswith('/qpt.safetensors')]
    (result,) = shipped['Results']
    card = (ROOT / 'docs' / 'model_card.md').read_text(encoding='utf-8')
    row = next(line for line in card.splitlines() if line.startswith('| all | 100%'))
    assert f'| {result["Metrics"]["SRCC"]:.3f} [' in row
    assert f'| {result["Metrics"]["PLCC"]:.3f} [' in row
