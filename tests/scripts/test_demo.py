"""scripts/demo.py: the first picture, and what it says. All of it takes minutes: ``make demo``."""

import runpy
from pathlib import Path

import pytest
from PIL import Image

import mmqpt
from mmqpt.cli.configs import find_config
from mmqpt.cli.main import cli

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope='module')
def parts():
    return runpy.run_path(str(ROOT / 'scripts' / 'demo.py'))


@pytest.fixture(scope='module')
def copies(parts, tmp_path_factory):
    return parts['write_copies'](tmp_path_factory.mktemp('demo'))


@pytest.fixture(autouse=True)
def bundled(monkeypatch):
    monkeypatch.delenv('MMQPT_WEIGHTS', raising=False)
    monkeypatch.setattr('mmqpt.metric.weights._registered', {})


def test_scores_of_copies_fall(parts, copies):
    assert len(copies) == 4
    for name, files in copies.items():
        whole, mild, harsh, *others = mmqpt.score([str(files[what]) for what in files])
        assert whole > mild > harsh, name
        assert whole > max(others), name
        assert whole - harsh > 0.3, name


def test_the_picture(parts, copies, tmp_path):
    name, files = next(iter(copies.items()))
    parts['draw_sheet']({name: files}, tmp_path / 'sheet.jpg')
    with Image.open(tmp_path / 'sheet.jpg') as image:
        assert image.width > 1200
        assert len(image.getcolors(1 << 24)) > 10_000  # photos, not an empty page
    with Image.open(ROOT / 'docs' / 'scores.jpg') as image:
        assert image.width > 1200


def test_the_last_words_name_commands_that_exist(parts):
    text = parts['last_words'](Path('out'))
    called = [
        line.split('mmqpt ', 1)[1].split() for line in text.splitlines() if line.startswith(('  mmqpt', '  DATA'))
    ]
    called += [
        line.split('/mmqpt ', 1)[1].split() for line in text.splitlines() if '/mmqpt ' in line and 'DATA' not in line
    ]
    assert {words[0] for words in called} == {'report', 'pretrain', 'evaluate'}
    assert {words[0] for words in called} <= set(cli.list_commands(None))
    (config,) = [words[1] for words in called if words[0] == 'pretrain']
    assert Path(find_config(config)).is_file()
    assert Path(find_config(parts['PRETRAIN'])).is_file()
