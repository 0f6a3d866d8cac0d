"""Parts of a backbone that training leaves alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from mmqpt.core.errors import InputError
from mmqpt.core.head import inner_network

_CONTAINERS = ('stages', 'blocks', 'layers')
_STAGE = re.compile(r'(?:layer|(?:stages|blocks|layers)_)\d+')
_BEFORE_STAGES = 'downsample_layers'  # mmpretrain's ConvNeXt: one in front of each stage, the first is the stem


def freeze_backbone(backbone: nn.Module, freeze: int | str | Sequence[str] | None) -> list[nn.Module]:
    """Take parts of a backbone out of training: their parameters get ``requires_grad=False``.

    The modules returned must be kept in eval mode as well (:func:`eval_mode`), so that BatchNorm keeps its statistics
    and neither dropout nor drop-path changes what they give.

    Args:
        backbone: an mmpretrain or timm backbone, or mmpretrain's TIMMBackbone.
        freeze: a number of leading stages, at least 1 (what lies before the first stage is frozen with it);
            ``'backbone'``; names, or beginnings of names up to a dot, of modules or parameters of the network, such as
            ``['conv1', 'layer1']``; or None.

    Returns:
        The frozen modules.

    Raises:
        InputError: a name that the network does not have, or more stages than it has; says what there is.
    """
    if freeze is None:
        return []
    network = inner_network(backbone)
    if freeze == 'backbone':
        backbone.requires_grad_(False)
        return [backbone]
    if isinstance(freeze, int) and not isinstance(freeze, bool):
        names = _leading_stages(network, freeze)
    elif isinstance(freeze, str) or not isinstance(freeze, Sequence) or not all(isinstance(x, str) for x in freeze):
        raise InputError(f"freeze must be a number of stages, 'backbone' or a list of names, got {freeze!r}")
    else:
        names = list(freeze)
    modules, parameters = dict(network.named_modules()), dict(network.named_parameters())
    frozen = []
    for name in names:
        name = name.removeprefix('timm_model.').removeprefix('model.')
        if name in modules and name:
            modules[name].requires_grad_(False)
            frozen.append(modules[name])
        elif name in parameters:
            parameters[name].requires_grad_(False)
        else:
            raise InputError(f'freeze: the backbone has no {name!r}; there are: {", ".join(_names(network))}')
    return frozen


def eval_mode(modules: Sequence[nn.Module]) -> None:
    """Put frozen modules into eval mode; to be called after every ``train()``."""
    for module in modules:
        module.eval()


def _leading_stages(network: nn.Module, count: int) -> list[str]:
    """Names of what makes up the first stages and all that lies before them."""
    stages: list[str] = []
    before = [name for name, _ in network.named_parameters(recurse=False)]
    between: list[str] = []
    for name, child in network.named_children():
        if name == _BEFORE_STAGES:
            between = [f'{name}.{number}' for number in range(count)]
        elif name in _CONTAINERS and len(list(child.children())):
            stages += [f'{name}.{number}' for number, _ in child.named_children()]
        elif _STAGE.fullmatch(name):
            stages.append(name)
        elif not stages:
            before.append(name)
    if not stages:
        raise InputError(f'freeze: stages of this backbone are not known; give names of {", ".join(_names(network))}')
    if not 1 <= count <= len(stages):
        raise InputError(f'freeze must be between 1 and {len(stages)}, the stages of the backbone, got {count}')
    return before + between + stages[:count]


def _names(network: nn.Module) -> list[str]:
    """Parameters and modules at the top, with the parts of containers."""
    names = [name for name, _ in network.named_parameters(recurse=False)]
    for name, child in network.named_children():
        parts = [f'{name}.{part}' for part, _ in child.named_children()] if name in _CONTAINERS else []
        names += parts or [name]
    return names
