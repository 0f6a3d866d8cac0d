"""What is told of another library's error."""

import pytest

from mmqpt.core.errors import first_line


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (ValueError('bad\nlong story'), 'bad'),
        (OSError('\n bad'), 'bad'),
        (EOFError(), 'EOFError'),
        (KeyError('x'), "'x'"),
    ],
)
def test_first_line(error, text):
    assert first_line(error) == text
