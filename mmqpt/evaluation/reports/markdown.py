"""Text in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence


def markdown_text(text: str) -> str:
    """Text that GitHub shows as it is, on one line."""
    text = ' '.join(str(text).split())
    brackets = r'\[\]' if text.startswith('[') or re.search(r'\][(\[:]', text) else ''  # would make a link
    text = re.sub(rf'([\\`*|~$#&{brackets}])', r'\\\1', text).replace('<', '&lt;').replace('>', '&gt;')
    return re.sub(r'(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])', r'\\_', text)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; cells are Markdown already."""
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    return lines + ['| ' + ' | '.join(row) + ' |' for row in rows]


def markdown_code(text: str) -> str:
    """A span of code, which can't hold its own marks."""
    return '`' + ' '.join(str(text).replace('`', "'").replace('|', '\\|').split()) + '`'
