"""Importing a module that a user names, by its name or as a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from mmqpt.core.errors import InputError


def import_named(source: str) -> ModuleType:
    """Import a module, once.

    Args:
        source: ``package.module``, or the path of a ``.py`` file, which becomes a module of the name of the file.

    Raises:
        InputError: there is no such module or file, or another module has the name of the file. Errors inside the
            module are its own and stay as they are.
    """
    if source.endswith('.py'):
        return _import_file(Path(source).resolve())
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name is None or not f'{source}.'.startswith(f'{error.name}.'):
            raise  # something that the module itself needs
        raise InputError(f'no module named {source!r}; PYTHONPATH says where modules lie') from error


def _import_file(path: Path) -> ModuleType:
    known = sys.modules.get(path.stem)
    if known is not None:
        if Path(getattr(known, '__file__', None) or '').resolve() != path:
            raise InputError(f'{path}: there is a module {path.stem!r} already: rename the file')
        return known
    spec = importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None
    if spec is None or spec.loader is None:
        raise InputError(f'no such file: {path}')
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
