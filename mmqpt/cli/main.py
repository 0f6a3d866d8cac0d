"""The command ``mmqpt``: its group, and how errors end it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from mmqpt.cli import doors
from mmqpt.cli.map import map_command
from mmqpt.cli.report import report_command
from mmqpt.cli.score import score_command
from mmqpt.core.errors import InputError
from mmqpt.version import __version__


class Group(click.Group):
    """Ends with 0, with what a command returns, with 2 and one sentence, or with 130 on Ctrl-C."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]
        """Runs the command line and exits."""
        extra['standalone_mode'] = False
        try:
            code = super().main(args, prog_name or 'mmqpt', **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 2
        except click.ClickException as error:
            code = _fail(error.format_message())
        except click.Abort:
            click.echo('stopped', err=True)
            code = 130
        except (InputError, OSError) as error:
            code = _fail(str(error))
        sys.exit(code if isinstance(code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added."""
        return list(self.commands)


def _fail(message: str) -> int:
    click.echo(f'error: {" ".join(message.split())}', err=True)
    return 2


@click.group(cls=Group, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100})
@click.version_option(__version__, prog_name='mmqpt')
def cli() -> None:
    """Blind quality scores of photos, from 0 to 1, higher is better.

    \b
    Example:
        mmqpt score holiday -r --csv scores.csv
    """


for command in (score_command, map_command, report_command, *doors.COMMANDS):
    cli.add_command(command)


def main() -> None:
    """What the installed command runs."""
    cli()


if __name__ == '__main__':
    main()
