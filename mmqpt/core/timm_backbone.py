"""What timm calls a backbone, and one way to build it there, for export and for the metric."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

import timm
from torch import Tensor, nn

import mmqpt.core.side_network  # noqa: F401 (makes a network known to timm)
from mmqpt.core.errors import InputError
from mmqpt.core.network_names import COUNTER

_LOADING = ('pretrained', 'pretrained_cfg', 'pretrained_cfg_overlay', 'checkpoint_path', 'cache_dir', 'model_cfg')
"""Arguments of timm with which a network would come with weights of its own, from a file or from the net."""

_CUTS = ('features_only', 'out_indices', 'feature_cls')
_UNUSED = ('pretrained', 'checkpoint_path')
_GENERAL = frozenset({
    'features_only', 'out_indices', 'feature_cls', 'feature_concat', 'flatten_sequential', 'output_stride',
    'output_fmt', 'bn_eps', 'bn_momentum', 'num_classes', 'in_chans',
    'global_pool', 'drop_rate', 'drop_path_rate', 'img_size',
})  # fmt: skip
"""Arguments of timm that many networks take, or that choose what they give."""

_RESNETS = (18, 34, 50, 101, 152)

_BY_STAGES = {
    'ResNet': 'resnet{depth}',
    'ResNetV1c': 'resnet{depth}c',
    'ResNetV1d': 'resnet{depth}d',
    'ResNeXt': 'resnext{depth}_{groups}x{width}d',
    'SEResNet': 'seresnet{depth}',
}
"""Types of mmpretrain that are ResNets, and what timm calls them."""

_ARCHS = {'MobileNetV3': 'small', 'EfficientNet': 'b0', 'EfficientNetV2': 's', 'ConvNeXt': 'tiny'}
"""mmpretrain's defaults."""

_OF_TRAINING = ('norm_eval', 'frozen_stages', 'with_cp', 'drop_path_rate', 'zero_init_residual')
"""Arguments of mmpretrain's backbones that make no difference to a trained network."""

_RENAMED = (
    (r'\bse_layer\.conv(\d)\.conv\.', r'se.fc\1.'),  # SE-ResNet
    (r'^downsample_layers\.0\.', 'stem.'),  # ConvNeXt, and what follows
    (r'^downsample_layers\.(\d)\.', r'stages.\1.downsample.'),
    (r'^stages\.(\d)\.(\d+)\.(?=depthwise_conv|norm|pointwise_conv|gamma)', r'stages.\1.blocks.\2.'),
    (r'\bdepthwise_conv\.', 'conv_dw.'),
    (r'\bpointwise_conv(\d)\.', r'mlp.fc\1.'),
    (r'^norm3\.', 'head.norm.'),
)
"""Names of mmpretrain's parameters, and timm's, where the order of the layers differs."""

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
    known = _of_mmpretrain(backbone['type'], options)
    if known is None or (stages and backbone['type'] not in _BY_STAGES):
        raise InputError(f'what timm calls this backbone is not known: {backbone}; give its name')
    name, further = known
    return name, {**further, **args}


def names_for_timm(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Weights of a backbone of mmpretrain's own under timm's names; None where they can't be told.

    Where the names of a family have no rule here, both libraries list the same layers in the same order; whoever asks
    compares the features of both networks afterwards.

    Args:
        state: weights under plain names, in the order of the network.
        wanted: those of timm's network.
    """
    renamed = {_rename(name): value for name, value in state.items()}
    if set(renamed) == set(wanted):
        return renamed
    ours, theirs = ({k: v for k, v in given.items() if not k.endswith(COUNTER)} for given in (state, wanted))
    if [value.shape for value in ours.values()] != [value.shape for value in theirs.values()]:
        return None
    counters = {name: value for name, value in wanted.items() if name.endswith(COUNTER)}
    return {**dict(zip(theirs, ours.values(), strict=True)), **counters}


def _rename(name: str) -> str:
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    return name


def _of_mmpretrain(kind: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """timm's name of a network of mmpretrain, and arguments under which both are the same."""
    left = {key: value for key, value in options.items() if key not in _OF_TRAINING}
    depth, arch = left.pop('depth', None), str(left.pop('arch', _ARCHS.get(kind, '')))
    if kind in _BY_STAGES and depth in _RESNETS:
        cardinality = {'groups': 32, 'width': 4}
        if kind == 'ResNeXt':
            cardinality = {'groups': left.pop('groups', 32), 'width': left.pop('width_per_group', 4)}
        return None if left else (_BY_STAGES[kind].format(depth=depth, **cardinality), {})
    if kind == 'MobileNetV2':
        percent = round(100 * float(left.pop('widen_factor', 1.0)))
        return None if left else (f'mobilenetv2_{percent:03d}', {})
    if left:
        return None
    if kind == 'MobileNetV3':  # without timm's last layer; its BatchNorm adds 1e-3
        size, _, percent_of_width = arch.partition('_')
        return f'mobilenetv3_{size}_{percent_of_width or "100"}', {
            'features_only': True,
            'out_indices': [4],
            'bn_eps': 1e-3,
        }
    if kind in ('EfficientNet', 'EfficientNetV2'):
        return f'tf_{kind.lower()}_{arch}', {}
    flops = re.fullmatch(r'(regnet[xy])_([\d.]+)([mg])f', arch)
    if kind == 'RegNet' and flops:
        return f'{flops[1]}_{round(float(flops[2]) * (10 if flops[3] == "g" else 0.01)):03d}', {}
    if kind == 'ConvNeXt':
        return f'convnext_{arch}', {'global_pool': 'avg'}
    return None
