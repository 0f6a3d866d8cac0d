"""Equal parameter groups are put together, and a step stays the same."""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmqpt.engine.few_groups import FewGroupsConstructor

OPTIONS = {
    'type': 'OptimWrapper',
    'optimizer': {'type': 'AdamW', 'lr': 1e-2, 'weight_decay': 0.1},
    'paramwise_cfg': {'custom_keys': {'backbone': {'lr_mult': 0.2}}},
}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3))
        self.head = nn.Linear(4, 1)
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, x):
        return self.head(self.backbone(x).mean((2, 3)))


def stepped(**options):
    torch.manual_seed(0)
    net = Net()
    wrapper = build_optim_wrapper(net, {**OPTIONS, **options})
    for _ in range(3):
        wrapper.update_params(net(torch.rand(2, 3, 8, 8)).square().sum())
    return net, wrapper


def options_of(wrapper):
    """Learning rate and weight decay of each parameter, in the order of the groups."""
    return [(group['lr'], group['weight_decay']) for group in wrapper.param_groups for _ in group['params']]


@pytest.mark.parametrize('changes', [{}, {'paramwise_cfg': None}])
def test_a_step_is_that_of_mmengines_groups(changes):
    (ours, few), (theirs, many) = stepped(constructor=FewGroupsConstructor, **changes), stepped(**changes)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
    if changes:
        assert len(few.param_groups) == len(many.param_groups) == 1
        return
    assert len(many.param_groups) == 9
    assert len(few.param_groups) == 3  # the backbone, the head, and what is not trained
    assert options_of(few) == options_of(many)
    held = [weight for group in few.param_groups for weight in group['params']]
    assert len({id(weight) for weight in held}) == len(held) == 9
