"""Files of weights that describe networks larger than themselves."""

import threading

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmqpt.core import building
from mmqpt.core.building import TooLarge, build_within
from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.load_backbone import load_backbone

PLAIN = {
    'kind': 'metric', 'backbone': 'test_resnet', 'input_mean': (0, 0, 0), 'input_std': (1, 1, 1),
    'view': {'min_side': 64, 'max_side': 128}, 'head': {'channels': 64},
}  # fmt: skip
VIT = 'vit_small_patch16_224'


@pytest.mark.parametrize(
    'change',
    [
        {'backbone': 'vit_giant_patch14_dinov2'},
        {'backbone': VIT, 'backbone_args': {'img_size': 16_000}},
        {'backbone': VIT, 'backbone_args': {'depth': 3000}},
        {'backbone': VIT, 'backbone_args': {'embed_dim': 60_000}},
        {'backbone': 'resnet18', 'backbone_args': {'layers': [300, 300, 300, 300]}},
        {'head': {'channels': 60_000, 'hidden': 60_000}},
        {'head': {'type': 'DistributionHead', 'channels': 60_000, 'bins': 60_000, 'hidden': 0}},
    ],
)
def test_a_network_larger_than_its_file_is_refused(change, tmp_path):
    path = tmp_path / 'bomb.safetensors'
    write_weights(path, {'backbone.x': torch.zeros(2)}, WeightsSpec(**{**PLAIN, **change}))
    with pytest.raises(InputError, match=r'bomb\.safetensors: describes a network that is larger than the file'):
        MMQPT(path)
    if 'head' not in change:
        with pytest.raises(InputError, match=r'bomb\.safetensors: describes a network that is larger than the file'):
            MMQPT(backbone_path=path)
        with pytest.raises(InputError, match=r'bomb\.safetensors: describes a network that is larger than the file'):
            load_backbone(nn.Linear(2, 2), path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'backbone': VIT, 'backbone_args': {'depth': 10**9}}, 'at most 65536, got 1000000000'),
        ({'head': {'channels': 10**30}}, 'at most 65536, got 1000000000000000000000000000000'),
        ({'view': {'min_side': 100_000, 'max_side': None}}, 'min_side of view must be at most 4096 px'),
        ({'view': {'min_side': 64, 'crop': 64, 'places': 10**9}}, 'places at most 1000, got 64 and 1000000000'),
    ],
)
def test_numbers_out_of_all_proportion(change, message, tmp_path):
    path = tmp_path / 'b.safetensors'

    def make_and_load():
        write_weights(path, {'a': torch.zeros(2)}, WeightsSpec(**{**PLAIN, **change}))
        MMQPT(path)

    with pytest.raises(InputError, match=message):
        make_and_load()


def linear(width):
    return lambda: nn.Sequential(nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False))


def test_room_is_that_of_the_file_and_a_spare(monkeypatch):
    monkeypatch.setattr(building, 'SPARE', 10)
    tensors = {'a': torch.zeros(22)}
    assert sum(value.numel() for value in build_within(tensors, linear(4)).parameters()) == 32
    with pytest.raises(TooLarge, match='more than 32 values or 10001 tensors'):
        build_within(tensors, linear(5))
    monkeypatch.setattr(building, 'SPARE_TENSORS', 0)
    with pytest.raises(TooLarge, match='more than 32 values or 1 tensors'):
        build_within(tensors, linear(1))


def test_tables_count_too(monkeypatch):
    monkeypatch.setattr(building, 'SPARE', 10)

    def build():
        network = nn.Linear(1, 1)
        network.register_buffer('table', torch.zeros(11), persistent=False)
        return network

    with pytest.raises(TooLarge, match='its tables hold 11 values'):
        build_within({}, build)


def test_a_network_that_needs_memory_to_be_built(monkeypatch):
    """Then parameters are counted while it is built for real."""
    monkeypatch.setattr(building, 'SPARE', 10)

    def build(width=2):
        if torch.zeros(1).item():
            raise AssertionError
        return linear(width)()

    assert not next(build_within({}, build).parameters()).is_meta
    with pytest.raises(TooLarge, match='more than 10 values'):
        build_within({}, lambda: build(3))


def test_errors_of_the_builder_are_its_own():
    with pytest.raises(InputError, match='timm has no model'):
        build_within({}, lambda: create_timm_backbone('nope', {}))


def test_the_same_random_numbers_as_without_it():
    torch.manual_seed(0)
    wanted = create_timm_backbone('test_vit', {}).state_dict()
    torch.manual_seed(0)
    found = build_within({}, lambda: create_timm_backbone('test_vit', {})).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_other_threads_build_what_they_like(monkeypatch):
    monkeypatch.setattr(building, 'SPARE', 10)
    built = []

    def build():
        thread = threading.Thread(target=lambda: built.append(nn.Linear(100, 100)))
        thread.start()
        thread.join()
        return nn.Linear(2, 2)

    build_within({}, build)
    assert len(built) == 2
    nn.Linear(100, 100)  # nothing is left behind


def test_a_plain_file_is_not_built_at_all(tmp_path):
    save_file({'a': torch.zeros(2)}, tmp_path / 'plain.safetensors')
    with pytest.raises(InputError, match='no place for these weights'):
        load_backbone(nn.Linear(2, 2), tmp_path / 'plain.safetensors')
