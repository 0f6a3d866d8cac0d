"""What is known of networks that other people wrote: what wrappers hold, which sizes and layouts they have, and where
their stages are."""

from __future__ import annotations

from timm.models import FeatureInfo
from torch import nn

from mmqpt.core.network_names import STAGES, is_stage

_BEFORE_EACH_STAGE = 'downsample_layers'  # of mmpretrain's ConvNeXt; the first of them is the stem


def wrapped_network(backbone: nn.Module) -> nn.Module:
    """What mmpretrain's TIMMBackbone holds; any other module itself."""
    network: nn.Module = getattr(backbone, 'timm_model', backbone)
    return network


def inner_network(backbone: nn.Module) -> nn.Module:
    """The network inside mmpretrain's TIMMBackbone and timm's feature getter; any other module itself."""
    network = wrapped_network(backbone)
    children = dict(network.named_children())
    return children['model'] if list(children) == ['model'] else network


def gives_stages(backbone: nn.Module) -> bool:
    """Whether it was made by timm's ``features_only``, which cuts off what comes after the last stage that it gives."""
    return isinstance(getattr(wrapped_network(backbone), 'feature_info', None), FeatureInfo)


def fixed_size(backbone: nn.Module) -> int | None:
    """Side in px of the only photos that a backbone takes (a ViT or Swin of timm); None where others fit too."""
    patches = getattr(inner_network(backbone), 'patch_embed', None)
    size = getattr(patches, 'img_size', None)
    return int(size[0]) if size is not None and getattr(patches, 'strict_img_size', False) else None


def size_step(backbone: nn.Module) -> int:
    """What height and width of photos must be a multiple of, in px; 1 for most backbones."""
    patches = getattr(inner_network(backbone), 'patch_embed', None)
    if patches is None or not hasattr(patches, 'strict_img_size') or getattr(patches, 'dynamic_img_pad', False):
        return 1
    return int(patches.patch_size[0])


def channels_come_last(backbone: nn.Module) -> bool:
    """Whether its maps are (N, H, W, C). timm's networks say so in ``output_fmt``, as a string or an enumeration."""
    layout = getattr(wrapped_network(backbone), 'output_fmt', None)
    return getattr(layout, 'value', layout) == 'NHWC'


def extra_tokens(backbone: nn.Module) -> int:
    """How many of its tokens, the first ones, are not patches: class, distillation and register tokens."""
    network = inner_network(backbone)
    return int(getattr(network, 'num_prefix_tokens', getattr(network, 'num_extra_tokens', 0)))


def batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """All BatchNorm layers of a network, of any dimension."""
    return [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def find_stages(network: nn.Module) -> tuple[list[str], list[list[str]]]:
    """Where the stages of a network are.

    Args:
        network: as :func:`inner_network` gives it.

    Returns:
        Names of the modules and parameters before the first stage, and for each stage names of the modules that make it
        up. No stages where the network has none under a name that is known.
    """
    before = [name for name, _ in network.named_parameters(recurse=False)]
    stages: list[str] = []
    downsampled = False
    for name, child in network.named_children():
        numbers = [number for number, _ in child.named_children()]
        if name == _BEFORE_EACH_STAGE:
            downsampled = True
        elif name in STAGES and numbers:
            stages += [f'{name}.{number}' for number in numbers]
        elif is_stage(name):
            stages.append(name)
        elif not stages:
            before.append(name)
    if downsampled:
        return before, [[f'{_BEFORE_EACH_STAGE}.{number}', stage] for number, stage in enumerate(stages)]
    return before, [[stage] for stage in stages]


def part_names(network: nn.Module) -> list[str]:
    """Names of the parameters and modules at the top of a network, with each of its stages."""
    names = [name for name, _ in network.named_parameters(recurse=False)]
    for name, child in network.named_children():
        parts = [f'{name}.{part}' for part, _ in child.named_children()] if name in STAGES else []
        names += parts or [name]
    return names
