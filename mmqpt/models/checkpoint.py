"""Reads MMEngine checkpoints without running code that a stranger put into them."""

from __future__ import annotations

import functools
import json
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.runner import CheckpointLoader
from numpy.dtypes import Float64DType, Int64DType
from torch import nn

from mmqpt.core.errors import UNREADABLE, InputError, first_line
from mmqpt.models.key_queue import KeyQueue
from mmqpt.models.protocol import Exportable

NUMBERED = re.compile(r'(epoch|iter|stopped_iter)_(\d+)\.pth')
"""Names of a run's checkpoints, with their kind and number."""

_BEST = re.compile(r'best_.+\.pth')


def _history_method(owner: Any, name: str) -> Any:
    """Stands in for ``getattr`` while a checkpoint is read: MMEngine's log buffers refer to their own methods by it."""
    if owner is not HistoryBuffer or name.startswith('_'):
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed')
    return getattr(owner, name)


def _latin_bytes(text: str, coding: str = 'latin1') -> bytes:
    """Stands in for ``_codecs.encode``, by which pickle writes bytes; torch before 2.6 does not know it."""
    if not isinstance(text, str) or coding != 'latin1':
        raise pickle.UnpicklingError(f'encode to {coding!r} is not allowed')
    return text.encode('latin1')


