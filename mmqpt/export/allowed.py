"""What a checkpoint may say of its backbone: which classes, with which arguments.

A checkpoint may be a stranger's. MMEngine's registries import and call any name with a dot, and mmpretrain registers
models that run a stranger's Python (``HuggingFaceClassifier``), or that build and load others. So a backbone is built
only if it is one of mmpretrain's backbones, or a network of timm, of arguments that these have, and of known layers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import mmpretrain.models.backbones
from mmpretrain.registry import MODELS
from torch import nn

from mmqpt.core.building import check_plain
from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import known_arguments

TIMM = 'TIMMBackbone'

LAYERS = frozenset({
    *('BN', 'BN1d', 'BN2d', 'BN3d', 'SyncBN', 'GN', 'LN', 'LN2d', 'GRN', 'IN', 'IN1d', 'IN2d', 'IN3d'),
    *('Conv', 'Conv1d', 'Conv2d', 'Conv3d', 'ConvWS', 'ConvAWS', 'Conv2dAdaptivePadding'),
    *('ReLU', 'LeakyReLU', 'PReLU', 'RReLU', 'ReLU6', 'ELU', 'Sigmoid', 'Tanh', 'GELU', 'SiLU', 'Swish', 'HSwish'),
    *('HSigmoid', 'Hardswish', 'Hardsigmoid', 'Mish', 'Clamp', 'Clip', 'DropPath', 'Dropout'),
})  # fmt: skip
"""What ``type`` may be in the arguments of a backbone, at any depth."""

KINDS = frozenset({'DW', 'GF'})
"""What ``type`` may also be: words of single backbones that are no classes."""

_LOADING = frozenset({
    *('init_cfg', 'pretrained', 'pretrained_cfg', 'pretrained_cfg_overlay', 'checkpoint'),
    *('checkpoint_path', 'cache_dir', 'model_cfg', 'model_name', 'trust_remote_code', 'from_pretrained'),
    *('_scope_', 'cfg', 'config', 'self'),
})  # fmt: skip
"""Arguments at any depth that name other weights, files or packages."""

_IGNORED = frozenset({'type', 'init_cfg', 'pretrained', 'checkpoint_path'})
"""At the top, where training takes weights from and export does not."""


def checked_backbone(backbone: Any) -> dict[str, Any]:
    """The config of a backbone that a file names, ready to be built: without the weights that it would start from.

    Raises:
        InputError: anything but a known backbone with arguments and layers that it is known to have.
    """
    backbone = _in_scope(backbone)
    if not isinstance(backbone, Mapping) or not isinstance(backbone.get('type'), str):
        raise InputError(f'its backbone must be a dict with a type, got {backbone!r:.200}')
    kind = backbone['type']
    known = _backbones()
    if kind not in known:
        raise InputError(f'its backbone has the type {kind!r:.200}, which is no backbone of mmpretrain')
    arguments = {key: value for key, value in backbone.items() if key not in _IGNORED}
    name = kind
    if kind == TIMM:
        name = arguments.pop('model_name', None)
        if not isinstance(name, str):
            raise InputError(f'timm has no model {name!r:.200}')
        allowed = known_arguments(name) | {'features_only', 'in_channels', 'norm_layer'}
    else:
        allowed = _arguments_of(known[kind])
    check_plain(arguments, name)
    for key in sorted(map(str, arguments)):
        if key not in allowed or key in _LOADING:
            raise InputError(f'its backbone, {name}, has the argument {key!r:.80}, which is not known')
    for key, value in _inner(arguments):
        if key in _LOADING:
            raise InputError(f'its backbone, {name}, has the argument {key!r} inside others, which is not known')
        if key in ('type', 'norm_layer') and value is not None and not (isinstance(value, str) and _is_layer(value)):
            raise InputError(f'its backbone has the type {value!r:.200}, which is no known layer')
    if kind == TIMM:
        return {'type': kind, 'model_name': name, **arguments, 'pretrained': False, 'checkpoint_path': ''}
    return {'type': kind, **arguments}


def _in_scope(value: Any) -> Any:
    """Without the name of mmpretrain, which configs that inherit from one of its own have everywhere."""
    if isinstance(value, Mapping):
        found = {key: _in_scope(inner) for key, inner in value.items() if (key, inner) != ('_scope_', 'mmpretrain')}
        if isinstance(found.get('type'), str):
            found['type'] = found['type'].removeprefix('mmpretrain.')
        return found
    return [_in_scope(inner) for inner in value] if isinstance(value, (list, tuple)) else value


@functools.cache
def _backbones() -> dict[str, type[nn.Module]]:
    """All that mmpretrain calls a backbone."""
    MODELS.import_from_location()
    found = {
        name: value
        for name, value in vars(mmpretrain.models.backbones).items()
        if inspect.isclass(value) and issubclass(value, nn.Module)
    }
    return {name: value for name, value in found.items() if MODELS.module_dict.get(name) is value}


def _arguments_of(kind: type[nn.Module]) -> frozenset[str]:
    """Of its constructor, and those of its bases that mmpretrain wrote."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.startswith('mmpretrain.models.backbones') and '__init__' in vars(base):
            found.update(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return frozenset(found)


def _is_layer(name: str) -> bool:
    return name in LAYERS or name in KINDS


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values of dicts at any depth."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key, inner
            yield from _inner(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _inner(inner)
