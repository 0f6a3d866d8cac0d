"""Reading MMEngine checkpoints without running code that a stranger put into them."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from numpy.dtypes import Float64DType, Int64DType

from mmqpt.core.errors import InputError, first_line


def _history_method(owner: Any, name: str) -> Any:
    """Stands in for ``getattr`` while a checkpoint is read: MMEngine's log buffers refer to their own methods by it."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(owner, name)


_multiarray = np._core.multiarray if hasattr(np, '_core') else np.core.multiarray  # NumPy 2 and 1
_SAFE: list[Any] = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    _multiarray._reconstruct,
    _multiarray.scalar,
    Float64DType,
    Int64DType,
    (_history_method, 'builtins.getattr'),
    (_history_method, '__builtin__.getattr'),
]


def allow_resume() -> None:
    """Let ``torch.load(weights_only=True)`` read MMEngine's own log buffers, which every MMEngine checkpoint holds.

    Without it ``--resume`` fails under torch >= 2.6 (``Unsupported global: HistoryBuffer``). Only named data classes
    are allowed, so a checkpoint still can't run code.
    """
    torch.serialization.add_safe_globals(_SAFE)


def load_checkpoint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint or a state dict to the CPU.

    Raises:
        FileNotFoundError: no such file.
        InputError: no checkpoint, or one that needs code to be run to load it.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such checkpoint: {name}')
    try:
        allow_resume()
        loaded = torch.load(name, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f'{name}: not a checkpoint that can be loaded safely ({first_line(error)})') from error
    if not isinstance(loaded, dict):
        raise InputError(f'{name}: not a checkpoint, it holds a {type(loaded).__name__}')
    return loaded


def export_spec_of(loaded: dict[str, Any]) -> dict[str, Any]:
    """What ``ExportSpecHook`` put into a checkpoint; empty for one that is not of mmqpt."""
    meta = loaded.get('meta')
    return (meta.get('mmqpt') or {}) if isinstance(meta, dict) else {}


def newest_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """The newest checkpoint of a run, by its number of epochs or steps, that is whole; None where there is none.

    MMEngine's own ``last_checkpoint`` may name a file that a stopped run did not finish or has already removed, or be
    empty.
    """
    found = [*Path(folder).glob('epoch_*.pth'), *Path(folder).glob('iter_*.pth')]
    numbered = [(int(match[1]), path) for path in found if (match := re.fullmatch(r'[a-z]+_(\d+)', path.stem))]
    for _, path in sorted(numbered, reverse=True):
        try:
            load_checkpoint_file(path)
        except InputError:
            continue
        return path
    return None