def _named(function: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    """A function under the name that checkpoints give it; torch before 2.6 goes by the function's own name."""

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__name__, call.__qualname__ = module, name, name
    return call


_core = np._core if hasattr(np, '_core') and hasattr(np._core, 'multiarray') else np.core  # NumPy 2 and 1
_SAFE: list[Any] = [
    HistoryBuffer,
    np.ndarray,
    np.dtype,
    Float64DType,
    Int64DType,
    _named(_latin_bytes, '_codecs', 'encode'),
    *(_named(_history_method, module, 'getattr') for module in ('builtins', '__builtin__')),
    *(
        _named(getattr(_core.multiarray, name), f'numpy.{core}.multiarray', name)
        for core in ('core', '_core')  # of the NumPy that wrote the file: 1 or 2
        for name in ('_reconstruct', 'scalar')
    ),
]

_FORCE, _FORCE_NOT = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
_lock = threading.RLock()


def allow_resume() -> None:
    """Let MMEngine's loaders read MMEngine's checkpoints, and nothing that would run code.

    ``--resume`` and ``load_from`` go through ``torch.load``, which runs code in a checkpoint under torch < 2.6, and
    for a URL under every version. After this call they read weights and plain data only. The only classes they accept
    are those of the log buffers in every MMEngine checkpoint, which torch refuses (``Unsupported global:
    HistoryBuffer``).
    """
    torch.serialization.add_safe_globals(_SAFE)
    for prefix, loader in list(CheckpointLoader._schemes.items()):
        if not hasattr(loader, 'weights_only'):
            CheckpointLoader.register_scheme(prefix, _guarded(loader), force=True)


def load_checkpoint_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint or a state dict to the CPU.

    Raises:
        FileNotFoundError: no such file.
        InputError: no checkpoint, or one that needs code to be run to load it.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such checkpoint: {name}')
    if name.lower().endswith('.safetensors'):
        raise InputError(f'{name}: an exported file, where a checkpoint of a run (.pth) is asked for')
    allow_resume()
    with _refusing(name):
        loaded = torch.load(name, map_location='cpu', weights_only=True)
    if not isinstance(loaded, dict):
        raise InputError(f'{name}: not a checkpoint, it holds a {type(loaded).__name__}')
    return loaded


def _guarded(loader: Callable[..., Any]) -> Callable[..., Any]:
    """A loader of MMEngine in which every ``torch.load`` reads weights and plain data only."""

    @functools.wraps(loader)  # MMEngine logs its name
    def load(filename: str, *args: Any, **options: Any) -> Any:
        with _weights_only(), _refusing(filename):
            return loader(filename, *args, **options)

    load.weights_only = True  # type: ignore[attr-defined]
    return load


@contextmanager
def _weights_only() -> Iterator[None]:
    """torch's own switch, which overrides what a caller of ``torch.load`` asks for."""
    with _lock:
        before = {name: os.environ.pop(name, None) for name in (_FORCE, _FORCE_NOT)}
        os.environ[_FORCE] = '1'
        try:
            yield
        finally:
            del os.environ[_FORCE]
            os.environ.update({name: value for name, value in before.items() if value is not None})


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        # torch first says how to run what is in the file, and only further on what is wrong with it.
        found = re.search(r'WeightsUnpickler error: (\S.*)|(Unsupported .*)', str(error))
        reason = found[0].removeprefix('WeightsUnpickler error: ').strip() if found else first_line(error)
        raise InputError(f'{name}: not a checkpoint that can be loaded safely ({reason})') from error


def export_spec_of(loaded: dict[str, Any]) -> dict[str, Any]:
    """What ``ExportSpecHook`` put into a checkpoint; empty for one that mmqpt did not write."""
    meta = loaded.get('meta')
    found = meta.get('mmqpt') if isinstance(meta, dict) else None
    return found if isinstance(found, dict) else {}


_CHANGEABLE = frozenset({
    'init_cfg', 'pretrained', 'checkpoint_path', 'with_cp', 'frozen_stages', 'norm_eval', 'drop_path_rate', 'drop_rate',
    'dropout',
})  # fmt: skip
"""Arguments of a network by which its weights mean the same: where it started, how it trains."""


def check_fit(path: str | os.PathLike[str], loaded: dict[str, Any], model: nn.Module) -> None:
    """Refuse weights of another model. MMEngine loads what fits, logs the rest, and goes on with random layers.

    The length of a queue may differ, see :class:`KeyQueue`.

    Args:
        path: of the checkpoint, for messages.
        loaded: the checkpoint.
        model: what the config describes.

    Raises:
        InputError: the checkpoint says that it has another backbone, head, normalisation or rating scales, or its
            weights have other names or shapes.
    """
    name = os.fspath(path)
    spec = export_spec_of(loaded)
    own = json.loads(json.dumps(model.export_spec())) if spec and isinstance(model, Exportable) else {}
    for field in ('kind', 'backbone', 'mean', 'std', 'head', 'scale'):
        difference = _difference(field, spec.get(field), own.get(field))
        if difference:
            raise InputError(
                f'{name}: not of this config: {difference}. Give the config that it was trained by, and the same '
                '--cfg-options'
            )
    state = loaded.get('state_dict')
    if not isinstance(state, dict):
        raise InputError(f'{name}: holds no state_dict')
    wanted = model.state_dict()
    free = {f'{place}.keys' for place, module in model.named_modules() if isinstance(module, KeyQueue)}
    missing = [key for key in wanted if key not in state]
    further = [key for key in state if key not in wanted]
    shapes = [
        f'{key} {tuple(value.shape)}, not {tuple(wanted[key].shape)}'
        for key, value in state.items()
        if key in wanted and key not in free and value.shape != wanted[key].shape
    ]
    found = [
        f'{len(names)} weights {what}, the first: {names[0]}'
        for what, names in (('are missing', missing), ('are of no layer', further), ('have another shape', shapes))
        if names
    ]
    if found:
        raise InputError(f'{name}: not the weights of this config: {"; ".join(found)}')


def _difference(field: str, theirs: Any, own: Any) -> str:
    """The first value that both have and that differs, in words; what only one of them knows is not compared."""
    if isinstance(theirs, dict) and isinstance(own, dict):
        parts = (
            _difference(f'{field}.{key}', value, own[key])
            for key, value in theirs.items()
            if key in own and key not in _CHANGEABLE
        )
        return next((part for part in parts if part), '')
    if theirs is None or own is None or theirs == own:
        return ''
    return f'it has {field}={theirs!r}, the config {own!r}'


def checkpoints_of(folder: str | os.PathLike[str]) -> list[Path]:
    """All checkpoints of a run, whole or not, and its best ones."""
    paths = Path(folder).glob('*.pth')
    return sorted(path for path in paths if NUMBERED.fullmatch(path.name) or _BEST.fullmatch(path.name))


def newest_checkpoint(folder: str | os.PathLike[str]) -> Path | None:
    """The whole checkpoint of a run with the most steps; None where there is none.

    Candidates are ``epoch_N.pth``, ``iter_N.pth``, and ``stopped_iter_N.pth`` of a run that was asked to stop.
    MMEngine's own ``last_checkpoint`` may name a file that a stopped run did not finish or has removed, or be empty.
    """
    newest: list[tuple[int, int, Path]] = []
    numbered: dict[str, list[tuple[int, Path]]] = {}
    for path in Path(folder).glob('*.pth'):
        if match := NUMBERED.fullmatch(path.name):
            numbered.setdefault(match[1], []).append((int(match[2]), path))
    for kind in sorted(numbered):
        for _, path in sorted(numbered[kind], reverse=True):
            try:
                meta = load_checkpoint_file(path).get('meta', {})
            except InputError:
                continue
            steps = meta.get('iter', 0) if isinstance(meta, dict) else None
            if not isinstance(steps, int):
                continue
            newest.append((steps, len(newest), path))
            break
    return max(newest)[-1] if newest else None
