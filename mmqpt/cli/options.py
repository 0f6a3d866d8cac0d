"""Commands with argparse's options, as in OpenMMLab: ``--cfg-options`` and others take several values."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from mmqpt.cli.configs import find_config
from mmqpt.cli.errors import ExitCodes
from mmqpt.core.errors import InputError
from mmqpt.core.extras import name_extra
from mmqpt.core.files import same_file


class ArgparseCommand(ExitCodes):
    """A command whose module is imported when it is called.

    Args:
        name: of the command.
        module: full name of a module with ``add_options(parser)`` and ``run(args)``; its docstring is the help.
    """

    def __init__(self, name: str, module: str) -> None:
        super().__init__(name, add_help_option=False)
        self.module = module

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leaves all arguments to argparse."""
        ctx.args = list(args)
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:
        """Parses the arguments and runs the module."""
        logging.getLogger('bitsandbytes.backends.cpu.ops').addFilter(_not_about_kernels)
        try:
            module = importlib.import_module(self.module)
            parser = Parser(
                ctx.command_path, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
            )
            module.add_options(parser)
            args = parser.parse_args(ctx.args)
            args.command_line = shlex.join(['mmqpt', str(self.name), *ctx.args])
            return module.run(args)
        except ModuleNotFoundError as error:
            raise name_extra(error, ctx.command_path) from error


def _not_about_kernels(record: logging.LogRecord) -> bool:
    """bitsandbytes, which mmpretrain's dependencies import, misses kernels that nothing here uses."""
    return 'gemm_4bit_forward' not in record.getMessage()


class Parser(argparse.ArgumentParser):
    """Ends a wrong call as every command ends it, after the usage."""

    def error(self, message: str) -> NoReturn:
        """Raises a click.UsageError."""
        self.print_usage(sys.stderr)
        raise click.UsageError(message)


class CfgOptions(argparse.Action):
    """Pairs KEY=VALUE; MMEngine is imported when the option is used, so that ``--help`` needs none."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Adds the pairs to those of the namespace."""
        found = dict(getattr(namespace, self.dest, None) or {})
        for pair in values or ():
            key, equals, value = pair.partition('=')
            if not (key and equals):
                parser.error(f'{option_string} takes KEY=VALUE, got {pair!r}')
            try:
                found[key] = parse_value(value)
            except ValueError as error:
                parser.error(f'{option_string} {key}: {error}')
        setattr(namespace, self.dest, found)


def parse_value(text: str) -> Any:
    """The value of an option, as MMEngine reads it: a number, ``true``, ``None``, a list with or without brackets.

    Else it is text, which keeps its spaces; so is all that stands in quotes and has a space or a comma.

    Raises:
        ValueError: brackets that do not close.
    """
    from mmengine.config import DictAction

    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in '\'"'
    if quoted and any(mark in text for mark in ' ,'):
        return text[1:-1]
    listed = ',' in text or (text[:1] + text[-1:] in ('()', '[]'))
    if ' ' in text and not listed:
        return text
    if (listed or text[:1] in tuple('[(')) and any(text.count(a) != text.count(b) for a, b in ('[]', '()')):
        raise ValueError(f'brackets that do not close in {text!r}')
    return DictAction._parse_iterable(text)


def add_config(parser: argparse.ArgumentParser) -> None:
    """The argument CONFIG."""
    parser.add_argument(
        'config',
        type=find_config,
        help="config file, or the name of a shipped one; it is Python code, so read a stranger's before you run it",
    )


def add_cfg_options(parser: argparse._ActionsContainer) -> None:
    """The option ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=CfgOptions, help='settings to override, as key=value with dots between keys'
    )


def add_overwrite(parser: argparse._ActionsContainer) -> None:
    """The option ``--overwrite``, for :func:`check_targets`."""
    parser.add_argument('--overwrite', action='store_true', help='replace a file that exists')


def check_targets(overwrite: bool, *paths: str | Path | None, inputs: Iterable[str | Path | None] = ()) -> None:
    """Check the files that a command will write before it computes what they shall hold.

    Missing folders are no error: whoever writes makes them.

    Args:
        overwrite: replace files that exist.
        paths: what will be written; None for an option that was not given.
        inputs: files that the command reads; none of them is replaced.

    Raises:
        InputError: a file that exists, unless ``overwrite``; one of ``inputs``; a folder, or a file where its folder
            should be.
        PermissionError: nothing may be written to its folder.
    """
    read = [name for name in inputs if name is not None]
    for path in (Path(path) for path in paths if path is not None):
        if path.is_dir():
            raise InputError(f'{path}: is a folder, where a file is to be written')
        if any(same_file(path, name) for name in read):
            raise InputError(f'{path}: is read by this command, so it is not replaced: name another file')
        if path.is_file() and not overwrite:
            raise InputError(f'{path}: exists already; --overwrite replaces it')
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise InputError(f'{path}: {folder} is a file, not a folder')
        if not path.exists() and not os.access(folder, os.W_OK):
            raise PermissionError(f'{path}: no permission to write to {folder}')


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that OpenMMLab's users know."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints; work_dirs/<config name> by default')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
