"""Names on terminals, in pipes and in files."""

import io
import os
import subprocess
import sys

import pytest

from mmqpt.cli import terminal
from mmqpt.cli.errors import exit_code, run
from mmqpt.cli.terminal import printable, safe_output
from mmqpt.core.errors import InputError

HOSTILE = 'a\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\u202e\udcff.png'
SHOWN = r'a\x1b]0;owned\x07\x1b[2J\x9b31m\r\n\u202e\xff.png'


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_printable():
    assert printable(HOSTILE) == SHOWN
    assert printable('grüße 你好.jpg') == 'grüße 你好.jpg'


@pytest.mark.parametrize('name', ['stdout', 'stderr'])
def test_a_terminal_gets_escapes_whoever_prints(name, monkeypatch):
    stream = Tty()
    monkeypatch.setattr(sys, name, stream)
    with safe_output():
        print(f'\x1b[32mgreen\x1b[0m {HOSTILE}\tok', file=getattr(sys, name))
        getattr(sys, name).writelines(['x\x1b]0;y\x07\n'])
    assert getattr(sys, name) is stream
    assert '\x1b]' not in stream.getvalue()
    assert '\x07' not in stream.getvalue()
    assert '\x1b[2J' not in stream.getvalue()
    assert stream.getvalue().startswith('\x1b[32mgreen\x1b[0m a\\x1b]0;owned')
    assert '\tok\n' in stream.getvalue()
    assert ('\r' in stream.getvalue()) == (name == 'stderr')  # where bars are drawn


def test_bars_still_move_on_a_terminal(monkeypatch):
    from tqdm import tqdm

    monkeypatch.setattr(sys, 'stderr', Tty())
    with safe_output():
        for _ in tqdm(range(3), mininterval=0):
            pass
        assert '\r100%' in sys.stderr.getvalue()


def test_errors_are_printable(capsys):
    assert exit_code(InputError(f'{HOSTILE}: bad')) == 2
    assert capsys.readouterr().err == f'error: {printable(" ".join(HOSTILE.split()))}: bad\n'


def test_a_name_that_a_file_can_not_hold_is_named(capsys, tmp_path):
    with pytest.raises(SystemExit) as found:
        run(lambda: (tmp_path / 'x.csv').write_text('photos/b\udcff.png', encoding='utf-8'))
    assert found.value.code == 2
    assert capsys.readouterr().err == r"error: photos/b\xff.png: not UTF-8, so it can't be written there" + '\n'


@pytest.mark.skipif(os.name == 'nt', reason='names are Unicode there')
def test_a_pipe_gets_the_bytes():
    code = r"from mmqpt.cli.errors import run; run(lambda: print('a\x1b\udcff'))"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True)
    assert done.stdout == b'a\x1b\xff\n'


def test_streams_that_are_gone(monkeypatch):
    closed = io.StringIO()
    closed.close()
    assert not terminal.is_terminal(closed)
    assert not terminal.is_terminal(None)
    monkeypatch.setattr(sys, 'stdout', None)
    with safe_output():
        pass
