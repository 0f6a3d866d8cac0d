"""Wrap the prose of docs and the other pages at 100 columns; tables, code and comments stay as they are.

Example:
    python scripts/wrap_docs.py            # docs/*.md, CONTRIBUTING.md, CHANGELOG.md
    python scripts/wrap_docs.py README.md
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 100
PAGES = (*sorted((ROOT / 'docs').glob('*.md')), ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md')
ITEM = re.compile(r'(?P<indent> *)(?P<mark>[-*+] |\d+[.)] |> |(?:\[\^\w+\]|): |)(?P<text>.*)')
FIXED = re.compile(r' *(?:\||#|<!--|<|!!!|\?\?\?|={3}|-{3}|\[[^]]+\]: )')
AT_START = re.compile(r'(?:[-+*>#=]|\d+[.)])+$|[|#<]')  # words that a line of prose can't begin with


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pages', nargs='*', type=Path, default=PAGES, help='Markdown files; those above by default')
    for path in parser.parse_args().pages:
        text = path.read_text(encoding='utf-8')
        wrapped = wrap_prose(text)
        if wrapped != text:
            path.write_text(wrapped, encoding='utf-8')
            print(f'{path} wrapped')


def wrap_prose(text: str, width: int = WIDTH) -> str:
    """Markdown with its paragraphs and items of lists wrapped, where one has a line of more than ``width`` columns."""
    out: list[str] = []
    part: list[str] = []
    fence = ''
    for line in text.split('\n'):
        opened = re.match(r' *(```+|~~~+)', line)
        if fence or opened:
            out += wrapped_lines(part, width)
            part = []
            out.append(line)
            if not fence and opened:
                fence = opened[1]
            elif line.strip() == fence:
                fence = ''
            continue
        starts = ITEM.match(line)
        code = line.startswith('    ') and not part and (not out or not out[-1].strip() or out[-1].startswith('    '))
        fixed = not line.strip() or FIXED.match(line) or code
        if fixed or (starts and starts['mark']):
            out += wrapped_lines(part, width)
            part = []
        if fixed:
            out.append(line)
        else:
            part.append(line)
    return '\n'.join(out + wrapped_lines(part, width))


def wrapped_lines(lines: list[str], width: int) -> list[str]:
    """One paragraph or item."""
    if not any(len(line) > width for line in lines):
        return lines
    first = ITEM.match(lines[0])
    if first is None:  # the pattern matches every line
        return lines
    begin = first['indent'] + first['mark']
    rest = begin if first['mark'] == '> ' else ' ' * len(begin)
    words: list[str] = []
    for word in ' '.join([first['text'], *(line.strip().removeprefix('> ') for line in lines[1:])]).split():
        if words and AT_START.match(word):
            words[-1] += f' {word}'
        else:
            words.append(word)
    out = [begin]
    for word in words:
        fits = len(out[-1]) + 1 + len(word) <= width
        if out[-1] in (begin, rest):
            out[-1] += word
        elif fits:
            out[-1] += f' {word}'
        else:
            out.append(rest + word)
    return out


if __name__ == '__main__':
    main()
