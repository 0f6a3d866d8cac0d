"""The part of a backbone that is trained: all of it, or a branch beside a frozen trunk."""

from copy import deepcopy

import pytest
import torch
from mmpretrain.registry import MODELS

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.core.head import pool_features
from mmqpt.models.trained_part import TrainedPart

SIDE = {'type': 'TIMMBackbone', 'model_name': 'tf_efficientnet_lite0_side', 'features_only': True}


@pytest.fixture(scope='module')
def beside():
    """A backbone with a branch, whose statistics are not those of a new network."""
    torch.manual_seed(0)
    backbone = MODELS.build(SIDE)
    for layer in backbone.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
    backbone.eval()
    return backbone


def images(count):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_whole_backbone(beside):
    part = TrainedPart(None, 'moments')
    shown = images(2)
    assert part.of(beside) is beside
    assert part.beside(beside) == []
    assert part.inputs(beside, shown) is shown
    with torch.no_grad():
        assert torch.equal(part.features(beside, shown), pool_features(beside(shown), beside, 'moments'))


@pytest.mark.parametrize('pooling', ['stages', 'moments'])
def test_all_maps_give_the_features_of_the_whole_backbone(beside, pooling):
    part = TrainedPart('all', pooling)
    with torch.no_grad():
        found = part.features(part.of(beside), part.inputs(beside, images(2)))
        torch.testing.assert_close(found, pool_features(beside(images(2)), beside, pooling))


def test_the_maps_of_the_branch_are_among_them(beside):
    every, own = TrainedPart('all', 'stages'), TrainedPart('side', 'stages')
    with torch.no_grad():
        joined = every.features(every.of(beside), every.inputs(beside, images(2)))
        alone = own.features(own.of(beside), own.inputs(beside, images(2)))
    channels = [info['num_chs'] for info in beside.timm_model.feature_info.get_dicts()]
    stages = joined.split(channels, dim=1)
    torch.testing.assert_close(alone, torch.cat([stages[2], stages[4]], dim=1))


def test_the_trunk_is_computed_without_gradient_and_in_parts_on_a_cpu(beside):
    seen = []
    hook = beside.timm_model.conv_stem.register_forward_hook(lambda module, given, result: seen.append(len(result)))
    shown = images(30).requires_grad_()
    maps = TrainedPart('side', 'last').inputs(beside, shown)
    hook.remove()
    assert seen == [24, 6]
    assert not any(stage.requires_grad for stage in maps)
    with torch.no_grad():
        for found, wanted in zip(maps, beside.timm_model.trunk_maps(shown, whole=False), strict=True):
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize(('seen', 'wanted'), [(None, 656), ('side', 144), ('all', 656)])
def test_channels_are_found_without_a_trace(beside, training, seen, wanted):
    beside.train(training)
    before = {name: value.clone() for name, value in beside.state_dict().items()}
    assert TrainedPart(seen, 'stages').channels(beside, 32) == wanted
    assert TrainedPart(seen, 'moments').channels(beside, 32) == 2 * wanted
    assert beside.training == training
    assert all(torch.equal(value, before[name]) for name, value in beside.state_dict().items())
    beside.eval()


def test_what_is_not_trained_is_the_rest(beside):
    part = TrainedPart('side', 'last')
    rest = [parameter for module in part.beside(beside) for parameter in module.parameters()]
    own = list(part.of(beside).parameters())
    assert {id(parameter) for parameter in [*rest, *own]} == {id(parameter) for parameter in beside.parameters()}
    assert len(rest) + len(own) == len(list(beside.parameters()))


def compiled(module):
    return module._compiled_call_impl is not None


def test_all_that_a_step_calls_is_compiled(beside):
    for seen in (None, 'side', 'all'):
        backbone = deepcopy(beside)
        part = TrainedPart(seen, 'stages')
        names = list(backbone.state_dict())
        part.compile(backbone)
        assert compiled(part.of(backbone))
        assert list(backbone.state_dict()) == names
        if seen:
            called = []
            for module in backbone.timm_model.trunk_steps():
                assert compiled(module)
                module.register_forward_hook(lambda module, *_, called=called: called.append(module))
                module._compiled_call_impl = None
            part.inputs(backbone, images(2))
            assert called == backbone.timm_model.trunk_steps()[: len(called)]
            assert len(called) == (5 if seen == 'side' else 9)


@pytest.mark.slow  # a minute of compiling
def test_compiled_maps_are_those_of_the_trunk(beside):
    part, backbone = TrainedPart('side', 'moments'), deepcopy(beside)
    part.compile(backbone)
    for found, wanted in zip(part.inputs(backbone, images(2)), part.inputs(beside, images(2)), strict=True):
        torch.testing.assert_close(found, wanted)
    with torch.no_grad():
        own = [part.features(part.of(network), part.inputs(beside, images(2))) for network in (backbone, beside)]
    torch.testing.assert_close(*own)


def test_mistakes():
    with pytest.raises(InputError, match="side_tuning must be None, 'side' or 'all', got 'trunk'"):
        TrainedPart('trunk', 'last')
    with pytest.raises(InputError, match="side_tuning='all' needs pooling 'stages' or 'moments'"):
        TrainedPart('all', 'last')
    with pytest.raises(InputError, match='needs a backbone with a side branch'):
        TrainedPart('side', 'last').of(torch.nn.Conv2d(3, 3, 1))
