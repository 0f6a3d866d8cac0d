"""``mmqpt pretrain``, ``finetune`` and so on: the tools, with their own options."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import click

import mmqpt
from mmqpt.core.errors import InputError

# command: tool, what it does, example
DOORS = {
    'pretrain': (
        'train.py',
        'Pre-train a backbone on photos without labels.',
        'DATA_ROOT=photos mmqpt pretrain qpt_resnet18_1xb32-coslr_folder --work-dir work_dirs/try',
    ),
    'finetune': (
        'train.py',
        'Fine-tune on opinion scores.',
        'DATA_ROOT=photos ANN_FILE=set.csv mmqpt finetune finetune_resnet50_1xb32-coslr_koniq10k',
    ),
    'test': (
        'test.py',
        'Score the test part of a set: SRCC, PLCC, KRCC, RMSE.',
        'mmqpt test finetune_resnet50_1xb32-coslr_koniq10k work_dirs/x/epoch_12.pth',
    ),
    'evaluate': (
        'evaluate.py',
        'Compare weights over many splits, with a report.',
        'mmqpt evaluate probe --ann-file set.csv --data-root photos --weights mine=epoch_20.pth --out results',
    ),
    'export': (
        'export.py',
        'Turn a checkpoint into files that need no OpenMMLab.',
        'mmqpt export work_dirs/x/epoch_12.pth qpt.safetensors',
    ),
    'browse': (
        'browse_degradations.py',
        'See what the degradations do to a photo.',
        'mmqpt browse photo.jpg --recipes 12',
    ),
}
_EXTRAS = {
    **dict.fromkeys(('mmengine', 'mmcv', 'mmpretrain', 'sklearn'), 'pretrain'),
    **dict.fromkeys(('filelock', 'imagehash', 'jinja2', 'matplotlib'), 'evaluate'),
    **dict.fromkeys(('onnx', 'onnxruntime', 'onnxscript'), 'onnx'),
}
_PACKAGE = Path(mmqpt.__file__).parent


def _door(name: str) -> click.Command:
    tool, text, example = DOORS[name]

    @click.command(
        name,
        help=text,
        short_help=text,
        add_help_option=False,
        context_settings={'ignore_unknown_options': True, 'allow_interspersed_args': False},
    )
    @click.argument('args', nargs=-1, type=click.UNPROCESSED)
    def command(args: tuple[str, ...]) -> None:
        if {'-h', '--help'} & set(args):
            click.echo(f'Example: {example}\n')
        run_tool(name, tool, args)

    return command


COMMANDS = [_door(name) for name in DOORS]


def run_tool(name: str, tool: str, args: tuple[str, ...]) -> None:
    """Run a tool of the package or the checkout in this process; a shipped config may be given by its name alone.

    Raises:
        InputError: the tool is not there, or a package that it needs is not installed.
        SystemExit: how the tool ended.
    """
    path = _shipped('tools') / tool
    argv = [f'mmqpt {name}', *(find_config(arg) for arg in args)]
    before = sys.argv
    try:
        sys.argv = argv
        spec = importlib.util.spec_from_file_location('__main__', path)
        if spec is None or spec.loader is None or not path.is_file():
            raise InputError(f'the tool {path.name} of mmqpt is not installed here')
        spec.loader.exec_module(importlib.util.module_from_spec(spec))  # runpy would put the path into sys.argv
    except ModuleNotFoundError as error:
        missing = (error.name or '').split('.')[0]
        if missing not in _EXTRAS:
            raise
        raise InputError(
            f"mmqpt {name} needs {missing}, which is not installed: pip install 'mmqpt[{_EXTRAS[missing]}]'"
        ) from error
    finally:
        sys.argv = before


def find_config(arg: str) -> str:
    """The shipped config that an argument names (``configs/qpt/x.py``, ``qpt/x.py``, ``x.py`` or ``x``); any other
    argument, and a path that exists, as it is."""
    if arg.startswith('-') or '=' in arg or Path(arg).exists():
        return arg
    try:
        folder = _shipped('configs')
    except InputError:
        return arg
    wanted = arg.removeprefix('configs/').removesuffix('.py')
    for path in sorted(folder.glob('*/*.py')):
        name = path.relative_to(folder).with_suffix('').as_posix()
        if path.parent.name != '_base_' and wanted in (name, path.stem):
            return str(path)
    return arg


def _shipped(name: str) -> Path:
    """A folder of the installed package, or of a checkout without symbolic links."""
    for folder in (_PACKAGE / '.mim' / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(f'the folder {name} of mmqpt is not installed here')
