"""Folded networks give the same features, faster; what can't be folded is left alone."""

import pytest
import torch
from torch import nn

from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.metric.fold import fold_batch_norm


def with_statistics(network):
    """BatchNorm whose statistics and weights are not those of a new one."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))
            for tensor in (module.running_var, module.weight.data):
                tensor.copy_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
    return network.eval()


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize('name', ['resnet18', 'tf_efficientnet_lite0', 'test_efficientnet', 'test_resnet'])
def test_same_features_without_batch_norm(name):
    torch.manual_seed(0)
    network = with_statistics(create_timm_backbone(name, {}))
    before = norms(network)
    assert before > 3
    folded = fold_batch_norm(network)
    assert norms(folded) == 0
    assert norms(network) == before  # the network itself is left as it was
    photos = torch.randn(2, 3, 67, 95)
    with torch.no_grad():
        expected = network(photos)
        torch.testing.assert_close(folded(photos), expected, atol=1e-5 * float(expected.abs().max()), rtol=1e-4)


def test_stages():
    torch.manual_seed(0)
    network = with_statistics(create_timm_backbone('test_efficientnet', {'features_only': True}))
    folded = fold_batch_norm(network)
    assert norms(folded) < norms(network)
    photos = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(folded(photos), network(photos), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-4)


def test_networks_without_batch_norm():
    network = create_timm_backbone('test_convnext', {}).eval()
    photos = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(fold_batch_norm(network)(photos), network(photos))


class Branches(nn.Module):
    """Uses what the convolution gives both with and without BatchNorm."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x):
        x = self.conv(x)
        return x + self.bn(x)


class Twice(nn.Module):
    """One convolution, two BatchNorms."""

    def __init__(self):
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x):
        return self.one(self.conv(x)) + self.two(self.conv(x.flip(1)))


@pytest.mark.parametrize('kind', [Branches, Twice])
def test_other_uses_of_the_convolution_are_noticed(kind):
    torch.manual_seed(0)
    network = with_statistics(kind())
    photos = torch.randn(1, 3, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(fold_batch_norm(network)(photos), network(photos))


def test_training_networks_are_refused():
    with pytest.raises(ValueError, match='must be in eval mode'):
        fold_batch_norm(nn.Conv2d(3, 4, 3).train())
