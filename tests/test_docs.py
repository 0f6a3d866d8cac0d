"""The Python of README and docs runs, in the order in which it stands; no page has an unfinished part."""

import copy
import inspect
import re
import shutil
import tarfile
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config
from mmpretrain.registry import DATA_SAMPLERS, DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from PIL import Image

import mmqpt.components  # noqa: F401 (registers what configs name)
from mmqpt.core.bundled import BUNDLED
from mmqpt.core.head import HEADS
from mmqpt.degradations import DegradationSpace
from mmqpt.evaluation.statistics.predictions import Predictions, write_predictions
from mmqpt.models.iqa_losses import HISTOGRAM_LOSSES, SCORE_LOSSES
from mmqpt.version import __version__

ROOT = Path(__file__).parent.parent
REGISTRIES = (MODELS, DATASETS, TRANSFORMS, HOOKS, DATA_SAMPLERS, METRICS)
TABLES = (HEADS, SCORE_LOSSES, HISTOGRAM_LOSSES)
CONFIGS = ('_base_ =',)
"""How a block begins that is a whole config: tests/configs and tests/examples read those."""
NOT_RUN = {
    'import fiftyone': 'not installed',
    'torch.compile(': 'tests/metric/test_compile.py',
    's3://': 'tests/test_ray.py, on local files',
}
"""Blocks whose syntax alone is checked here: what they hold, and why."""
FEWER = {'for trial in range(300)': 'for trial in range(2)'}
"""What would take minutes, and a smaller form of it."""
OTHERS = ('model_card.md', 'openmmlab.md', 'paper.md', 'scale.md', 'security.md')
"""Pages for readers who know the terms."""
ELSEWHERE = {'extend_operator.md': 'tests/examples/test_my_operator.py'}


def blocks(path):
    return re.findall(r'^```python\n(.*?)^```', path.read_text(encoding='utf-8'), re.M | re.S)


PAGES = [path for path in [*ROOT.glob('*.md'), *sorted((ROOT / 'docs').glob('*.md'))] if blocks(path)]


@pytest.fixture
def folder(metric_weights, photo_folder, tmp_path, monkeypatch):
    """What the examples name; names that they register are gone afterwards."""
    pillow_heif = pytest.importorskip('pillow_heif')
    photo = Image.open(photo_folder / 'coffee_0.jpg')
    for name in ('photo.jpg', 'turned.jpg'):
        photo.save(tmp_path / name)
    pillow_heif.from_pillow(photo).save(tmp_path / 'photo.heic')
    shutil.copy(metric_weights, tmp_path / 'qpt.safetensors')
    monkeypatch.chdir(tmp_path)
    kept = [(table, dict(table)) for table in (*TABLES, *(r.module_dict for r in REGISTRIES))]
    yield tmp_path
    for table, before in kept:
        table.clear()
        table.update(before)


def prepare(page, folder, photo_folder, rng):
    """Files and names that one page alone asks for."""
    if page == 'measures.md':
        mos = rng.uniform(0, 1, 40)
        names = [f'{number}.jpg' for number in range(40)]
        for name in 'ab':
            write_predictions(
                folder / f'{name}.csv', Predictions(names, mos, mos + rng.normal(size=40) / 9, names, [''] * 40)
            )
    if page == 'runtimes.md':
        shutil.copy(BUNDLED / 'qpt.onnx', folder)
    if page == 'pretraining_photos.md':
        shutil.copytree(photo_folder, folder / 'photos')
        shutil.copytree(photo_folder, folder / 'shards')
        with tarfile.open(folder / 'shards' / 'photos-000000.tar', 'w') as tar:
            for path in sorted(photo_folder.iterdir()):
                tar.add(path, path.name)
    if page == 'boosting.md':
        import timm
        import torch
        from safetensors.torch import save_file

        net = timm.create_model('resnet50')
        save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / 'backbone.safetensors')
        return {'torch': torch}
    base = Config.fromfile(ROOT / 'configs' / '_base_' / 'finetune.py')
    base.custom_hooks = []
    return {'_base_': base, 'view': base.view, 'train_pipeline': base.train_pipeline}


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.name)
def test_examples_run(path, folder, photo_folder, rng):
    if path.name in ELSEWHERE:
        assert (ROOT / ELSEWHERE[path.name]).is_file()
        return
    names = {'__name__': 'example', **prepare(path.name, folder, photo_folder, rng)}
    given = copy.copy(names)
    for block in blocks(path):
        for long, short in FEWER.items():
            block = block.replace(long, short)
        code = compile(block, path.name, 'exec')
        if block.startswith(CONFIGS) or any(part in block for part in NOT_RUN):
            continue
        exec(code, names)
        for name, value in names.items():
            if value is not given.get(name):
                check_config(value)


