"""Files of weights that describe networks larger than themselves."""

import threading

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mmqpt.core import building, weights_spec
from mmqpt.core.building import TooLarge, build_stored_backbone, build_within
from mmqpt.core.errors import InputError
from mmqpt.core.head import build_head
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.load_backbone import load_backbone
from mmqpt.models.backbone import load_pretrained

PLAIN = {
    'kind': 'metric', 'backbone': 'test_resnet', 'input_mean': (0, 0, 0), 'input_std': (1, 1, 1),
    'view': {'min_side': 64, 'max_side': 128}, 'head': {'channels': 64},
}  # fmt: skip
VIT = 'vit_small_patch16_224'


@pytest.mark.parametrize(
    'change',
    [
        {'backbone': 'vit_giant_patch14_dinov2'},
        {'backbone': VIT, 'backbone_args': {'img_size': 1_000}},
        {'backbone': 'maxvit_xlarge_tf_512'},
        {'backbone': 'test_byobnet'},
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
    if 'head' not in change and change['backbone'] != 'test_byobnet':  # small ones are no matter without a head
        with pytest.raises(InputError, match=r'bomb\.safetensors: describes a network that is larger than the file'):
            MMQPT(backbone_path=path)
        with pytest.raises(
            InputError, match=r'bomb\.safetensors( \(.*\))?: (describes a network that is larger|no place)'
        ):
            load_backbone(nn.Linear(2, 2), path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'backbone': VIT, 'backbone_args': {'depth': 10**9}}, 'at most 65536, got 1000000000'),
        (
            {'backbone': VIT, 'backbone_args': {'img_size': 12_000}},
            'img_size of a network must be at most 1024, got 12000',
        ),
        ({'backbone': VIT, 'backbone_args': {'img_size': [224, 4_000]}}, 'img_size of a network must be at most 1024'),
        ({'backbone_args': {'layers': [[[[[[[[[1]]]]]]]]]}}, 'nested too deeply'),
        ({'backbone_args': {'layers': [1] * 20_000}}, 'too many'),
        ({'backbone_args': {'act_layer': 'x' * 300}}, 'act_layer must be a number or another plain value'),
        ({'backbone_args': {'drop_rate': float('inf')}}, 'drop_rate must be a number or another plain value'),
        ({'backbone_args': {'pretrained_cfg': {'url': 'http://x'}}}, 'have no argument pretrained_cfg'),
        ({'backbone_args': {'checkpoint_path': 'x.pth'}}, 'have no argument checkpoint_path'),
        ({'backbone_args': {'cache_dir': 'x', 'nope': 1}}, 'have no argument cache_dir, nope'),
        ({'head': {'channels': 10**30}}, 'at most 65536, got 1000000000000000000000000000000'),
        ({'view': {'min_side': 100_000, 'max_side': None}}, 'min_side of view must be at most 2048 px'),
        ({'view': {'min_side': 2000, 'max_side': None, 'crop': 1}}, '4000000 crops of 1 px for each photo'),
        (
            {'view': {'min_side': 2000, 'max_side': None, 'crop': 2000, 'places': 900, 'flip': True}},
            '1800 crops of 2000 px for each photo',
        ),
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
    monkeypatch.setattr(building, 'MAX_MISSING', 10)
    monkeypatch.setattr(building, 'MAX_TABLES', 10)
    tensors = {'a': torch.zeros(22)}
    assert sum(value.numel() for value in build_within(tensors, linear(4)).parameters()) == 32
    with pytest.raises(TooLarge, match='more than 32 values or 10001 tensors'):
        build_within(tensors, linear(5))
    monkeypatch.setattr(building, 'MAX_MISSING_TENSORS', 0)
    with pytest.raises(TooLarge, match='more than 32 values or 1 tensors'):
        build_within(tensors, linear(1))


def test_tables_count_too(monkeypatch):
    monkeypatch.setattr(building, 'MAX_MISSING', 10)
    monkeypatch.setattr(building, 'MAX_TABLES', 10)

    def build():
        network = nn.Linear(1, 1)
        network.register_buffer('table', torch.zeros(11), persistent=False)
        return network

    with pytest.raises(TooLarge, match='its tables hold 11 values'):
        build_within({}, build)


def test_a_network_that_needs_memory_to_be_built(monkeypatch):
    """Then parameters are counted while it is built for real."""
    monkeypatch.setattr(building, 'MAX_MISSING', 10)
    monkeypatch.setattr(building, 'MAX_TABLES', 10)

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
    monkeypatch.setattr(building, 'MAX_MISSING', 10)
    monkeypatch.setattr(building, 'MAX_TABLES', 10)
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


def made(backbone='test_resnet', head=None, args=None, view=None, drop=(), add=()):
    """Tensors and spec of a metric whose parts may not fit each other."""
    network = create_timm_backbone(backbone, args or {})
    head = head or {'channels': 384, 'hidden': 8}
    tensors = {f'backbone.{key}': value for key, value in network.state_dict().items() if key not in drop}
    tensors |= {f'head.{key}': value for key, value in build_head(head).state_dict().items()}
    tensors |= dict(add)
    more = {'backbone': backbone, 'backbone_args': args or {}, 'head': head, 'view': view or {'min_side': 32}}
    return {key: value.contiguous() for key, value in tensors.items()}, WeightsSpec(**{**PLAIN, **more})


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ({'head': {'channels': 77, 'hidden': 8}}, r"its test_resnet and head can't score a photo of 42x32 px \(mat1"),
        (
            {'drop': ('conv1.0.weight',)},
            r'not those of the network that it describes: 1 missing \(first: conv1.0.weight',
        ),
        ({'add': {'backbone.x': torch.zeros(1)}}, r'1 unknown \(first: x\)'),
        ({'add': {'head.layers.1.weight': torch.zeros(8, 1)}}, r'1 of another shape \(first: layers.1.weight'),
        ({'args': {'in_chans': 4}}, r"can't score a photo of 42x32 px"),
    ],
)
def test_parts_that_do_not_fit_are_found_before_the_first_photo(parts, message, tmp_path):
    write_weights(tmp_path / 'misfit.safetensors', *made(**parts))
    with pytest.raises(InputError, match=r'misfit\.safetensors: .*' + message):
        MMQPT(tmp_path / 'misfit.safetensors')


