"""Builds a network that a file of weights describes, if the file holds it, and only of parts and arguments that are
known."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from mmqpt.core.errors import InputError
from mmqpt.core.limits import (
    MAX_IMAGE_SIDE,
    MAX_MISSING,
    MAX_MISSING_TENSORS,
    MAX_NESTING,
    MAX_NUMBER,
    MAX_TABLES,
    MAX_VALUES,
)
from mmqpt.core.network_names import COUNTER
from mmqpt.core.timm_backbone import create_timm_backbone, known_arguments


class TooLarge(InputError):
    """A network that is larger than its file."""


T = TypeVar('T', bound=nn.Module)


def build_stored_backbone(
    name: str,
    stored: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Any] | None = None,
    **how: bool,
) -> nn.Module:
    """Build the network of timm that a file describes; see :func:`build_within`.

    Args:
        name: of the model in timm, as the file gives it.
        stored: its arguments, as the file gives them.
        tensors: of the network in the file, under its own names.
        own: arguments that the caller gives, instead of those of the file where both have them.
        how: ``exact`` and ``without_memory`` of :func:`build_within`.

    Raises:
        InputError: an argument that no network of this kind has, or with a value that is no plain data; or what
            :func:`build_within` raises.
    """
    check_plain(stored, name)
    unknown = sorted(set(stored) - known_arguments(name))
    if unknown:
        raise InputError(f'{name}: networks of this kind have no argument {", ".join(unknown)}')
    return build_within(tensors, lambda: create_timm_backbone(name, {**stored, **(own or {})}), stored, **how)


def check_plain(arguments: Any, name: str) -> None:
    """Check arguments that a file gives for a network: plain data, not too much of it.

    Raises:
        InputError: other objects than None, booleans, finite numbers, short strings, and lists and dicts of these; too
            many, too deep, or a number beyond the limits.
    """
    count = 0

    def look(value: Any, depth: int, key: str) -> None:
        nonlocal count
        count += 1
        if depth > MAX_NESTING or count > MAX_VALUES:
            raise InputError(f'{name}: its arguments are nested too deeply, or too many')
        if isinstance(value, Mapping):
            for inner, found in value.items():
                if not isinstance(inner, str):
                    raise InputError(f'{name}: keys of its arguments must be strings, got {inner!r:.80}')
                look(found, depth + 1, inner)
        elif isinstance(value, (list, tuple)):
            for found in value:
                look(found, depth + 1, key)
        elif isinstance(value, bool) or value is None or (isinstance(value, str) and len(value) <= 200):
            return
        elif isinstance(value, int):
            most = MAX_IMAGE_SIDE if key in ('img_size', 'input_size') else MAX_NUMBER
            if abs(value) > most:
                what = f'{key} of a network' if key else 'numbers that describe a network'
                raise InputError(f'{what} must be at most {most}, got {value!s:.40}')
        elif not (isinstance(value, float) and math.isfinite(value)):
            raise InputError(
                f'{name}: {key or "an argument"} must be a number or another plain value, got {value!r:.80}'
            )

    look(arguments, 0, '')


def build_within(
    tensors: Mapping[str, Tensor],
    build: Callable[[], T],
    *arguments: Mapping[str, Any] | None,
    exact: bool = False,
    without_memory: bool = False,
) -> T:
    """Build a network that a file describes, if the file is large enough to hold it.

    A file of a kilobyte can ask for a network of terabytes. So the network is built without memory first, and its
    parameters are counted as they are made. Where it can't be built like that, they are counted as it is built for
    real.

    Args:
        tensors: of the file.
        build: builds the network.
        arguments: that the file gives for it; see :func:`check_plain`.
        exact: whether ``tensors`` must be those of the network: its names and shapes, nothing less and nothing more.
        without_memory: whether a network without values, for its names and layers, will do.

    Raises:
        InputError: the network would be larger than the file, or another one; or what ``build`` raises.
    """
    for given in arguments:
        check_plain(given or {}, 'a network')
    held = sum(tensor.numel() for tensor in tensors.values())
    values, count = held + MAX_MISSING, len(tensors) + MAX_MISSING_TENSORS
    empty: T | None
    try:
        with _limited(values, count), torch.device('meta'):
            empty = build()
    except TooLarge:
        raise
    except Exception:  # some networks compute with numbers while they are built, which needs memory
        empty = None
    if empty is not None:
        tables = sum(table.numel() for name, table in empty.named_buffers() if name not in tensors)
        if tables > held + MAX_TABLES:
            raise _too_large(f'its tables hold {tables} values')
        if exact:
            check_tensors(tensors, empty.state_dict())
        if without_memory:
            return empty
    with _limited(values, count):
        found = build()
    if exact:
        check_tensors(tensors, found.state_dict())
    return found


def check_tensors(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Check that a file has the tensors of a network.

    Raises:
        InputError: counts and names those that are missing, unknown or of another shape.
    """
    missing = [name for name in wanted if name not in tensors and not name.endswith(COUNTER)]
    unknown = [name for name in tensors if name not in wanted]
    shapes = [name for name in tensors if name in wanted and tensors[name].shape != wanted[name].shape]
    if missing or unknown or shapes:
        if sum(wanted[name].numel() for name in missing) > sum(tensor.numel() for tensor in tensors.values()):
            raise _too_large(f'{len(missing)} of its {len(wanted)} tensors are not in it{_first(missing)}')
        raise InputError(
            f'its tensors are not those of the network that it describes: {len(missing)} missing{_first(missing)}, '
            f'{len(unknown)} unknown{_first(unknown)}, {len(shapes)} of another shape{_first(shapes)}'
        )


def _first(names: Sequence[str]) -> str:
    return f' (first: {names[0][:80]})' if names else ''


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
