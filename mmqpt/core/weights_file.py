"""The file of exported weights: safetensors with a spec in its metadata. Loading one runs no code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.files import replacing
from mmqpt.core.weights_spec import CHECKSUM_KEY, SPEC_KEY, WeightsSpec, opened_weights, with_sha256


def write_weights(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], spec: WeightsSpec) -> None:
    """Write a file, whole or not at all. Its folder is made where it is missing.

    Args:
        path: file to write.
        tensors: named ``backbone.*`` (timm's names) and ``head.*``.
        spec: what is said about them.
    """
    name = os.fspath(path)
    text = json.dumps(asdict(spec))
    metadata = {SPEC_KEY: text, CHECKSUM_KEY: checksum(text, tensors), 'format': 'pt'}
    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
    save_tensors(name, tensors, metadata)


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all.

    Raises:
        OSError: it can't be written, as on a full disk.
    """
    with replacing(path) as partial:
        try:
            save_file(dict(tensors), partial, metadata=None if metadata is None else dict(metadata))
        except SafetensorError as error:
            raise OSError(f'{os.fspath(path)}: not written ({first_line(error)})') from error


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], WeightsSpec]:
    """Read a file that :func:`write_weights` wrote.

    Returns:
        The tensors on the CPU, and the spec.

    Raises:
        FileNotFoundError: no such file.
        InputError: no safetensors file, a damaged one (spec and tensors are compared with their checksum), or one that
            mmqpt did not write; the message has the file's hash.
    """
    name = os.fspath(path)
    with opened_weights(name, 'pt') as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    if SPEC_KEY not in metadata:
        raise InputError(f'{with_sha256(name)}: a safetensors file, but not one that mmqpt exported')
    if CHECKSUM_KEY not in metadata:
        raise InputError(f'{with_sha256(name)}: has no checksum (made by an older mmqpt); export it again')
    found, wanted = checksum(metadata[SPEC_KEY], tensors), metadata[CHECKSUM_KEY]
    if found != wanted:
        raise InputError(
            f'{with_sha256(name)}: damaged: its content has the checksum {found}, but should have {wanted}'
        )
    try:
        spec = WeightsSpec(**json.loads(metadata[SPEC_KEY]))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f'{with_sha256(name)}: {error}') from error
    return tensors, spec


def tensors_below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with a prefix such as ``backbone.``, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def checksum(spec: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the text of the spec, and of the names, types, shapes and values of the tensors."""
    found = hashlib.sha256(spec.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f'\n{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
