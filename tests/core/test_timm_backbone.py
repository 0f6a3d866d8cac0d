"""A file of weights names a network of timm, and can't make timm load anything."""

import pytest
import timm
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import create_timm_backbone, timm_name, without_stages


def builds(name: str, **args: object) -> bool:
    try:
        timm.create_model(name, **args)
    except Exception:
        return False
    return True


timm_takes_no_size = pytest.mark.skipif(builds('test_vit', img_size=0), reason='this timm takes photos without pixels')


def test_features_are_not_pooled():
    backbone = create_timm_backbone('test_resnet', {}).eval()
    assert backbone(torch.zeros(1, 3, 64, 64)).dim() == 4
    stages = create_timm_backbone('test_resnet', {'features_only': True, 'out_indices': [1, 2]}).eval()
    assert len(stages(torch.zeros(1, 3, 64, 64))) == 2


@pytest.mark.parametrize('name', ['no_such_net', 'hf-hub:someone/something', 'local-dir:/tmp/x', ''])
def test_other_sources_are_refused(name):
    with pytest.raises(InputError, match='timm has no model'):
        create_timm_backbone(name, {})


@pytest.mark.parametrize('name', ['checkpoint_path', 'pretrained', 'pretrained_cfg', 'cache_dir'])
def test_nothing_is_loaded(name, tmp_path):
    with pytest.raises(InputError, match=f'must not load weights, got {name}'):
        create_timm_backbone('test_resnet', {name: str(tmp_path / 'x.pth')})


def test_argument_that_the_network_does_not_take():
    with pytest.raises(InputError, match=r'test_resnet: .*colour'):
        create_timm_backbone('test_resnet', {'colour': 1})


@pytest.mark.parametrize(
    ('name', 'args', 'message'),
    [
        ('test_resnet', {'output_stride': 7}, r'output_stride=7 \(AssertionError\)$'),
        ('test_resnet', {'act_layer': 'nope'}, r"act_layer='nope' \(KeyError: 'nope'\)$"),
        ('test_resnet', {'features_only': True, 'out_indices': [9]}, r'out_indices=\[9\] \(IndexError: .*\)$'),
        ('test_resnet', {'in_chans': -1}, r'in_chans=-1 \(RuntimeError: .*\)$'),
        pytest.param('test_vit', {'img_size': 0}, r'img_size=0 \(ValueError: .*\)$', marks=timm_takes_no_size),
        ('test_vit', {'patch_size': 0}, r'patch_size=0 \(ZeroDivisionError: .*\)$'),
        ('test_vit', {'img_size': 'x'}, r"img_size='x' \(TypeError: .*\)$"),
    ],
)
def test_bad_value_of_an_argument(name, args, message):
    with pytest.raises(InputError, match=f"^{name}: timm can't build it with .*{message}"):
        create_timm_backbone(name, args)


@pytest.mark.parametrize(
    ('backbone', 'given', 'expected'),
    [
        ({'type': 'TIMMBackbone', 'model_name': 'vit', 'pretrained': True, 'img_size': 32}, None,
         ('vit', {'img_size': 32})),
        ({'type': 'TIMMBackbone', 'model_name': 'a', 'features_only': False, 'init_cfg': {}}, None, ('a', {})),
        ({'type': 'TIMMBackbone', 'model_name': 'a', 'features_only': True}, 'b', ('b', {'features_only': True})),
        ({'type': 'ResNet', 'depth': 50, 'norm_eval': True}, None, ('resnet50', {})),
        ({'type': 'ResNet', 'depth': 18, 'out_indices': (0, 3)}, None,
         ('resnet18', {'features_only': True, 'out_indices': [1, 4]})),
        ({'type': 'ResNet', 'depth': 50, 'groups': 2}, 'mine', ('mine', {})),
        ({'type': 'ResNeXt', 'depth': 50}, None, ('resnext50_32x4d', {})),
        ({'type': 'ResNeXt', 'depth': 101, 'width_per_group': 8}, None, ('resnext101_32x8d', {})),
        ({'type': 'ResNetV1d', 'depth': 34, 'frozen_stages': 1}, None, ('resnet34d', {})),
        ({'type': 'MobileNetV2'}, None, ('mobilenetv2_100', {})),
        ({'type': 'MobileNetV3', 'arch': 'large'}, None,
         ('mobilenetv3_large_100', {'features_only': True, 'out_indices': [4], 'bn_eps': 1e-3})),
        ({'type': 'EfficientNetV2', 'arch': 's'}, None, ('tf_efficientnetv2_s', {})),
        ({'type': 'RegNet', 'arch': 'regnetx_1.6gf'}, None, ('regnetx_016', {})),
        ({'type': 'ConvNeXt', 'arch': 'small'}, None, ('convnext_small', {'global_pool': 'avg'})),
    ],
)  # fmt: skip
def test_what_timm_calls_a_backbone(backbone, given, expected):
    before = dict(backbone)
    assert timm_name(backbone, given) == expected
    assert backbone == before


@pytest.mark.parametrize(
    'backbone',
    [
        {'type': 'ShuffleNetV2'},
        {'type': 'ResNet', 'depth': 50, 'groups': 2},
        {'type': 'MobileNetV2', 'act_cfg': {'type': 'ReLU'}},
        {'type': 'ConvNeXt', 'arch': 'tiny', 'out_indices': [0, 3]},
    ],
)
def test_unknown_names_are_asked_for(backbone):
    with pytest.raises(InputError, match=r'what timm calls this backbone is not known: .*; give its name'):
        timm_name(backbone)


def test_without_stages():
    args = {'features_only': True, 'out_indices': [1], 'feature_cls': 'list', 'img_size': 32}
    assert without_stages(args) == {'img_size': 32}
