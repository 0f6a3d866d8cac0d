"""Reading MMEngine checkpoints without running code that a stranger put into them."""

from __future__ import annotations

import os
import pickle
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from numpy.dtypes import Float64DType, Int64DType

from mmqpt.core.errors import InputError

_SAFE = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    np.core.multiarray._reconstruct if np.lib.NumpyVersion(np.__version__) < '2.0.0' else np._core.multiarray._reconstruct,
    np.core.multiarray.scalar if np.lib.NumpyVersion(np.__version__) < '2.0.0' else np._core.multiarray.scalar,
    Float64DType,
    Int64DType,
    getattr,
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
        with torch.serialization.safe_globals(_SAFE):
            loaded = torch.load(name, map_location='cpu', weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f'{name}: not a checkpoint that can be loaded safely ({reason})') from error
    if not isinstance(loaded, dict):
        raise InputError(f'{name}: not a checkpoint, it holds a {type(loaded).__name__}')
    return loaded
