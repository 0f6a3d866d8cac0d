"""The side network: a trunk that stays what it is, and a branch beside it."""

import pytest
import timm
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.side_network import SIDE, SideNetwork, side_parts
from mmqpt.core.timm_backbone import create_timm_backbone

NAME = 'tf_efficientnet_lite0_side'


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return create_timm_backbone(NAME, {'features_only': True}).eval()


def test_the_trunk_gives_what_it_gives_alone(network):
    plain = timm.create_model('tf_efficientnet_lite0', features_only=True).eval()
    trunk = {name: value for name, value in network.state_dict().items() if not name.startswith(SIDE)}
    plain.load_state_dict(trunk)  # the names are those of timm
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps, wanted = network(images), plain(images)
    assert [len(maps), len(wanted)] == [7, 5]
    for place, alone in zip((0, 1, 3, 5, 6), wanted, strict=True):
        torch.testing.assert_close(maps[place], alone)


@pytest.mark.parametrize('size', [(64, 64), (101, 130)])
def test_feature_info_says_what_the_maps_are(network, size):
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, *size))
    assert network.feature_info.channels() == [m.shape[1] for m in maps] == [16, 24, 48, 40, 96, 112, 320]
    strides = network.feature_info.reduction()
    assert strides == [2, 4, 4, 8, 8, 16, 32]
    for found, stride in zip(maps, strides, strict=True):
        assert found.shape[2:] == tuple(-(-side // stride) for side in size)


def test_the_branch_costs_less_than_a_seventh(network):
    counted = {'trunk': 0, 'side': 0}

    def count(layer, inputs, output):
        kind = 'side' if layer in inside else 'trunk'
        counted[kind] += output[0].numel() * layer.weight[0].numel()

    inside = {m for m in network.side.modules() if isinstance(m, torch.nn.Conv2d)}
    handles = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    for handle in handles:
        handle.remove()
    assert counted['trunk'] > 3e8
    assert counted['side'] < counted['trunk'] / 7
    assert sum(p.numel() for p in network.side.parameters()) < 50_000


def test_several_branches_are_each_by_itself():
    torch.manual_seed(0)
    both = create_timm_backbone(NAME, {'features_only': True, 'branches': 2}).eval()
    assert both.feature_info.channels() == [16, 24, 96, 40, 192, 112, 320]
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = both(images)
        for number in range(2):
            alone = create_timm_backbone(NAME, {'features_only': True}).eval()
            alone.load_state_dict(
                {
                    name.replace(f'{SIDE}{number}.', SIDE): value
                    for name, value in both.state_dict().items()
                    if not name.startswith(f'{SIDE}{1 - number}.')
                }
            )
            for place, width in ((2, 48), (4, 96)):
                mine = maps[place][:, number * width : (number + 1) * width]
                torch.testing.assert_close(mine, alone(images)[place])
    whole = timm.create_model(NAME, num_classes=3, branches=2).eval()
    assert whole(torch.zeros(2, 3, 101, 64)).shape == (2, 3)
    assert whole.num_features == 320 + 2 * (48 + 96)


@pytest.mark.parametrize('bad', [0, 17, 1.0, True, '2'])
def test_branches_are_checked(bad):
    with pytest.raises(InputError, match='branches must be an integer from 1 to 16'):
        SideNetwork(branches=bad)


def test_some_maps(network):
    some = create_timm_backbone(NAME, {'features_only': True, 'out_indices': [2, -1]}).eval()
    some.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        everything = network(images)
        for found, wanted in zip(some(images), (everything[2], everything[6]), strict=True):
            assert torch.equal(found, wanted)


def test_the_whole_network_is_one_of_timm(network):
    whole = timm.create_model(NAME, num_classes=3).eval()
    assert whole(torch.zeros(2, 3, 101, 64)).shape == (2, 3)
    assert whole.get_classifier().weight.shape == (3, whole.num_features)
    whole.reset_classifier(0, '')
    assert set(whole.state_dict()) == set(network.state_dict())
    assert whole(torch.zeros(2, 3, 101, 64)).shape == (2, whole.num_features, 4, 2)
    assert create_timm_backbone(NAME, {})(torch.zeros(2, 3, 64, 64)).shape == (2, 464, 2, 2)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'global_pool': 'max'}, "global_pool must be 'avg' or ''"),
        ({'features_only': True, 'out_indices': []}, r'out_indices must name maps 0 to 6, at least one, got \[\]'),
        ({'features_only': True, 'out_indices': [0, 7]}, r'maps 0 to 6, at least one, got \[0, 7\]'),
        ({'features_only': True, 'out_indices': 2}, 'maps 0 to 6, at least one, got 2'),
        ({'model_name': 'resnet18'}, "model_name must be of an EfficientNet of timm, got 'resnet18'"),
        ({'widths': (8,)}, 'widths must be two'),
        ({'widths': (8, 0)}, 'widths must be two'),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(InputError, match=message):
        SideNetwork(**options)
    with pytest.raises(InputError, match='no weights of'):
        timm.create_model(NAME, pretrained=True)


def test_only_such_networks_have_a_branch(network):
    assert side_parts(network) is network
    assert isinstance(network, SideNetwork)
    with pytest.raises(InputError, match='needs a backbone with a side branch'):
        side_parts(torch.nn.Identity())
