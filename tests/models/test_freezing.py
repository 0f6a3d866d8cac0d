"""Freezing: what is left alone stays bit for bit, statistics included."""

import pytest
import timm
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.models.freezing import freeze_backbone


def backbone(name='test_resnet', **options):
    return MODELS.build({'type': 'TIMMBackbone', 'model_name': name, **options})


def frozen(network):
    return {name.removeprefix('timm_model.') for name, x in network.named_parameters() if not x.requires_grad}


def tops(names, depth=1):
    return {'.'.join(name.split('.')[:depth]) for name in names}


@pytest.mark.parametrize(
    ('network', 'count', 'depth', 'expected'),
    [
        (lambda: backbone(), 1, 1, {'conv1', 'bn1', 'layer1'}),
        (lambda: backbone(), 4, 1, {'conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4'}),
        (lambda: backbone(features_only=True), 1, 1, {'conv1', 'bn1', 'layer1'}),
        (lambda: backbone('test_convnext', features_only=True), 1, 1, {'stem_0', 'stem_1', 'stages_0'}),
        (lambda: backbone('test_efficientnet'), 2, 2,
         {'conv_stem.weight', 'bn1.weight', 'bn1.bias', 'blocks.0', 'blocks.1'}),
        (lambda: backbone('test_vit'), 2, 2, {'cls_token', 'pos_embed', 'patch_embed.proj', 'blocks.0', 'blocks.1'}),
        (lambda: MODELS.build({'type': 'ResNet', 'depth': 18}), 2, 1, {'conv1', 'bn1', 'layer1', 'layer2'}),
        (lambda: MODELS.build({'type': 'ConvNeXt', 'arch': 'atto'}), 2, 2,
         {'downsample_layers.0', 'downsample_layers.1', 'stages.0', 'stages.1'}),
    ],
)  # fmt: skip
def test_leading_stages(network, count, depth, expected):
    network = network()
    freeze_backbone(network, count)
    assert tops(frozen(network), depth) == expected


def test_names_and_everything():
    network = backbone('test_vit')
    freeze_backbone(network, ['cls_token', 'blocks.1', 'timm_model.patch_embed'])
    assert tops(frozen(network), 2) == {'cls_token', 'blocks.1', 'patch_embed.proj'}
    freeze_backbone(network, 'backbone')
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert freeze_backbone(backbone(), None) == []


@pytest.mark.parametrize(
    ('freeze', 'message'),
    [
        (['layer9'], "no 'layer9'; there are: conv1, bn1, act1, maxpool, layer1, layer2, layer3, layer4"),
        (['layer'], "no 'layer'; there are"),
        ([''], "no ''; there are"),
        (0, 'freeze must be between 1 and 4, the stages of the backbone, got 0'),
        (5, 'between 1 and 4, the stages of the backbone, got 5'),
        ('layer1', "a number of stages, 'backbone' or a list of names, got 'layer1'"),
        (1.5, 'or a list of names, got 1.5'),
        (True, 'or a list of names, got True'),
    ],
)
def test_bad_values(freeze, message):
    with pytest.raises(InputError, match=message):
        freeze_backbone(backbone(), freeze)


def test_unknown_stages():
    with pytest.raises(InputError, match='stages of this backbone are not known; give names of first, second'):
        freeze_backbone(torch.nn.ModuleDict({'first': torch.nn.Linear(1, 1), 'second': torch.nn.Linear(1, 1)}), 1)


def regressor(**changes):
    torch.manual_seed(0)
    return MODELS.build(
        {
            'type': 'IQARegressor',
            'backbone': {'type': 'TIMMBackbone', 'model_name': 'test_resnet'},
            'head': {'hidden': 8},
            'input_size': 32,
            **changes,
        }
    )


def two_steps(model, optim_wrapper):
    model.train()
    generator = torch.Generator().manual_seed(0)
    samples = [DataSample().set_gt_score(torch.tensor([0.2 * i])) for i in range(4)]
    for _ in range(2):
        inputs = (255 * torch.rand(4, 3, 32, 32, generator=generator)).byte()
        model.train_step({'inputs': list(inputs), 'data_samples': samples}, optim_wrapper)


def changed(before, after):
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize('freeze', [2, ['conv1', 'bn1', 'layer1', 'layer2'], 'backbone'])
def test_frozen_parts_stay_bit_for_bit(freeze):
    """Weight decay and statistics included."""
    model = regressor(freeze=freeze)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    two_steps(
        model,
        build_optim_wrapper(
            model,
            {
                'type': 'OptimWrapper',
                'optimizer': {'type': 'AdamW', 'lr': 1e-2, 'weight_decay': 0.1},
                'paramwise_cfg': {'custom_keys': {'backbone': {'lr_mult': 0.5}}},
            },
        ),
    )
    found = changed(before, model.state_dict())
    expected = {name for name in before if name.startswith('head')}
    if freeze != 'backbone':
        expected |= {name for name in before if '.layer3.' in name or '.layer4.' in name}
    assert found == expected


def test_frozen_parts_stay_in_eval_mode():
    model = regressor(freeze=1).train()
    network = model.backbone.timm_model
    assert not network.bn1.training
    assert not any(module.training for module in network.layer1.modules())
    assert network.layer2[0].bn1.training
    assert model.train(False).train().backbone.timm_model.bn1.training is False


def test_backbone_learning_rate_factor():
    """The factor of the configs: with SGD, a step is proportional to the learning rate."""
    moves = []
    for factor in (1.0, 0.25):
        model = regressor(norm_eval=True)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        wrapper = build_optim_wrapper(
            model,
            {
                'type': 'OptimWrapper',
                'optimizer': {'type': 'SGD', 'lr': 1e-3},
                'paramwise_cfg': {'custom_keys': {'backbone': {'lr_mult': factor}}},
            },
        )
        inputs = (255 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).byte()
        samples = [DataSample().set_gt_score(torch.tensor([x])) for x in (0.1, 0.9)]
        model.train_step({'inputs': list(inputs), 'data_samples': samples}, wrapper)
        after = model.state_dict()
        moves.append({name: after[name] - before[name] for name in ('backbone.timm_model.layer4.0.downsample.1.weight',
                                                                     'head.layers.3.weight')})  # fmt: skip
    first, second = moves
    torch.testing.assert_close(second['head.layers.3.weight'], first['head.layers.3.weight'])
    name = 'backbone.timm_model.layer4.0.downsample.1.weight'
    assert first[name].abs().max() > 0
    torch.testing.assert_close(second[name], 0.25 * first[name], rtol=0.02, atol=1e-7)


def test_stages_of_a_side_network_are_those_of_its_trunk():
    network = timm.create_model('tf_efficientnet_lite0_side', features_only=True)
    frozen = freeze_backbone(network, 3)
    assert frozen == [network.conv_stem, network.bn1, *network.blocks[:3]]
    trained = {name.split('.')[0] for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {'blocks', 'side'}
    freeze_backbone(network, ['conv_stem', 'bn1', 'blocks'])
    assert {name.split('.')[0] for name, p in network.named_parameters() if p.requires_grad} == {'side'}
    freeze_backbone(network, 'backbone')
    assert not any(p.requires_grad for p in network.parameters())
