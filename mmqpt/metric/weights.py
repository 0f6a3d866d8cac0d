"""Names of weights: what ``qpt`` and ``qpt-<dataset>`` stand for."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmqpt.core.bundled import BUNDLED
from mmqpt.core.errors import InputError

DEFAULT = 'qpt'
FOLDER = 'MMQPT_WEIGHTS'
"""Environment variable: a folder with further files, ``qpt-<dataset>.safetensors``."""

_NAME = re.compile(r'qpt(-[a-z0-9][a-z0-9._]*)*')
_registered: dict[str, Path] = {}


def list_weights() -> dict[str, Path]:
    """All names that have a file, sorted. Where a name has several, a registered file goes before one in the folder
    ``$MMQPT_WEIGHTS``, and that before one that comes with mmqpt.

    Raises:
        FileNotFoundError: ``$MMQPT_WEIGHTS`` is no folder.
    """
    found = _files(BUNDLED) if BUNDLED.is_dir() else {}
    if folder := os.environ.get(FOLDER):
        if not Path(folder).is_dir():
            raise FileNotFoundError(f'no such folder: {folder} (from the environment variable {FOLDER})')
        found |= _files(Path(folder))
    return dict(sorted((found | _registered).items()))


def name_weights(name: str, path: str | os.PathLike[str]) -> None:
    """Give a file a name for this process; pyiqa is told by :func:`mmqpt.register_weights`.

    Args:
        name: ``qpt-<dataset>`` in small letters, digits, ``.``, ``_`` and ``-``; or ``qpt``, the default.
        path: safetensors file of kind ``metric``.

    Raises:
        InputError: another name.
        FileNotFoundError: no such file.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"weights must be called 'qpt' or 'qpt-<dataset>' (small letters), got {name!r}")
    if not Path(path).is_file():
        raise FileNotFoundError(f'no such file of weights: {os.fspath(path)}')
    _registered[name] = Path(path).resolve()


def find_weights(source: str | os.PathLike[str] | None = None) -> Path:
    """The file of a name, or of a path.

    Args:
        source: a name of :func:`list_weights` or a path; ``qpt`` by default.

    Raises:
        InputError: a name without a file; the message says how to get one.
        FileNotFoundError: no such path.
    """
    source = DEFAULT if source is None else source
    if Path(source).is_file():
        return Path(source)
    if not isinstance(source, str) or not _NAME.fullmatch(source):
        raise FileNotFoundError(f'no such file of weights: {os.fspath(source)}')
    known = list_weights()
    if source in known:
        return known[source]
    if source == DEFAULT:
        raise InputError(
            f'the weights that come with mmqpt are missing ({BUNDLED / "qpt.safetensors"}), and it never scores with '
            'random ones: install mmqpt again, give the path of a file that `mmqpt export` made, or put that file, as '
            f'qpt.safetensors, into the folder that the environment variable {FOLDER} names'
        )
    raise InputError(
        f'no weights called {source!r}; there are: {", ".join(known) or "none"}. To give a file this name, call '
        f'mmqpt.register_weights({source!r}, file), or put it into the folder that the environment variable {FOLDER} '
        f'names, as {source}.safetensors'
    )


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.glob('*.safetensors') if _NAME.fullmatch(path.stem)}
