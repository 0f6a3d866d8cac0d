"""Transforms that draw from global generators repeat by the sample."""

import random

import mmpretrain.datasets  # noqa: F401 (torchvision's transforms)
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.registry import DATASETS, TRANSFORMS

import mmqpt.components  # noqa: F401
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.engine.finite_steps import describe_sample


def drawn():
    return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002


@pytest.fixture
def untouched():
    """The global generators are put back."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


def test_all_three_follow_the_sample(untouched):
    transform = TRANSFORMS.build({'type': 'SeedGenerators'})
    found = []
    for seed in (1, 2, 1):
        results = {'rng': np.random.default_rng(seed), 'img': 1}
        assert transform(results) is results
        found.append(drawn())
        drawn()
    assert found[0] == found[2]
    assert all(one != two for one, two in zip(*found[:2], strict=True))


@pytest.mark.parametrize('name', ['mocov2_efficientnet-lite0_1xb96', 'simclr_efficientnet-lite0_1xb48'])
def test_views_of_the_comparisons_are_loaded_again(untouched, name, photo_folder, monkeypatch, request):
    """Resumed runs see the same views, and bad batches can be replayed."""
    monkeypatch.setenv('DATA_ROOT', str(photo_folder))
    cfg = Config.fromfile(request.config.rootpath / f'configs/comparison/{name}-coslr_folder.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
    key, other = SampleKey(1, (7, 0, 3)), SampleKey(1, (7, 1, 3))
    first, again, differs = dataset[key], (drawn(), dataset[key])[1], dataset[other]
    for one, two, three in zip(first['inputs'], again['inputs'], differs['inputs'], strict=True):
        assert torch.equal(one, two)
        assert not torch.equal(one, three)
    known = describe_sample(first['data_samples'])
    assert (known['index'], known['entropy']) == (1, [7, 0, 3])
    assert known['name']
