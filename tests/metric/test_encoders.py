"""Encoders by name: the weights of the file, in the shapes that timm's own networks have."""

import shutil

import pytest
import timm
import torch

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import WeightsSpec, read_weights, write_weights

NAME = 'qpt_efficientnet_lite0_side'


@pytest.fixture(scope='module')
def weights(metric_weights):
    """The tensors of a tiny file."""
    return metric_weights, read_weights(metric_weights)[0]


def test_the_one_that_comes_with_the_package():
    assert NAME in mmqpt.list_encoders()
    encoder = mmqpt.create_encoder(NAME).eval()
    tensors, spec = read_weights(mmqpt.list_encoders()[NAME])
    assert torch.equal(encoder.state_dict()['conv_stem.weight'], tensors['backbone.conv_stem.weight'])
    config = timm.data.resolve_model_data_config(encoder)
    assert [value * 255 for value in config['mean']] == pytest.approx(list(spec.input_mean))
    assert [value * 255 for value in config['std']] == pytest.approx(list(spec.input_std))
    photos = torch.rand(2, 3, 64, 96)
    stages = mmqpt.create_encoder(NAME, features_only=True).eval()
    config = timm.data.resolve_model_data_config(stages)
    assert [value * 255 for value in config['mean']] == pytest.approx(list(spec.input_mean))
    with torch.inference_mode():
        assert encoder(photos).shape == (2, encoder.num_features) == (2, 320 + 3 * (48 + 96))
        assert mmqpt.create_encoder(NAME, num_classes=5).eval()(photos).shape == (2, 5)
        maps = stages(photos)
        sizes = [(32, 48), (16, 24), (16, 24), (8, 12), (8, 12), (4, 6), (2, 3)]  # two of them the branches'
        assert [tuple(x.shape[-2:]) for x in maps] == sizes
        means = [maps[place].mean(dim=(2, 3)) for place in (-1, 2, 4)]
        assert torch.allclose(torch.cat(means, dim=1), encoder(photos), atol=1e-4)


def test_a_file_and_its_values(weights):
    path, tensors = weights
    torch.manual_seed(0)
    encoder = mmqpt.create_encoder(path)
    assert encoder.training
    own = encoder.state_dict()
    assert own.keys() == {name.removeprefix('backbone.') for name in tensors if name.startswith('backbone.')}
    for name, value in own.items():
        assert torch.equal(value, tensors[f'backbone.{name}']), name
    empty = mmqpt.create_encoder(path, pretrained=False).state_dict()
    assert empty.keys() == own.keys()
    assert not torch.equal(empty['conv1.0.weight'], own['conv1.0.weight'])


def test_a_classifier_maps_and_stages(weights):
    path, _ = weights
    photos = torch.rand(2, 3, 64, 64)
    assert mmqpt.create_encoder(path, num_classes=7)(photos).shape == (2, 7)
    assert mmqpt.create_encoder(path, global_pool='')(photos).ndim == 4
    two = mmqpt.create_encoder(path, features_only=True, out_indices=(1, 3))(photos)
    every = mmqpt.create_encoder(path, features_only=True)(photos)
    assert [x.shape for x in two] == [every[1].shape, every[3].shape]


def test_names_in_a_folder_of_ones_own(weights, tmp_path, monkeypatch):
    shutil.copy(weights[0], tmp_path / 'encoder-my-net.safetensors')
    monkeypatch.setenv('MMQPT_WEIGHTS', str(tmp_path))
    assert list(mmqpt.list_encoders()) == [NAME, 'qpt_my_net']
    assert mmqpt.create_encoder('qpt_my_net').num_features == mmqpt.create_encoder(weights[0]).num_features


def test_mistakes(tmp_path, weights):
    with pytest.raises(InputError, match=f"no encoder called 'qpt_resnet51'; there are: {NAME}"):
        mmqpt.create_encoder('qpt_resnet51')
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: none\.safetensors'):
        mmqpt.create_encoder('none.safetensors')
    with pytest.raises(InputError, match='out_indices needs features_only'):
        mmqpt.create_encoder(weights[0], out_indices=(1,))
    with pytest.raises(InputError, match='got num_classes=3'):
        mmqpt.create_encoder(weights[0], features_only=True, num_classes=3)
    with pytest.raises(InputError, match='no_such_option'):
        mmqpt.create_encoder(weights[0], no_such_option=1)
    write_weights(tmp_path / 'x.safetensors', {}, WeightsSpec('backbone', 'no_such_net', (0.0,) * 3, (1.0,) * 3))
    with pytest.raises(InputError, match="timm has no model 'no_such_net'"):
        mmqpt.create_encoder(tmp_path / 'x.safetensors')
