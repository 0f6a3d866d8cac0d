"""The file of exported weights: safetensors with a spec in its metadata. Loading one runs no code."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.version import __version__

FORMAT = 1
_KEY = 'mmqpt'


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


def write_weights(path: str | os.PathLike[str], tensors: dict[str, Tensor], spec: WeightsSpec) -> None:
    """Write a file; tensors are named ``backbone.*`` (timm's names) and ``head.*``."""
    save_file(tensors, os.fspath(path), metadata={_KEY: json.dumps(asdict(spec)), 'format': 'pt'})


def read_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], WeightsSpec]:
    """Read a file that :func:`write_weights` wrote.

    Returns:
        The tensors on the CPU, and the spec.

    Raises:
        FileNotFoundError: no such file.
        InputError: no safetensors file, a damaged one, or one that mmqpt did not write.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such file of weights: {name}')
    try:
        with safe_open(name, framework='pt', device='cpu') as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise InputError(f'{name}: not a safetensors file, or a damaged one ({error})') from error
    if _KEY not in metadata:
        raise InputError(f'{name}: a safetensors file, but not one that mmqpt exported')
    try:
        spec = WeightsSpec(**json.loads(metadata[_KEY]))
    except (TypeError, ValueError) as error:
        raise InputError(f'{name}: {error}') from error
    return tensors, spec
