"""One name a thing: the rules of docs/vocabulary.md that can be checked, over identifiers and headings."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / 'mmqpt'
DOCS = ROOT / 'docs'
COMMAND = {'add_options', 'run'}
"""Functions that every command of mmqpt/cli defines: how the command line finds its options and starts it."""
SAME = {'score'}
"""Names that stand for one thing in two places: ``mmqpt.ray.score`` does on a cluster what ``mmqpt.score`` does."""
CITATIONS = {'SetInfo', 'KnownSet'}
"""Classes whose field ``source`` is a citation."""
MEASURES = ('measures.md', 'protocols.md', 'splits.md')
"""Pages in which a metric would be taken for a measure."""


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding='utf-8'))


def modules(folder=''):
    found = sorted((PACKAGE / folder).rglob('*.py'))
    assert found, folder
    return found


def identifiers(path):
    """(name, line) of what a module calls things: itself, its functions, classes, arguments, variables and fields."""
    yield path.stem, 1
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def words(name):
    """``ShardArguments`` -> shard, arguments; ``open_set`` -> open, set; plurals lose their s."""
    parts = re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+', name.replace('MMEngine', ''))
    return {part.lower().removesuffix('s') for part in parts}


def uses(word, paths):
    """Where identifiers contain a word."""
    return [
        f'{path.relative_to(ROOT)}:{line}: {name}'
        for path in paths
        for name, line in identifiers(path)
        if word in words(name)
    ]


def headings():
    """(page, heading) of README and docs; lines of code blocks are none."""
    for page in [ROOT / 'README.md', *sorted(DOCS.glob('*.md'))]:
        text = re.sub(r'^```.*?^```', '', page.read_text(encoding='utf-8'), flags=re.M | re.S)
        yield from ((page.name, found) for found in re.findall(r'^#+ (.*)', text, re.M))


def table():
    """Rows of docs/vocabulary.md: term, meaning, code."""
    lines = (DOCS / 'vocabulary.md').read_text(encoding='utf-8').splitlines()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    return rows[2:]


def test_the_parts_of_a_name():
    assert words('OpenedSet') == {'opened', 'set'}
    assert words('IQAMetric') == {'iqa', 'metric'}
    assert words('_metrics_of') == {'metric', 'of'}
    assert words('symmetric') == {'symmetric'}
    assert words('In MMEngine') == {'in'}


def test_terms_are_in_order_and_explained_in_one_sentence():
    rows = table()
    terms = [row[0] for row in rows]
    assert terms == sorted(set(terms), key=str.lower)
    for term, meaning, _ in rows:
        assert re.fullmatch(r'[A-Z][^.]*(?:al\.[^.]*)?\.', meaning), term


def test_names_beside_the_terms_exist():
    known = {name for path in modules() for name, _ in identifiers(path)}
    for term, _, code in table():
        for name in re.findall(r'`(\w+)`', code):
            assert name in known, f'{term}: {name}'


def test_no_name_stands_for_two_things():
    """Public functions and classes, each defined in one module alone."""
    found = defaultdict(list)
    for path in modules():
        for node in tree_of(path).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                private = node.name.startswith('_') or path.name.startswith('_')
                command = node.name in COMMAND and path.parent.name == 'cli'
                if not private and not command and node.name not in SAME:
                    found[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize('room', ['evaluation/statistics', 'evaluation/reports'])
def test_measures_are_not_called_metrics(room):
    assert uses('metric', modules(room)) == []


def test_engine_is_training_only():
    others = [path for path in modules() if path.relative_to(PACKAGE).parts[0] != 'engine']
    assert uses('engine', others) == []


@pytest.mark.parametrize('folder', ['datasets', 'evaluation', 'models'])
def test_a_source_is_a_citation(folder):
    """It is text in a field of a row; photos, sets and weights are called what they are."""
    found = []
    for path in modules(folder):
        citations = [
            node.target.lineno
            for owner in ast.walk(tree_of(path))
            if isinstance(owner, ast.ClassDef) and owner.name in CITATIONS
            for node in owner.body
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == 'str'
        ]
        found += [use for use in uses('source', [path]) if int(use.split(':')[1]) not in citations]
    assert found == []


def test_headings_call_things_by_their_names():
    wrong = [
        f'{page}: {heading}'
        for page, heading in headings()
        if 'engine' in words(heading) or (page in MEASURES and 'metric' in words(heading))
    ]
    assert wrong == []


def test_pages_call_things_by_their_names():
    wrong = [page.name for page in DOCS.glob('*.md') if words(page.stem) & {'engine', 'source'}]
    assert wrong == []
    assert not (DOCS / 'metrics.md').exists()  # metric.md is about a network, measures.md about SRCC and the like
