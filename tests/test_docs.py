"""The Python examples of README and docs run, in the order in which they stand; no page has an unfinished part."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from mmqpt.version import __version__

ROOT = Path(__file__).parent.parent
PAGES = ('README.md', 'docs/metric.md', 'docs/photos.md', 'docs/python.md')


@pytest.fixture
def folder(metric_weights, photo_folder, tmp_path, monkeypatch):
    """What the examples name."""
    pillow_heif = pytest.importorskip('pillow_heif')
    photo = Image.open(photo_folder / 'coffee_0.jpg')
    for name in ('photo.jpg', 'turned.jpg'):
        photo.save(tmp_path / name)
    pillow_heif.from_pillow(photo).save(tmp_path / 'photo.heic')
    shutil.copy(metric_weights, tmp_path / 'qpt.safetensors')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('page', PAGES)
@pytest.mark.usefixtures('folder')
def test_examples_run(page, capsys):
    blocks = re.findall(r'^```python\n(.*?)^```', (ROOT / page).read_text(encoding='utf-8'), re.M | re.S)
    assert blocks
    names = {'__name__': 'example'}
    for block in blocks:
        exec(compile(block, page, 'exec'), names)


def test_readme_is_a_first_look():
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    assert len(lines) < 120
    assert '](docs/scores.jpg)' in ''.join(lines[:20])
    assert (ROOT / 'docs' / 'scores.jpg').stat().st_size < 300_000
    assert max(len(line) for line in lines if not line.startswith('|')) <= 120


@pytest.mark.parametrize('page', sorted(path.name for path in (ROOT / 'docs').glob('*.md')))
def test_pages_are_finished(page):
    text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
    assert not re.findall(r'^(?:[A-Z]+_[A-Z_]+|[A-Z]{4,}|TODO.*)$', text, re.M)


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')]:
        for target in re.findall(r'\]\((?!https?:)([^)#\s]+)', page.read_text(encoding='utf-8')):
            assert (page.parent / target).exists(), f'{page.name}: {target}'


def test_contributors_are_shown_the_layers_that_are_held():
    from tests.test_architecture import ALONE, ORDER

    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    drawn = re.findall(r'^(\w+) {2,}', text.split('## The layers')[1].split('```')[1], re.M)
    assert drawn == [name for name in ORDER if name != 'version'] + ['metric', 'cli']
    assert {'metric', 'cli'} <= set(ALONE)


def test_the_citation_is_of_this_version_and_the_same_twice():
    cited = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert cited['version'] == __version__
    paper = cited['preferred-citation']
    bibtex = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    assert paper['title'] in bibtex
    assert ' and '.join(f'{x["family-names"]}, {x["given-names"]}' for x in paper['authors']) in bibtex


def test_the_changelog_has_this_version():
    major, minor, _ = __version__.split('.')
    assert f'\n## {major}.{minor}\n' in (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