def test_the_size_of_photo_that_a_network_names_takes_no_memory(tmp_path):
    """``img_size`` of a network that takes any size is not what it is run on."""
    write_weights(tmp_path / 'm.safetensors', *made('test_byobnet', {'channels': 256, 'hidden': 8}, {'img_size': 1000}))
    seen = []
    hook = nn.modules.module.register_module_forward_pre_hook(
        lambda module, given: seen.append(max(given[0].shape[2:])) if isinstance(module, nn.Conv2d) else None
    )
    try:
        MMQPT(tmp_path / 'm.safetensors').fold()
    finally:
        hook.remove()
    assert max(seen) == 64


def test_what_the_caller_wants_of_a_stored_network_need_not_be_plain():
    tensors = create_timm_backbone('test_resnet', {}).state_dict()
    network = build_stored_backbone(
        'test_resnet', {'drop_rate': 0.1}, tensors, {'act_layer': nn.SiLU, 'drop_rate': 0.2}
    )
    assert any(isinstance(module, nn.SiLU) for module in network.modules())
    assert network.drop_rate == 0.2


def test_names_and_layers_need_no_memory():
    network = build_stored_backbone('vgg16', {}, {}, without_memory=True)
    assert all(value.is_meta for value in network.parameters())


def test_many_empty_tensors_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(weights_spec, 'MAX_TENSORS', 3)
    save_file({f'a{number}': torch.zeros(0) for number in range(4)}, tmp_path / 'many.safetensors')
    with pytest.raises(InputError, match=r'many\.safetensors .*: refused, it has 4 tensors, more than 3'):
        MMQPT(tmp_path / 'many.safetensors')
    with pytest.raises(InputError, match='refused, it has 4 tensors'):
        load_backbone(nn.Linear(2, 2), tmp_path / 'many.safetensors')
    with pytest.raises(InputError, match='refused, it has 4 tensors'):
        load_pretrained(nn.Linear(2, 2), str(tmp_path / 'many.safetensors'))
