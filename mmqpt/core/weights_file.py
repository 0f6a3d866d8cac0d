"""The file of exported weights: safetensors with a spec in its metadata. Loading one runs no code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.version import __version__

FORMAT = 1
_KEY = 'mmqpt'
_SUM = 'mmqpt_sha256'


@dataclass(frozen=True)
class WeightsSpec:
    """Everything needed to use the weights.

    Args:
        kind: ``'metric'``: backbone and quality head; ``'backbone'``: a pre-trained backbone alone.
        backbone: name of the model in timm.
        backbone_args: further arguments of ``timm.create_model``, such as ``img_size`` or ``features_only``.
        input_mean: of R, G and B in units of 0 to 255.
        input_std: of R, G and B in units of 0 to 255.
        view: arguments of :class:`View`, the size rule; None for a backbone.
        head: arguments of :func:`build_head`; None for a backbone.
        mos_range: what scores 0 and 1 mean on the scale of the opinion scores; None for a backbone.
        dataset: name of the data that the weights were trained on.
        config_sha256: hash of the training config.
        iterations: training iterations.
        mmqpt_version: version that wrote the file.
        format: version of this list of fields.
    """

    kind: str
    backbone: str
    input_mean: tuple[float, ...]
    input_std: tuple[float, ...]
    backbone_args: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] | None = None
    head: dict[str, Any] | None = None
    mos_range: tuple[float, float] | None = None
    dataset: str | None = None
    config_sha256: str | None = None
    iterations: int | None = None
    mmqpt_version: str = __version__
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name in ('input_mean', 'input_std', 'mos_range'):  # JSON gives lists
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.format != FORMAT:
            raise InputError(f'weights of format {self.format!r}, but this mmqpt reads format {FORMAT}')
        if self.kind not in ('metric', 'backbone'):
            raise InputError(f"kind must be 'metric' or 'backbone', got {self.kind!r}")
        if self.kind == 'metric':
            if self.view is None or self.head is None:
                raise InputError('weights of a metric need view and head')
            try:
                View(**self.view)
            except TypeError as error:
                raise InputError(f'view has unknown fields: {self.view}') from error


def write_weights(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], spec: WeightsSpec) -> None:
    """Write a file, whole or not at all; tensors are named ``backbone.*`` (timm's names) and ``head.*``."""
    name = os.fspath(path)
    text = json.dumps(asdict(spec))
    metadata = {_KEY: text, _SUM: checksum(text, tensors), 'format': 'pt'}
    partial = f'{name}.{os.getpid()}.partial'
    try:
        save_file(dict(tensors), partial, metadata=metadata)
        os.replace(partial, name)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


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
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such file of weights: {name}')
    try:
        with safe_open(name, framework='pt', device='cpu') as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise InputError(f'{_with_hash(name)}: not a safetensors file, or a damaged one ({error})') from error
    if _KEY not in metadata:
        raise InputError(f'{_with_hash(name)}: a safetensors file, but not one that mmqpt exported')
    found = checksum(metadata[_KEY], tensors)
    if metadata.get(_SUM) != found:
        raise InputError(
            f'{_with_hash(name)}: damaged: its content has the checksum {found}, but should have {metadata.get(_SUM)}'
        )
    try:
        spec = WeightsSpec(**json.loads(metadata[_KEY]))
    except (TypeError, ValueError) as error:
        raise InputError(f'{_with_hash(name)}: {error}') from error
    return tensors, spec


def checksum(spec: str, tensors: Mapping[str, Tensor]) -> str:
    """Sha256 of the spec's text and of the tensors' names, types, shapes and values."""
    found = hashlib.sha256(spec.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        found.update(f'\n{name} {tensor.dtype} {tuple(tensor.shape)}\n'.encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hash of a file's bytes."""
    with open(path, 'rb') as file:
        found = hashlib.sha256()
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _with_hash(name: str) -> str:
    return f'{name} (sha256 {file_sha256(name)})'
