"""The statistics of BatchNorm: kept, told from those of a new network, set by one batch; of ranks see test_ranks.py."""

import pytest
import torch
from torch import nn

from mmqpt.models.batch_statistics import freeze_statistics, has_statistics, statistics_of_one_batch


def test_frozen_statistics_stay_while_the_rest_trains():
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)).train()
    freeze_statistics(network)
    network(torch.randn(50, 2) + 3)
    assert torch.equal(network[0].running_mean, torch.zeros(2))
    assert network[1].training


@pytest.mark.parametrize('changed', [0, 1])
def test_a_network_has_statistics_once_one_layer_has(changed):
    network = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.BatchNorm1d(2, track_running_stats=False))
    assert not has_statistics(network)
    network[changed].running_var[1] = 0.5
    assert has_statistics(network)


def test_statistics_of_one_batch():
    layer = nn.BatchNorm1d(2, momentum=0.3)
    batch = torch.randn(50, 2) * 3 + 1
    with statistics_of_one_batch([layer]):
        layer(batch)
    torch.testing.assert_close(layer.running_mean, batch.mean(dim=0))
    torch.testing.assert_close(layer.running_var, batch.var(dim=0))
    assert layer.momentum == 0.3


def test_momentum_comes_back_after_an_error():
    layer = nn.BatchNorm1d(2, momentum=0.3)
    with pytest.raises(ValueError, match='expected 2D'), statistics_of_one_batch([layer]):
        layer(torch.zeros(2, 2, 2, 2))
    assert layer.momentum == 0.3
