"""The pretext check: the start beside the checkpoint, and versions that differ in nothing but their places."""

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain.registry import MODELS

from mmqpt.core.bgr import swap_channels
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.evaluation.protocols.pretext import gain, pretext_accuracies, same_recipe


def test_all_versions_have_one_recipe(photos):
    def recipes(pairs):
        return [pairs({'img': swap_channels(photos[0]), 'rng': np.random.default_rng(i)})['recipes'] for i in range(8)]

    assert all(one != other for one, other in recipes(PatchPairs(64)))
    found = recipes(same_recipe(PatchPairs(64)))
    assert all(one == other for one, other in found)
    assert len({one for one, _ in found}) > 1


@pytest.fixture
def start_weights(tmp_path):
    torch.manual_seed(3)
    torch.save(MODELS.build({'type': 'TIMMBackbone', 'model_name': 'test_resnet'}).state_dict(), tmp_path / 's.pth')
    return str(tmp_path / 's.pth')


@pytest.mark.parametrize('given', [True, False])
def test_start_is_the_network_before_training(tiny_pretrain, photo_folder, start_weights, tmp_path, given):
    """Whatever the checkpoint holds: with the weights that the config names, or random ones of its seed."""
    found = []
    for rate in (1e-3, 10.0):
        folder = tmp_path / str(rate)
        cfg = tiny_pretrain(folder, **{'optim_wrapper.optimizer.lr': rate, 'model.pretrained': None})
        cfg.model.pretrained = start_weights if given else None
        Runner.from_cfg(cfg).train()
        found.append(pretext_accuracies(cfg, folder / 'epoch_2.pth', sorted(photo_folder.glob('*.jpg'))))
    assert found[0]['start'] == found[1]['start']
    assert found[0]['checkpoint'] != found[1]['checkpoint']
    assert found[0]['start']['different recipes'] > found[0]['chance']  # noise, blur and the like show untrained, too
    assert found[0]['start']['same recipe'] < found[0]['start']['different recipes']


def test_mixed_positions_are_taken_apart(tiny_pretrain, photo_folder, pretrained_checkpoint, tmp_path):
    paths = sorted(photo_folder.glob('*.jpg'))[:3]
    plain, mixed = tiny_pretrain(tmp_path / 'a'), tiny_pretrain(tmp_path / 'b')
    mixed.train_dataloader.dataset.pipeline[1].positions = 'mixed'
    assert pretext_accuracies(mixed, pretrained_checkpoint, paths) == pretext_accuracies(
        plain, pretrained_checkpoint, paths
    )


def test_a_gain_comes_with_its_interval(rng):
    start = rng.uniform(0.4, 0.9, 200)
    found = gain(start + rng.normal(0.05, 0.1, 200), start)
    error = 0.1 / 200**0.5
    assert found['low'] < found['value'] < found['high']
    assert found['high'] - found['low'] == pytest.approx(2 * 1.96 * error, rel=0.25)
    assert found['low'] > 0
    none = gain(start + rng.normal(0, 0.3, 200), start)
    assert none['low'] < none['value'] < none['high']
    assert gain(np.array([1.0]), np.array([0.5])) == {'value': 0.5, 'low': None, 'high': None}
    few = gain(np.array([1.0, 0.5]), np.array([0.5, 0.75]))
    assert few['low'] < 0 < few['high']
