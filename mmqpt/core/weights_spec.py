"""What a file of weights says about itself: its spec, and its hash. Reads no tensor and needs no torch."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from mmqpt.core.errors import InputError
from mmqpt.core.limits import MAX_MIN_SIDE, MAX_PLACES, MAX_TENSORS, MAX_VIEW
from mmqpt.core.rating_scales import COMMON, check_scales
from mmqpt.core.view import View
from mmqpt.version import __version__

FORMAT = 1
SPEC_KEY = 'mmqpt'
"""In the metadata: the spec as JSON. Files without it are not ours."""

CHECKSUM_KEY = 'mmqpt_sha256'
"""In the metadata: :func:`mmqpt.core.weights_file.checksum`; of an ONNX file, the hash of the rest of it."""

_KINDS = {int: 'a whole number', str: 'a string', bool: 'true or false', type(None): 'null'}
_LARGEST = float(np.finfo(np.float32).max)
_NONE = type(None)
_VIEW: dict[str, tuple[type, ...]] = {
    'min_side': (int,), 'max_side': (int, _NONE), 'crop': (int, _NONE), 'places': (int, str), 'flip': (bool,)
}  # fmt: skip


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
        scale: the rating scale that scores speak for, one of ``scales`` or ``'common'``; None where the weights were
            trained on one scale only.
        scales: for every rating scale that the weights were trained on the fields of :class:`RatingScale`, its map from
            common scores; None where there was one only.
        dataset: name of the data that the weights were trained on.
        config_sha256: hash of the training config.
        iterations: training iterations.
        mmqpt_version: version that wrote the file.
        format: version of this list of fields.

    Raises:
        InputError: a field of another type or out of range; names the field, the rule and the value.
    """

    kind: str
    backbone: str
    input_mean: tuple[float, ...]
    input_std: tuple[float, ...]
    backbone_args: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] | None = None
    head: dict[str, Any] | None = None
    mos_range: tuple[float, float] | None = None
    scale: str | None = None
    scales: dict[str, Any] | None = None
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
        if not isinstance(self.backbone, str):
            raise InputError(f'backbone must be the name of a model in timm, got {self.backbone!r}')
        if self.kind == 'metric' and (self.view is None or self.head is None):
            raise InputError('weights of a metric need view and head')
        self._check_numbers()
        for name in ('backbone_args', 'view', 'head'):
            value = getattr(self, name)
            missing = value is None and name != 'backbone_args'
            if not missing and not (isinstance(value, dict) and all(isinstance(key, str) for key in value)):
                raise InputError(f'{name} must be a dict with strings for keys, got {value!r}')
        if self.view is not None:
            _check_view(self.view)
        if self.scales is not None or self.scale is not None:
            known = check_scales(self.scales)
            if self.scale not in (COMMON, *known):
                raise InputError(f'scale must be {COMMON!r} or one of {", ".join(known)}, got {self.scale!r:.100}')

    def __str__(self) -> str:
        """A sentence for people."""
        what = 'metric' if self.kind == 'metric' else 'encoder'
        trained = [f'on {self.dataset}'] if self.dataset else []
        trained += [f'for {self.iterations} iterations'] if self.iterations else []
        ends = self.mos_range
        scale = f'; scores 0 and 1 stand for opinion scores of {ends[0]:g} and {ends[1]:g}' if ends else ''
        return f'{what} of {self.backbone}{", trained " if trained else ""}{" ".join(trained)}{scale}'

    def to_mos(self, scores: Any, scale: str | None = None) -> np.ndarray:
        """What people would say: scores from 0 to 1, of any shape -> opinion scores.

        Args:
            scores: of this metric.
            scale: whose people: a name in ``scales``; by default the scale that scores speak for (``mos_range``).

        Raises:
            InputError: weights without such a scale, or that say of no scale what 0 and 1 mean.
        """
        if scale is not None and scale != self.scale:
            known = check_scales(self.scales or {})
            if scale not in known:
                raise InputError(f'these weights have no scale {scale!r}; there are: {", ".join(known) or "none"}')
            return known[scale].from_common(scores)
        if self.mos_range is None:
            raise InputError('these weights do not say what scores 0 and 1 mean')
        low, high = self.mos_range
        found: np.ndarray = low + (high - low) * np.asarray(scores, np.float64)
        return found

    def _check_numbers(self) -> None:
        for name in ('input_mean', 'input_std'):
            value = getattr(self, name)
            if not _are_finite(value, 3):
                raise InputError(f'{name} must be 3 finite numbers, got {value!r}')
        if min(self.input_std) <= 0:
            raise InputError(f'input_std must be > 0, got {self.input_std}')
        ends = self.mos_range
        if ends is not None and not (_are_finite(ends, 2) and ends[0] < ends[1]):
            raise InputError(f'mos_range must be two finite numbers, low < high, got {ends!r}')


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of any safetensors file; its tensors are not read, and nothing is compared with the checksum.

    Raises:
        FileNotFoundError: no such file.
        InputError: no safetensors file; the message has the file's hash.
    """
    with opened_weights(os.fspath(path)) as file:
        return dict(file.metadata() or {})


@contextmanager
def opened_weights(name: str, framework: str = 'numpy') -> Iterator[Any]:
    """An open safetensors file whose tensors are those of a framework.

    Raises:
        FileNotFoundError: no such file.
        InputError: no safetensors file; the message has the file's hash.
    """
    if not os.path.isfile(name):
        raise FileNotFoundError(f'no such file of weights: {name}')
    try:
        with safe_open(name, framework=framework) as file:
            if (count := len(file.keys())) > MAX_TENSORS:
                raise InputError(f'{with_sha256(name)}: refused, it has {count} tensors, more than {MAX_TENSORS}')
            yield file
    except (SafetensorError, OSError) as error:
        hint = f'; {_how_to_export(name)}' if _is_of_torch(name) else ''
        raise InputError(f'{with_sha256(name)}: not a safetensors file, or a damaged one ({error}){hint}') from error


def _is_of_torch(name: str) -> bool:
    """Whether a file begins as ``torch.save`` begins one, now (zip) or formerly (pickle), or is called as one."""
    try:
        with open(name, 'rb') as file:
            start = file.read(2)
    except OSError:
        return False
    return start in (b'PK', b'\x80\x02') or name.lower().endswith(('.pth', '.pt', '.ckpt'))


def _how_to_export(name: str) -> str:
    out = shlex.quote(f'{os.path.splitext(name)[0]}.safetensors')
    return f'this is a checkpoint: export it first, mmqpt export {shlex.quote(name)} {out}'


def with_sha256(name: str) -> str:
    """What errors call a file of weights: its path, and its hash."""
    return f'{name} (sha256 {file_sha256(name)})'


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hash of a file's bytes."""
    with open(path, 'rb') as file:
        found = hashlib.sha256()
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _check_view(view: dict[str, Any]) -> None:
    unknown = sorted(set(view) - set(_VIEW))
    if unknown:
        raise InputError(f'view has unknown fields: {", ".join(unknown)}; there are: {", ".join(_VIEW)}')
    for name, kinds in _VIEW.items():
        value = view.get(name, View.__dataclass_fields__[name].default)
        if type(value) not in kinds:  # True is an int
            wanted = ' or '.join(_KINDS[kind] for kind in kinds)
            raise InputError(f'{name} of view must be {wanted}, got {value!r}')
    found = View(**view)
    if found.min_side > MAX_MIN_SIDE or (isinstance(found.places, int) and found.places > MAX_PLACES):
        raise InputError(
            f'min_side of view must be at most {MAX_MIN_SIDE} px and places at most {MAX_PLACES}, '
            f'got {found.min_side} and {found.places}'
        )
    if found.crop is not None:
        count = found.places if isinstance(found.places, int) else len(found.corners(found.min_side, found.crop)) ** 2
        count *= 1 + found.flip
        if count > 2 * MAX_PLACES or count * found.crop**2 > MAX_VIEW:
            raise InputError(f'view asks for {count} crops of {found.crop} px for each photo, which is too many')


def _are_finite(values: Any, count: int) -> bool:
    """Numbers that float32 can hold."""
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        and all(abs(value) <= _LARGEST for value in values)
    )
