"""Where the shipped configs are."""

from __future__ import annotations

from pathlib import Path

import mmqpt

_PACKAGE = Path(mmqpt.__file__).parent


def find_config(name: str) -> str:
    """The path of the shipped config of that name: ``configs/qpt/x.py``, ``qpt/x.py``, ``x.py`` or ``x``.

    A file that exists goes first. A name that no config has is returned as it is.
    """
    if Path(name).exists():
        return name
    folder = shipped_configs()
    if folder is None:
        return name
    wanted = name.removeprefix('configs/').removesuffix('.py')
    for path in sorted(folder.glob('*/*.py')):
        stem = path.relative_to(folder).with_suffix('').as_posix()
        if path.parent.name != '_base_' and wanted in (stem, path.stem):
            return str(path)
    return name


def shipped_configs() -> Path | None:
    """The folder of the installed package, or of a checkout without symbolic links; None where neither is there."""
    for folder in (_PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs'):
        if folder.is_dir():
            return folder
    return None
