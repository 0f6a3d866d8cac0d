"""Frozen features: weights that say which network they are of get that network."""

import pytest
import timm
import torch
from mmengine.config import Config

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.frozen import RANDOM, FrozenFeatures


@pytest.fixture
def frozen(tmp_path):
    backbone = {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'features_only': True}
    model = {'type': 'IQARegressor', 'backbone': backbone, 'head': {'pooling': 'moments'}, 'input_size': 64}
    cfg = Config({'model': model})
    return FrozenFeatures(cfg, [1.0], FeatureStore(tmp_path / 'features'))


def encoder(path, name, **options):
    torch.manual_seed(3)
    network = timm.create_model(name, **options)
    tensors = {f'backbone.{key}': value.contiguous() for key, value in network.state_dict().items()}
    spec = WeightsSpec('backbone', name, (127.0,) * 3, (128.0,) * 3, options)
    write_weights(path, tensors, spec)
    return network.eval()


def test_weights_of_another_network_are_given_that_network(frozen, tmp_path):
    other = encoder(tmp_path / 'other.safetensors', 'test_efficientnet', features_only=True)
    network = frozen.network(str(tmp_path / 'other.safetensors'))
    photo = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = other((photo * 255 - 127) / 128)
        found = network.extract_features(photo)
    means = torch.cat([part for m in maps for part in (m.mean((2, 3)), m.std((2, 3), unbiased=False))], dim=1)
    torch.testing.assert_close(found, means, rtol=1e-3, atol=2e-3)  # a small number stands under the root
    keys = [frozen.key(weights) for weights in (RANDOM, str(tmp_path / 'other.safetensors'))]
    assert [key['backbone']['model_name'] for key in keys] == ['test_resnet', 'test_efficientnet']


def test_weights_of_the_configs_network_keep_the_config(frozen, tmp_path):
    encoder(tmp_path / 'same.safetensors', 'test_resnet')
    assert frozen.model_of(str(tmp_path / 'same.safetensors')) is frozen.model_cfg
    torch.save(timm.create_model('test_resnet').state_dict(), tmp_path / 'plain.pth')
    assert frozen.model_of(str(tmp_path / 'plain.pth')) is frozen.model_cfg


def test_weights_of_the_same_network_with_other_arguments_are_given_those(tmp_path):
    own = {'type': 'TIMMBackbone', 'model_name': 'tf_efficientnet_lite0_side', 'features_only': True}
    model = {'type': 'IQARegressor', 'backbone': own, 'head': {'pooling': 'moments'}, 'view': {'min_side': 64}}
    frozen = FrozenFeatures(Config({'model': model}), [1.0], FeatureStore(tmp_path / 'features'))
    encoder(tmp_path / 'two.safetensors', 'tf_efficientnet_lite0_side', branches=2)
    encoder(tmp_path / 'one.safetensors', 'tf_efficientnet_lite0_side')
    lengths = {'two': 2 * (512 + 2 * 144), 'one': 2 * (512 + 144)}
    for name, length in lengths.items():
        network = frozen.network(str(tmp_path / f'{name}.safetensors')).eval()
        assert network.extract_features(torch.zeros(1, 3, 64, 64)).shape == (1, length)
    assert frozen.model_of(str(tmp_path / 'one.safetensors')) is frozen.model_cfg


@pytest.mark.parametrize('changes', [{'branches': 3}, {'widths': [16, 32]}])
def test_arguments_of_the_config_that_the_weights_lack_are_not_theirs(tmp_path, changes):
    own = {'type': 'TIMMBackbone', 'model_name': 'tf_efficientnet_lite0_side', 'features_only': True, **changes}
    model = {'type': 'IQARegressor', 'backbone': own, 'head': {'pooling': 'moments'}, 'view': {'min_side': 64}}
    frozen = FrozenFeatures(Config({'model': model}), [1.0], FeatureStore(tmp_path / 'features'))
    encoder(tmp_path / 'one.safetensors', 'tf_efficientnet_lite0_side')
    network = frozen.network(str(tmp_path / 'one.safetensors'))
    assert network.extract_features(torch.zeros(1, 3, 64, 64)).shape == (1, 2 * (512 + 144))
    encoder(tmp_path / 'own.safetensors', 'tf_efficientnet_lite0_side', **changes)
    assert frozen.model_of(str(tmp_path / 'own.safetensors')) is frozen.model_cfg


def test_stages_that_the_config_chose_are_not_those_of_another_network(tmp_path):
    backbone = {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'features_only': True, 'out_indices': [0, 1]}
    model = {'type': 'IQARegressor', 'backbone': backbone, 'head': {'pooling': 'moments'}, 'input_size': 64}
    frozen = FrozenFeatures(Config({'model': model}), [1.0], FeatureStore(tmp_path / 'features'))
    encoder(tmp_path / 'same.safetensors', 'test_resnet')
    assert frozen.model_of(str(tmp_path / 'same.safetensors')) is frozen.model_cfg
    encoder(tmp_path / 'other.safetensors', 'test_efficientnet')
    with pytest.raises(InputError, match=r'out_indices \[0, 1\] would be other stages'):
        frozen.model_of(str(tmp_path / 'other.safetensors'))


def test_weights_that_are_none(frozen, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        frozen.key(str(tmp_path / 'none.pth'))
    with pytest.raises(FileNotFoundError, match='; the encoder that comes with mmqpt is qpt:efficientnet_lite0_side'):
        frozen.key('qpt_efficientnet_lite0_side')  # as create_encoder says it
    with pytest.raises(InputError, match='no QPT encoder named'):
        frozen.key('qpt:nothing')
