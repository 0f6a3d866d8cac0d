"""``mmqpt pyiqa``."""

from __future__ import annotations

import sys

import click

from mmqpt.core.errors import InputError
from mmqpt.core.extras import require
from mmqpt.metric.register import register_with_pyiqa

_TARGET = ('-t', '--target', '-ls', '--list_models')


@click.command(
    'pyiqa',
    context_settings={'ignore_unknown_options': True, 'allow_extra_args': True},
    short_help="Run pyiqa's command line, which then knows qpt.",
)
@click.argument('arguments', nargs=-1, type=click.UNPROCESSED, metavar='METRIC... -t PHOTO|FOLDER')
def pyiqa_command(arguments: tuple[str, ...]) -> None:
    """Run pyiqa's own command line with the names of these weights among its metrics.

    All options are pyiqa's: -t the photo or folder, -v a score for each photo, --device, -ls the list of metrics. Its
    command `pyiqa` alone doesn't know qpt: it looks for plug-ins only after its own list of names.

    \b
    Examples:
        mmqpt pyiqa qpt -t photo.jpg
        mmqpt pyiqa qpt brisque niqe -t holiday -v
    """
    require('pyiqa', 'pyiqa', 'mmqpt pyiqa')
    if not any(argument.startswith(_TARGET) for argument in arguments):
        raise click.UsageError('give the photo or folder: -t PHOTO|FOLDER')
    register_with_pyiqa()
    from pyiqa.pyiqa_cmd import main

    own, sys.argv = sys.argv, ['mmqpt pyiqa', *arguments]
    try:
        main()
    except AssertionError as error:  # how pyiqa refuses a name
        raise InputError(str(error)) from error
    finally:
        sys.argv = own
