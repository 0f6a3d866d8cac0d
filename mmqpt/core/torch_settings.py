"""torch as it is after its import, whatever the caller has set: scores must not depend on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import torch

_Setting = tuple[Callable[[], Any], Callable[[Any], Any], Any]
_AUTOCAST = ('cpu', 'cuda')


@contextmanager
def default_settings(device: torch.device | str = 'cpu') -> Iterator[None]:
    """Undoes inside what a caller may have set around: autocast, and torch's defaults of type, device and precision.

    What torch keeps for a thread (autocast, the default device) is set for this thread alone. What it keeps for the
    process (the default type, the precision of products of float32, the rule that only deterministic algorithms run) is
    changed only where it differs, and put back once the last thread has left. Nothing is done while torch compiles or
    traces. Whether gradients are kept stays as it is.

    Args:
        device: on which tensors without a device are made inside.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        yield
        return
    with ExitStack() as stack:
        for kind in _AUTOCAST:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device() != torch.device(device):
            stack.enter_context(torch.device(device))
        stack.enter_context(_process_settings())
        yield


class _Process:
    lock = threading.Lock()
    inside = 0
    changed: ClassVar[list[tuple[Callable[[Any], Any], Any]]] = []


def _settings() -> tuple[_Setting, ...]:
    return (
        (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, 'highest'),
        (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    )


@contextmanager
def _process_settings() -> Iterator[None]:
    with _Process.lock:
        if _Process.inside == 0:
            found = [(get(), put, wanted) for get, put, wanted in _settings()]
            _Process.changed = [(put, value) for value, put, wanted in found if value != wanted]
            for value, put, wanted in found:
                if value != wanted:
                    put(wanted)
        _Process.inside += 1
    try:
        yield
    finally:
        with _Process.lock:
            _Process.inside -= 1
            if _Process.inside == 0:
                for put, value in _Process.changed:
                    put(value)
