"""What timm calls a backbone, and one way to build it there, for export and for the metric."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

import mmqpt.core.side_network  # noqa: F401 (makes a network known to timm)
from mmqpt.core.errors import InputError

_LOADING = ('pretrained', 'pretrained_cfg', 'pretrained_cfg_overlay', 'checkpoint_path', 'cache_dir', 'model_cfg')
"""Arguments of timm with which a network would come with weights of its own, from a file or from the net."""

_CUTS = ('features_only', 'out_indices', 'feature_cls')
_UNUSED = ('pretrained', 'checkpoint_path')
_GENERAL = frozenset({
    'features_only', 'out_indices', 'feature_cls', 'feature_concat', 'flatten_sequential', 'output_stride',
    'output_fmt', 'num_classes', 'in_chans', 'global_pool', 'drop_rate', 'drop_path_rate', 'img_size',
})  # fmt: skip
"""Arguments of timm that many networks take, or that choose what they give."""

_RESNETS = (18, 34, 50, 101, 152)

_BAD_ARGUMENT = (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, LookupError, ArithmeticError)


def create_timm_backbone(name: str, args: Mapping[str, Any]) -> nn.Module:
    """A network without a classifier, with random weights.

    Args:
        name: of the model in timm.
        args: further arguments of ``timm.create_model``. With ``features_only`` it gives a list of stages, else
            features that are not pooled yet.

    Raises:
        InputError: timm has no such model; or an argument that timm does not take, that has a bad value, or that would
            load weights (a file of weights must not be able to name another).
    """
    if not timm.is_model(name):
        raise InputError(f'timm has no model {name!r}')
    loading = sorted(set(_LOADING) & set(args))
    if loading:
        raise InputError(f'arguments of a backbone must not load weights, got {", ".join(loading)}')
    whole: dict[str, Any] = {} if args.get('features_only') else {'num_classes': 0, 'global_pool': ''}
    options: dict[str, Any] = {**whole, **args}
    try:
        return timm.create_model(name, pretrained=False, **options)
    except _BAD_ARGUMENT as error:
        reason = ' '.join(f'{type(error).__name__}: {error}'.split()).removesuffix(':')
        given = ', '.join(f'{key}={value!r}' for key, value in args.items())
        raise InputError(f"{name}: timm can't build it with {given} ({reason})") from error


@functools.cache
def known_arguments(name: str) -> frozenset[str]:
    """What a file of weights may say of a network: general arguments of timm, and those that constructors of its kind
    have. Nothing that would load weights.

    Raises:
        InputError: timm has no such model.
    """
    if not timm.is_model(name):
        raise InputError(f'timm has no model {name!r:.200}')
    module = sys.modules[timm.model_entrypoint(name).__module__]
    found = set(_GENERAL)
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__.split('.')[0] in ('timm', 'mmqpt'):
            try:
                found.update(inspect.signature(value).parameters)
            except (TypeError, ValueError):  # an enumeration, or made by C
                continue
    return frozenset(found - set(_LOADING) - {'self', 'args', 'kwargs', 'options'})


def without_stages(args: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the whole network, for those of one that gives stages."""
    return {key: value for key, value in args.items() if key not in _CUTS}


def timm_name(backbone: Mapping[str, Any], given: str | None = None) -> tuple[str, dict[str, Any]]:
    """What timm calls a backbone of mmpretrain, and its further arguments there.

    Args:
        backbone: config of a TIMMBackbone, or of a backbone of mmpretrain's own.
        given: the name, where it can't be known.

    Raises:
        InputError: no name was given for a backbone whose name is not known.
    """
    options = {key: value for key, value in backbone.items() if key not in ('type', 'init_cfg')}
    if backbone['type'] == 'TIMMBackbone':
        name = options.pop('model_name')
        options = {key: value for key, value in options.items() if key not in _UNUSED}
        if not options.get('features_only'):
            options.pop('features_only', None)
        return given or name, options
    stages = options.pop('out_indices', None)
    # timm counts the stem as the first stage of a ResNet
    args = {'features_only': True, 'out_indices': [int(index) + 1 for index in stages]} if stages else {}
    if given:
        return given, args
    if backbone['type'] == 'ResNet' and options.get('depth') in _RESNETS and set(options) <= {'depth', 'norm_eval'}:
        return f'resnet{options["depth"]}', args
    raise InputError(f'what timm calls this backbone is not known: {backbone}; give its name')
