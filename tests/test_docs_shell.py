"""Shell blocks of README and docs: bash can read them, and every mmqpt command in them has these options."""

import argparse
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from mmqpt.cli.commands import COMMANDS
from mmqpt.cli.main import find_command
from mmqpt.cli.options import ArgparseCommand, Parser

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob('*.md'), *sorted((ROOT / 'docs').glob('*.md'))]
STAND_INS = {'CONFIG': 'qpt_resnet18_1xb32-coslr_folder', 'CONFIG.py': 'qpt_resnet18_1xb32-coslr_folder'}
"""What stands for something of the reader's own, and a value of that kind."""


INDENTED = {'scale.md'}
"""Pages with older blocks that are marked by four spaces, which no test reads."""


def fenced(text, *tags):
    return re.findall(rf'^ *```(?:{"|".join(tags)})\n(.*?)^ *```$', text, re.M | re.S)


def scripts(path):
    """Shell of a page: blocks, and what a console was given."""
    text = path.read_text(encoding='utf-8')
    found = fenced(text, 'bash')
    for session in fenced(text, 'console'):
        found.append(''.join(f'{line[2:]}\n' for line in session.splitlines() if line.startswith('$ ')))
    return found


def calls(script):
    """Arguments of each mmqpt command of a script, after variables that it sets have their values."""
    script = script.replace('\\\n', ' ')
    values = {}
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=';|&<>()')
        lexer.whitespace_split = True
        words, commands = list(lexer), [[]]
        for word in words:
            if set(word) <= set(';|&()'):
                commands.append([])
            else:
                commands[-1].append(word)
        for command in commands:
            while command and (command[0] == 'export' or re.fullmatch(r'[A-Z_a-z]\w*=.*', command[0])):
                word = command.pop(0)
                if '=' in word:
                    name, value = word.split('=', 1)
                    values[name] = value
            if command[:1] == ['mmqpt'] or command[:3] == ['python', '-m', 'mmqpt']:
                cut = next((n for n, word in enumerate(command) if word in ('>', '>>', '<')), len(command))
                arguments = command[command.index('mmqpt') + 1 : cut]
                yield [word for argument in arguments for word in expanded(argument, values)]


def expanded(word, values):
    for name in re.findall(r'\$\{?(\w+)\}?', word):
        if name in values:
            word = re.sub(rf'\$\{{?{name}\b\}}?', lambda _, name=name: values[name], word)
    return [STAND_INS.get(part, part) for part in (word.split() if ' ' in word and '--' in word else [word])]


def check_call(arguments):
    """Parse a call as the command line does, and run nothing."""
    name, *rest = arguments
    if name.startswith('-'):
        assert name in ('--help', '--version', '-h')
        return
    assert name in COMMANDS, f'no command {name}'
    if rest in (['--help'], ['-h']):
        return
    command = find_command(name)
    if isinstance(command, ArgparseCommand):
        parser = Parser(name)
        importlib.import_module(command.module).add_options(parser)
        config = getattr(parser.parse_args(rest), 'config', None)  # a name that no config has stays as it is
        assert config is None or '$' in config or (ROOT / config).is_file(), f'no config {config}'
    else:
        command.make_parser(click.Context(command)).parse_args(rest)


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.name)
def test_bash_reads_every_block(path):
    for script in scripts(path):
        done = subprocess.run(['bash', '-n'], input=script, capture_output=True, text=True, check=False)
        assert not done.stderr, f'{done.stderr}\n{script}'


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.name)
def test_commands_have_these_options(path):
    for script in scripts(path):
        for arguments in calls(script):
            try:
                check_call(arguments)
            except (click.ClickException, argparse.ArgumentError, AssertionError) as error:
                message = error.message if isinstance(error, click.ClickException) else error
                pytest.fail(f'mmqpt {shlex.join(arguments)}: {message}')


def test_no_block_is_without_a_language():
    """A block without one is checked by no test; the two that are neither code nor shell are named."""
    for path in PAGES:
        text = path.read_text(encoding='utf-8')
        tags = re.findall(r'^ *```(.*)$', text, re.M)[::2]
        known = {'bash', 'console', 'python', 'csv', 'bibtex', 'text'}
        assert set(tags) <= known, f'{path.name}: {set(tags) - known}'
        plain = re.sub(r'^ *```.*?^ *```$', '', text, flags=re.M | re.S)
        indented = re.findall(r'(?<=\n\n) {4}\w.*', plain)
        assert path.name in INDENTED or not indented, f'{path.name}: put {indented} between ``` and ```'


def test_the_checks_find_mistakes():
    assert list(calls('A=b mmqpt score x | head; C=1\nmmqpt map $C > y')) == [['score', 'x'], ['map', '1']]
    for wrong in (['scoer', 'x'], ['pretrain', 'no_such_config'], ['browse', 'a.jpg', '--recipe-count', '3']):
        with pytest.raises((AssertionError, click.ClickException)):
            check_call(wrong)
    with pytest.raises(click.NoSuchOption):
        check_call(['score', 'x', '--cvs', 'y'])