def check_config(value):
    """Every ``dict(type=...)`` names something that is registered, and only arguments that it has."""
    if isinstance(value, (list, tuple)):
        for inner in value:
            check_config(inner)
    if not isinstance(value, dict):
        return
    kind = value.get('type')
    if isinstance(kind, str):
        found = [r.get(kind) for r in REGISTRIES if r.get(kind)]
        found += [table[kind] for table in TABLES if kind in table]
        assert found, f'nothing is registered as {kind}'
        arguments = inspect.signature(found[0]).parameters
        if not any(a.kind is a.VAR_KEYWORD for a in arguments.values()):
            assert set(value) - {'type', 'weight', '_delete_'} <= set(arguments), f'{kind}: {set(value)}'
    if {'groups', 'preset'} & set(value):
        DegradationSpace.from_config(value)
    for inner in value.values():
        check_config(inner)


def test_a_wrong_config_is_found():
    check_config({'a': [{'type': 'PatchPairs', 'versions': 2}]})
    for wrong in ({'type': 'PatchPair'}, {'x': [{'type': 'PatchPairs', 'version': 2}]}):
        with pytest.raises(AssertionError):
            check_config(wrong)


def test_readme_is_a_first_look():
    lines = (ROOT / 'README.md').read_text(encoding='utf-8').splitlines()
    assert len(lines) < 120
    assert '](docs/scores.jpg)' in ''.join(lines[:20])
    assert (ROOT / 'docs' / 'scores.jpg').stat().st_size < 300_000
    assert max(len(line) for line in lines if not line.startswith('|')) <= 120
    order = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    for page in (ROOT / 'docs').glob('*.md'):
        assert re.search(rf'[ /]{page.name}', order), page.name
        if not page.name.startswith(('reference', 'vocabulary', 'licence', 'versions', 'zoo', 'data_tools')):
            assert f'(docs/{page.name}' in '\n'.join(lines), page.name  # each has its reader


@pytest.mark.parametrize('page', sorted(path.name for path in (ROOT / 'docs').glob('*.md')))
def test_pages_are_finished(page):
    text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
    assert not re.findall(r'^(?:[A-Z]+_[A-Z_]+|[A-Z]{4,}|TODO.*)$', text, re.M)


@pytest.mark.parametrize('path', sorted((ROOT / 'docs').glob('*.md')), ids=lambda path: path.name)
def test_terms_are_explained(path):
    """A page that speaks of one of these leads to the vocabulary."""
    text = re.sub(r'```.*?```|`[^`]*`|^:::.*$', '', path.read_text(encoding='utf-8'), flags=re.M | re.S)
    used = set(re.findall(r'\b(anchor|EMAN|ladder|recipe|rung)s?\b', text))
    assert not used or path.name in (*OTHERS, 'vocabulary.md') or 'vocabulary.md' in text, used


def test_runs_answer_questions_and_the_newest_come_first():
    text = (ROOT / 'docs' / 'experiments.md').read_text(encoding='utf-8')
    questions = text.split('## Questions')[1].split('\n## ')[0]
    sections = re.findall(r'^## (\d+)\. ', text, re.M)
    assert sections == sorted(sections, key=int, reverse=True)
    assert set(re.findall(r'[Ss]ection\s(\d+)', questions)) == set(sections)
    for question in re.split(r'\n(?=\*\*)', questions):
        answers = re.findall(r'^- \[?Section\s(\d+)', question, re.M)
        assert answers == sorted(answers, key=int, reverse=True), question


def test_the_site_has_every_page_once():
    nav = yaml.safe_load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8').split('\nnav:\n')[1])
    listed = [page for part in nav for pages in part.values() for page in pages]
    names = [next(iter(page.values())) if isinstance(page, dict) else page for page in listed]
    there = [path.name for path in (ROOT / 'docs').glob('*.md')]
    assert sorted(names) == sorted([*there, 'changelog.md', 'contributing.md'])
    assert [next(iter(part)) for part in nav] == [
        'Start', 'Score', 'Train', 'Evaluate', 'Extend', 'Reference', 'Research', 'About',
    ]  # fmt: skip


def test_addresses_stand_in_one_place():
    """A publisher fills in project_urls of setup.cfg and nothing else."""
    for path in [ROOT / 'mkdocs.yml', ROOT / 'CITATION.cff', *ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')]:
        assert 'example.org/mmqpt' not in path.read_text(encoding='utf-8'), path.name
    assert (ROOT / 'setup.cfg').read_text(encoding='utf-8').count('example.org/mmqpt') == 4


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
