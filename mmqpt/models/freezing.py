"""Parts of a backbone that training leaves alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from mmqpt.core.errors import InputError
from mmqpt.core.network_names import inner_name
from mmqpt.core.networks import find_stages, inner_network, part_names


def freeze_backbone(backbone: nn.Module, freeze: int | str | Sequence[str] | None) -> list[nn.Module]:
    """Take parts of a backbone out of training: their parameters get ``requires_grad=False``.

    Keep the returned modules in eval mode as well (:func:`eval_mode`): then BatchNorm keeps its statistics, and neither
    dropout nor drop-path changes their output.

    Args:
        backbone: an mmpretrain or timm backbone, or mmpretrain's TIMMBackbone.
        freeze: a number of leading stages, at least 1 (all that is before them is frozen too);
            ``'backbone'``; names of modules (with all that is in them) or of parameters, such as
            ``['conv1', 'layer1']``; or None.

    Returns:
        The frozen modules.

    Raises:
        InputError: a name that the network does not have, or more stages than it has; the message says what there is.
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
        name = inner_name(name)
        if name in modules and name:
            modules[name].requires_grad_(False)
            frozen.append(modules[name])
        elif name in parameters:
            parameters[name].requires_grad_(False)
        else:
            raise InputError(f'freeze: the backbone has no {name!r}; there are: {", ".join(part_names(network))}')
    return frozen


def eval_mode(modules: Sequence[nn.Module]) -> None:
    """Put frozen modules into eval mode. Call it after every ``train()``."""
    for module in modules:
        module.eval()


def _leading_stages(network: nn.Module, count: int) -> list[str]:
    """Names of the modules and parameters of the first stages, and of all that is before them."""
    before, stages = find_stages(network)
    if not stages:
        raise InputError(
            f'freeze: stages of this backbone are not known; give names of {", ".join(part_names(network))}'
        )
    if not 1 <= count <= len(stages):
        raise InputError(f'freeze must be between 1 and {len(stages)}, the stages of the backbone, got {count}')
    return before + [name for stage in stages[:count] for name in stage]
