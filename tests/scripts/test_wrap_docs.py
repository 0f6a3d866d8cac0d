"""Prose of the pages has lines of at most 100 columns, and wrapping changes lines alone."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location('wrap_docs', ROOT / 'scripts' / 'wrap_docs.py')
wrap_docs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(wrap_docs)


@pytest.mark.parametrize('path', wrap_docs.PAGES, ids=lambda path: path.name)
def test_pages_are_wrapped(path):
    text = path.read_text(encoding='utf-8')
    assert wrap_docs.wrap_prose(text) == text, 'run python scripts/wrap_docs.py'


@pytest.mark.parametrize(
    ('text', 'wrapped'),
    [
        ('one two three four', 'one two\nthree four'),
        ('- one two three\n  four', '- one two\n  three\n  four'),
        ('1. one two three', '1. one two\n   three'),
        ('> one two three\n> four', '> one two\n> three\n> four'),
        ('one twothre - four', 'one\ntwothre -\nfour'),  # a line that begins with a dash would be an item
        ('https://example.org/long one', 'https://example.org/long\none'),
        ('text:\n\n    code of words\n    and more\n', 'text:\n\n    code of words\n    and more\n'),
        ('short\nlines stay', 'short\nlines stay'),
        ('| a table of many cells |', '| a table of many cells |'),
        ('# a heading of many words', '# a heading of many words'),
        ('```\ncode of many words\n```\none two three', '```\ncode of many words\n```\none two\nthree'),
    ],
)
def test_wrapping(text, wrapped):
    assert wrap_docs.wrap_prose(text, 11) == wrapped
