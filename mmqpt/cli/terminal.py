"""What may be shown on a terminal: names of files may hold sequences that move its cursor, set its title or worse."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_COLOURS = r'\x1b\[[0-9;]*m'
_KEPT = {
    'stdout': re.compile(rf'({_COLOURS}|[\n\t])'),  # MMEngine's log has colours
    'stderr': re.compile(rf'({_COLOURS}|\x1b\[[0-9]*[AK]|[\n\t\r])'),  # bars go back to where they were
}


def printable(text: str) -> str:
    """For people: bytes that are not UTF-8, line breaks and other characters that are not shown, as escapes."""
    return text if text.isprintable() else ''.join(c if c.isprintable() else _escaped(c) for c in text)


def is_terminal(stream: Any) -> bool:
    """Whether what is written to a stream is shown on a terminal."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # no file, or a closed one
        return False


@contextmanager
def safe_output() -> Iterator[None]:
    """While a command runs, terminals get names as :func:`printable` shows them, whoever prints them; pipes and files
    get the bytes of names that are not UTF-8."""
    before = sys.stdout, sys.stderr
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == 'strict':
        sys.stdout.reconfigure(errors='surrogateescape')
    if is_terminal(sys.stdout):
        sys.stdout = _Terminal(sys.stdout, _KEPT['stdout'])  # type: ignore[assignment]
    if is_terminal(sys.stderr):
        sys.stderr = _Terminal(sys.stderr, _KEPT['stderr'])  # type: ignore[assignment]
    shown, logging.raiseExceptions = logging.raiseExceptions, False  # a full disk under a log file is no traceback
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        logging.raiseExceptions = shown


class _Terminal:
    """A text stream that shows control characters as escapes, but for those that a pattern keeps."""

    def __init__(self, stream: TextIO, kept: re.Pattern[str]) -> None:
        self._stream, self._kept = stream, kept

    def write(self, text: str) -> int:
        parts = self._kept.split(text)
        self._stream.write(''.join(part if at % 2 else printable(part) for at, part in enumerate(parts)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _escaped(character: str) -> str:
    """Python's escape; for a byte that is not UTF-8, which Python keeps as a surrogate, the escape of the byte."""
    if '\udc80' <= character <= '\udcff':
        return f'\\x{ord(character) - 0xDC00:02x}'
    return character.encode('unicode_escape').decode()
