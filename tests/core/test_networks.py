"""What is known of networks, asked of networks."""

import pytest
import timm
import torch
from torch import nn

from mmqpt.core.networks import (
    batch_norms,
    channels_come_last,
    extra_tokens,
    find_stages,
    fixed_size,
    gives_stages,
    inner_network,
    part_names,
    size_step,
    wrapped_network,
)


class Wrapper(nn.Module):
    """As mmpretrain's TIMMBackbone, which needs no OpenMMLab to be known."""

    def __init__(self, network):
        super().__init__()
        self.timm_model = network


def test_inner_network():
    plain = nn.ModuleDict({'conv': nn.Linear(1, 1)})
    getter = nn.ModuleDict({'model': plain})
    assert inner_network(plain) is plain
    assert inner_network(Wrapper(plain)) is plain
    assert inner_network(Wrapper(getter)) is plain
    assert wrapped_network(Wrapper(getter)) is getter
    both = nn.ModuleDict({'model': plain, 'neck': nn.Linear(1, 1)})
    assert inner_network(both) is both


@pytest.mark.parametrize('wrap', [Wrapper, lambda network: network])
@pytest.mark.parametrize(
    ('name', 'options', 'side', 'step'),
    [
        ('test_resnet', {}, None, 1),
        ('test_vit', {'img_size': 48, 'dynamic_img_size': False}, 48, 16),
        ('test_vit', {'img_size': 48, 'dynamic_img_size': False, 'features_only': True}, 48, 16),
        ('test_vit', {'dynamic_img_size': True}, None, 16),
        ('test_vit', {'dynamic_img_size': True, 'dynamic_img_pad': True}, None, 1),
    ],
)
def test_sizes_that_backbones_take(wrap, name, options, side, step):
    backbone = wrap(timm.create_model(name, **options))
    assert fixed_size(backbone) == side
    assert size_step(backbone) == step
    assert gives_stages(backbone) == options.get('features_only', False)


def test_layouts_and_tokens():
    swin = timm.create_model('swin_tiny_patch4_window7_224', features_only=True, embed_dim=8, depths=(1, 1, 1, 1))
    assert channels_come_last(swin)
    assert channels_come_last(Wrapper(swin))
    assert not channels_come_last(timm.create_model('test_resnet', features_only=True))
    vit = timm.create_model('test_vit')
    assert extra_tokens(vit) == extra_tokens(Wrapper(vit)) == 1
    assert extra_tokens(timm.create_model('test_resnet')) == 0


def test_batch_norms():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.LayerNorm(2), nn.ModuleList([nn.BatchNorm3d(2), nn.SyncBatchNorm(2)]))
    assert [type(layer).__name__ for layer in batch_norms(network)] == ['BatchNorm1d', 'BatchNorm3d', 'SyncBatchNorm']


def convnext_of_mmpretrain():
    blocks = [nn.ModuleList([nn.Linear(1, 1) for _ in range(2)]) for _ in range(2)]
    return nn.ModuleDict({'downsample_layers': blocks[0], 'stages': blocks[1], 'norm0': nn.Linear(1, 1)})


def token_first():
    network = nn.ModuleDict({'blocks': nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), 'norm': nn.Linear(1, 1)})
    network.cls_token = nn.Parameter(torch.zeros(1))
    return network


@pytest.mark.parametrize(
    ('network', 'before', 'stages'),
    [
        (lambda: timm.create_model('test_resnet'), ['conv1', 'bn1', 'act1', 'maxpool'],
         [['layer1'], ['layer2'], ['layer3'], ['layer4']]),
        (lambda: timm.create_model('test_convnext', features_only=True, out_indices=(0, 1)), ['stem_0', 'stem_1'],
         [['stages_0'], ['stages_1']]),
        (token_first, ['cls_token'], [['blocks.0'], ['blocks.1']]),
        (convnext_of_mmpretrain, [],
         [['downsample_layers.0', 'stages.0'], ['downsample_layers.1', 'stages.1']]),
        (lambda: nn.ModuleDict({'features': nn.Sequential(nn.Linear(1, 1))}), ['features'], []),
    ],
)  # fmt: skip
def test_stages(network, before, stages):
    assert find_stages(network()) == (before, stages)


def test_part_names():
    assert part_names(token_first()) == ['cls_token', 'blocks.0', 'blocks.1', 'norm']
