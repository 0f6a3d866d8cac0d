"""Builds a network that a file of weights describes, if the file is large enough to hold it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from mmqpt.core.errors import InputError

SPARE = 1 << 28
"""Values (1 GiB in float32) that a network may hold beyond those of its file: parts that ``features_only`` cuts off,
and computed tables."""

SPARE_TENSORS = 10_000
"""The same for the number of parameters."""

LARGEST = 1 << 16
"""Whole numbers among the arguments of a network (sides, widths, depths) must not be larger."""


class TooLarge(InputError):
    """A network that is larger than its file."""


T = TypeVar('T', bound=nn.Module)


def build_within(tensors: Mapping[str, Tensor], build: Callable[[], T], *arguments: Mapping[str, Any] | None) -> T:
    """Build a network that a file describes, if the file is large enough to hold it.

    A file of a kilobyte can ask for a network of terabytes. So the network is built without memory first, and its
    parameters are counted as they are made. They are counted again when it is built for real, since some networks can't
    be built without memory.

    Args:
        tensors: of the file.
        build: builds the network.
        arguments: that the file gives for it, whose whole numbers must be at most :data:`LARGEST`.

    Raises:
        InputError: the network would be larger than the file; or what ``build`` raises.
    """
    for value in _numbers(arguments):
        if abs(value) > LARGEST:
            raise InputError(f'numbers that describe a network must be at most {LARGEST}, got {value!s:.40}')
    values = sum(tensor.numel() for tensor in tensors.values()) + SPARE
    count = len(tensors) + SPARE_TENSORS
    empty: nn.Module | None
    try:
        with _limited(values, count), torch.device('meta'):
            empty = build()
    except TooLarge:
        raise
    except Exception:  # many networks compute with numbers while they are built, which needs memory
        empty = None
    if empty is not None and (tables := sum(table.numel() for table in empty.buffers())) > values:
        raise _too_large(f'its tables hold {tables} values')
    with _limited(values, count):
        return build()


@contextmanager
def _limited(values: int, tensors: int) -> Iterator[None]:
    """Stops whatever this thread builds inside once it has too many parameters."""
    thread = threading.get_ident()
    held: dict[tuple[int, str], int] = {}
    total, stopped = 0, False

    def count(module: nn.Module, name: str, value: nn.Parameter | None) -> None:
        nonlocal total, stopped
        if value is None or threading.get_ident() != thread or isinstance(value, nn.UninitializedParameter):
            return
        key = id(module), name
        total += value.numel() - held.get(key, 0)
        held[key] = value.numel()
        if total > values or len(held) > tensors:
            stopped = True
            raise InputError('too large')

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    except Exception:
        if stopped:
            raise _too_large(f'more than {values} values or {tensors} tensors') from None
        raise
    finally:
        handle.remove()


def _too_large(reason: str) -> TooLarge:
    return TooLarge(f'describes a network that is larger than the file ({reason})')


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        yield from _numbers(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _numbers(inner)
