"""Text in Markdown."""

from __future__ import annotations

import re


def markdown_text(text: str) -> str:
    """Text that GitHub shows as it is, on one line."""
    text = ' '.join(str(text).split())
    brackets = r'\[\]' if text.startswith('[') or re.search(r'\][(\[:]', text) else ''  # would make a link
    text = re.sub(rf'([\\`*|~$#&{brackets}])', r'\\\1', text).replace('<', '&lt;').replace('>', '&gt;')
    return re.sub(r'(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])', r'\\_', text)
