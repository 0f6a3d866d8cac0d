"""Names of parameters in wrappers, in timm's features_only and in whole networks."""

import pytest
import timm
import torch

from mmqpt.core.network_names import (
    flat_name,
    inner_name,
    is_classifier,
    is_stage,
    may_be_classifier,
    part_of,
    plain_name,
    stage_number,
    whole_name,
)

CUT = {
    'stem_0.weight': 'stem.0.weight',
    'stages_2.blocks.0.norm.bias': 'stages.2.blocks.0.norm.bias',
    'blocks_10.attn.qkv.weight': 'blocks.10.attn.qkv.weight',
    'layers_3.downsample.norm.weight': 'layers.3.downsample.norm.weight',
    'features_28.bias': 'features.28.bias',
}
"""Name in features_only -> name in the whole network."""

SAME = ('conv1.weight', 'layer1.0.bn1.bias', 'layer_1.weight', 'blocks.stages_0.weight', 'stages_0', 'norm_1.weight')


@pytest.mark.parametrize(('cut', 'whole'), CUT.items())
def test_names_of_features_only(cut, whole):
    assert whole_name(cut) == whole_name(whole) == whole
    assert flat_name(whole) == flat_name(cut) == cut


@pytest.mark.parametrize('name', SAME)
def test_other_names_stay(name):
    assert whole_name(name) == name
    assert flat_name(name) == name


@pytest.mark.parametrize('prefix', ['', 'module.', 'timm_model.', 'module.timm_model.'])
@pytest.mark.parametrize('name', [*CUT, *SAME])
def test_names_in_wrappers(prefix, name):
    """The strict loader removes them; a search for a place takes them for part of the prefix."""
    assert plain_name(prefix + name) == name
    assert inner_name(f'{prefix}model.{name}') == inner_name(prefix + name) == name
    assert plain_name(f'{prefix}model.{name}') == f'model.{name}'
    if prefix:
        assert whole_name(prefix + name) == prefix + name


@pytest.mark.parametrize('name', ['test_resnet', 'test_convnext', 'test_efficientnet', 'test_vit', 'vgg11'])
def test_every_name_of_features_only_is_one_of_the_whole_network(name):
    with torch.device('meta'):
        whole = timm.create_model(name).state_dict()
        cut = timm.create_model(name, features_only=True).state_dict()
    assert {whole_name(inner_name(key)) for key in cut} <= set(whole)


@pytest.mark.parametrize(
    ('name', 'part', 'number'),
    [
        ('layer2.0.conv1.weight', 'layer2', 2),
        ('stages.0.blocks.1.weight', 'stages.0', 0),
        ('features.28.bias', 'features.28', 28),
        ('blocks.x.weight', 'blocks', None),
        ('layer.weight', 'layer', None),
        ('conv_head.weight', 'conv_head', None),
        ('my.layer1.weight', 'my', None),
        ('cls_token', 'cls_token', None),
    ],
)
def test_parts(name, part, number):
    assert part_of(name) == part
    assert stage_number(name) == number


def test_stages_at_the_top():
    assert all(map(is_stage, ('layer1', 'stages_0', 'blocks_12', 'layers_3')))
    assert not any(map(is_stage, ('layer', 'layers', 'features_0', 'stem_0', 'layer1_0', 'conv1')))


def test_classifiers():
    for name in ('fc.weight', 'classifier.1.bias', 'head.fc.weight', 'head.weight', 'head.bias'):
        assert is_classifier(name)
        assert may_be_classifier(name)
    assert may_be_classifier('head.norm.weight')  # not by its name alone: timm's ConvNeXt has it without a classifier
    for name in ('head.norm.weight', 'fc_norm.weight', 'layer1.fc.weight'):
        assert not is_classifier(name)
