"""Values of ``--cfg-options``."""

import pytest

from mmqpt.cli.options import parse_value


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('77', 77), ('1e-3', 1e-3), ('true', True), ('None', None), ('1,2', [1, 2]), ('[(1,2),x]', [(1, 2), 'x']),
        ('[a, b]', ['a', 'b']), ('"f"', 'f'), ('', ''), ('my photos/new', 'my photos/new'), ('a b=c', 'a b=c'),
        ('"a, b"', 'a, b'), ("'[1, 2]'", '[1, 2]'), ('photos [2]', 'photos [2]'),
    ],
)  # fmt: skip
def test_values(text, expected):
    assert parse_value(text) == expected


def test_brackets_must_close():
    with pytest.raises(ValueError, match=r"brackets that do not close in '\[1,\(2\]'"):
        parse_value('[1,(2]')
