"""How every command ends: with an exit code and, after an error, one sentence on standard error.

0: done. 1: done, but some photos failed. 2: a mistake in the call or the input. 75: stopped and saved, ``--resume``
goes on. 130: Ctrl-C. Anything else is a bug, and keeps its traceback.
"""

from __future__ import annotations

import functools
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from mmqpt.cli.terminal import printable, safe_output
from mmqpt.core.errors import InputError, first_line
from mmqpt.engine.stopping import RESUME_ME, RunStopped

MISTAKE = 2
INTERRUPTED = 130


class ExitCodes(click.Command):
    """A click command whose every end is an exit code of this module."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Runs the command line and exits."""
        extra['standalone_mode'] = False
        run(functools.partial(super().main, args, prog_name, **extra))


def run(call: Callable[[], object]) -> NoReturn:
    """Exit with what a call returns, if it is an integer, or with what its error stands for."""
    with safe_output():
        try:
            code = call()
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk behind it is an error, not a note when Python ends
        except (Exception, KeyboardInterrupt) as error:
            code = exit_code(error)
    sys.exit(code if isinstance(code, int) else 0)


def exit_code(error: BaseException) -> int:
    """Print what went wrong, and give the code to exit with. An error that is a bug is raised again."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return MISTAKE
    if isinstance(error, click.Abort) and error.__cause__ is not None:
        error = error.__cause__  # click makes it of Ctrl-C, and of any EOFError, as if it had prompted
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        click.echo(str(error) or 'stopped', err=True)
        return INTERRUPTED
    if isinstance(error, RunStopped):
        click.echo(f'{error}; --resume goes on', err=True)
        return RESUME_ME
    if isinstance(error, click.ClickException):
        sentence = error.format_message()
    elif isinstance(error, (InputError, OSError)):
        sentence = _sentence(str(error))
    elif isinstance(error, KeyError) and 'registry' in str(error):  # MMEngine's, about a name in a config
        sentence = str(error).strip('\'"').split(' Please check')[0]
    elif isinstance(error, TypeError) and _names_argument(error):  # of what a config names: its dict is the call
        sentence = f'in the config: {first_line(error)}'
    elif isinstance(error, UnicodeEncodeError) and error.reason == 'surrogates not allowed':
        sentence = f"{error.object[max(0, error.start - 60) : error.end + 60]}: not UTF-8, so it can't be written there"
    else:
        raise error
    click.echo(f'error: {printable(" ".join(sentence.split()))}', err=True)
    return MISTAKE


def _names_argument(error: TypeError) -> bool:
    """Whether MMEngine built something with an argument that it does not take, or without one that it needs."""
    built = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    text = str(error)
    refused = 'unexpected keyword argument' in text or ('missing' in text and 'required' in text)
    return refused and any('mmengine/registry/build_functions' in name.replace('\\', '/') for name in built)


def _sentence(message: str) -> str:
    """The message; of an error in a loader's worker, which comes with that worker's traceback, the last line."""
    if 'Traceback (most recent call last)' not in message:
        return message
    return re.sub(r'^mmqpt\.core\.errors\.\w+: ', '', message.strip().splitlines()[-1])
