"""One way to make a backbone in timm, for export and for the metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from mmqpt.core.errors import InputError

_LOADING = ('pretrained', 'pretrained_cfg', 'pretrained_cfg_overlay', 'checkpoint_path', 'cache_dir', 'model_cfg')
"""Arguments of timm with which a network would come with weights of its own, from a file or from the net."""

_BAD_ARGUMENT = (TypeError, ValueError, RuntimeError, AssertionError, AttributeError, LookupError, ArithmeticError)


def create_timm_backbone(name: str, args: Mapping[str, Any]) -> nn.Module:
    """A network without classifier, not initialised from anywhere.

    Args:
        name: of the model in timm.
        args: further arguments of ``timm.create_model``. With ``features_only`` it gives a list of stages, else
            features that are not pooled yet.

    Raises:
        InputError: timm has no such model, or an argument that it does not take, of a bad value, or that would load
            weights: a file of weights must not be able to name another.
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
        reason = ' '.join(str(error).split())
        given = ', '.join(f'{key}={value!r}' for key, value in args.items())
        kind = type(error).__name__
        raise InputError(f"{name}: timm can't build it with {given} ({kind}{reason and f': {reason}'})") from error
