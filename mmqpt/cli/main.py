"""The command ``mmqpt``: a group that imports a command when it is called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from mmqpt.cli.commands import COMMANDS, GROUPS
from mmqpt.cli.errors import ExitCodes
from mmqpt.cli.options import ArgparseCommand
from mmqpt.version import __version__


class LazyGroup(ExitCodes, click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports its module, if it is one of click; see :class:`ArgparseCommand` for the others."""
        return find_command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Group by group, each with an example."""
        width = max(map(len, COMMANDS))
        for title, example, commands in GROUPS:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), entry.help) for name, entry in commands.items()])
                formatter.write(f'\n{"":{formatter.current_indent}}Example: {example}\n')


@click.command(
    'mmqpt', cls=LazyGroup, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100}
)
@click.version_option(__version__, prog_name='mmqpt')
def cli() -> None:
    """Blind quality scores of photos, from 0 to 1, higher is better; and the networks that give them.

    See `mmqpt COMMAND --help`. Exit code 0: done; 1: some photos could not be scored; 2: a mistake, explained in one
    sentence; 75: a training was stopped and saved, --resume goes on; 130: Ctrl-C.
    """


def find_command(name: str) -> click.Command:
    """The command of that name in the table."""
    module, _, attribute = COMMANDS[name].where.partition(':')
    if not attribute:
        return ArgparseCommand(name, module)
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


def run_command(name: str) -> None:
    """Run one command on the arguments of this process, and exit: what the scripts in tools/ do."""
    find_command(name).main(prog_name=Path(sys.argv[0]).name)


def main() -> None:
    """What the installed command runs."""
    cli.main(prog_name='mmqpt')
