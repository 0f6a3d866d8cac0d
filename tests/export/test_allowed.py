"""What a checkpoint may say of its backbone."""

import re

import pytest

from mmqpt.core.errors import InputError
from mmqpt.export.allowed import LAYERS, checked_backbone

LOADING = (
    'init_cfg',
    'pretrained_cfg',
    'checkpoint',
    'checkpoint_path',
    'cache_dir',
    'trust_remote_code',
    'model_name',
)


@pytest.mark.parametrize(
    'backbone',
    [
        {'type': 'ResNet', 'depth': 18},
        {'type': 'ResNet', 'depth': 50, 'norm_cfg': {'type': 'SyncBN', 'requires_grad': True}, 'norm_eval': False},
        {'type': 'ConvNeXt', 'arch': 'tiny', 'norm_cfg': {'type': 'LN2d', 'eps': 1e-6}, 'out_indices': (0, 3)},
        {'type': 'SwinTransformer', 'arch': {'embed_dims': 32, 'depths': [1], 'num_heads': [2]}, 'stage_cfgs': [{}]},
        {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'features_only': True, 'out_indices': [1, 2]},
        {'type': 'TIMMBackbone', 'model_name': 'test_vit', 'img_size': 32, 'dynamic_img_size': True},
    ],
)
def test_backbones_with_their_own_arguments(backbone):
    found = checked_backbone(backbone)
    assert set(found) - set(backbone) <= {'pretrained', 'checkpoint_path'}
    for key, value in backbone.items():
        assert found[key] == (list(value) if isinstance(value, tuple) else value)


def test_weights_that_training_starts_from_are_left_out():
    start = {'init_cfg': {'type': 'Pretrained', 'checkpoint': 'https://example.org/x.pth'}, '_scope_': 'mmpretrain'}
    assert checked_backbone({'type': 'mmpretrain.ResNet', 'depth': 18, **start}) == {'type': 'ResNet', 'depth': 18}
    timm = {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'pretrained': True, 'checkpoint_path': 'x.pth'}
    found = checked_backbone(timm)
    assert found['pretrained'] is False
    assert found['checkpoint_path'] == ''


@pytest.mark.parametrize(
    'kind',
    [
        *('HuggingFaceClassifier', 'ImageClassifier', 'TimmClassifier', 'BLIP2', 'Llava', 'MoCo', 'subprocess.Popen'),
        *('mmpretrain.HuggingFaceClassifier', 'torch.nn.Linear', 'BN', '', 'Pretrained'),
    ],
)
def test_other_models_are_no_backbones(kind):
    with pytest.raises(InputError, match='is no backbone of mmpretrain'):
        checked_backbone({'type': kind, 'model_name': 'x', 'trust_remote_code': True, 'backbone': {'type': 'ResNet'}})


@pytest.mark.parametrize('key', LOADING)
@pytest.mark.parametrize('depth', [0, 1, 3])
def test_arguments_that_load_at_any_depth(key, depth):
    value = {key: 'x'}
    for _ in range(depth):
        value = {'norm_cfg': [value]}
    backbone = {'type': 'ResNet', 'depth': 18, **value}
    if depth == 0 and key in ('init_cfg', 'checkpoint_path'):  # what training starts from, which export leaves alone
        assert checked_backbone(backbone) == {'type': 'ResNet', 'depth': 18}
        return
    with pytest.raises(InputError, match=f"has the argument '{key}'.* which is not known"):
        checked_backbone(backbone)


@pytest.mark.parametrize('place', ['norm_cfg', 'conv_cfg', 'stem_channels'])
@pytest.mark.parametrize('kind', ['TIMMBackbone', 'HuggingFaceClassifier', 'os.system', ['BN'], 7, 'Pretrained'])
def test_only_known_layers_inside(place, kind):
    with pytest.raises(InputError, match=re.escape(f'has the type {kind!r}, which is no known layer')):
        checked_backbone({'type': 'ResNet', 'depth': 18, place: {'type': kind}})


@pytest.mark.parametrize(
    ('backbone', 'message'),
    [
        ('ResNet', 'must be a dict with a type'),
        (None, 'must be a dict with a type'),
        ({'type': ['ResNet']}, 'must be a dict with a type'),
        ({'type': 'ResNet', 'depth': 18, 'nope': 1}, "the argument 'nope', which is not known"),
        ({'type': 'ResNet', 'depth': 18, 'norm_cfg': {'_scope_': 'mmdet', 'type': 'BN'}}, "'_scope_' inside others"),
        ({'type': 'ResNet', 'depth': 18, 'style': object()}, 'style must be a number or another plain value'),
        ({'type': 'ResNet', 'depth': 10**7}, 'depth of a network must be at most 65536'),
        ({'type': 'TIMMBackbone'}, 'timm has no model None'),
        ({'type': 'TIMMBackbone', 'model_name': 'hf-hub:a/b'}, "timm has no model 'hf-hub:a/b'"),
        ({'type': 'TIMMBackbone', 'model_name': 'local-dir:/x'}, "timm has no model 'local-dir:/x'"),
        ({'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'norm_layer': 'os.system'}, 'is no known layer'),
        ({'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'pretrained_cfg': {'file': 'x'}}, "'pretrained_cfg'"),
        ({'type': 'TIMMBackbone', 'model_name': 'test_vit', 'img_size': 9999}, 'img_size of a network must be at most'),
    ],
)
def test_anything_else_is_refused(backbone, message):
    with pytest.raises(InputError, match=message):
        checked_backbone(backbone)


def test_all_known_layers_are_layers():
    import mmpretrain.models  # noqa: F401
    from mmpretrain.registry import MODELS
    from torch import nn

    for name in LAYERS:
        found = MODELS.get(name)
        assert found is None or (isinstance(found, type) and issubclass(found, nn.Module)) or name in ('Clip',), name
