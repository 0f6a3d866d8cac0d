"""The anchor's loss, in closed form."""

import pytest
import torch
from torch import nn

from mmqpt.models.anchor import anchor_loss, set_to_identity


def test_zero_where_all_is_kept_and_one_where_the_mean_is_all_that_is_left():
    target = torch.randn(200, 4)
    assert anchor_loss(target, target) == 0
    mean = target.mean(dim=0).expand_as(target)
    assert anchor_loss(mean, target).item() == pytest.approx(199 / 200, rel=1e-5)  # the variance has M - 1 below it


def test_scale_of_the_features_does_not_matter():
    predicted, target = torch.randn(20, 4), torch.randn(20, 4)
    assert anchor_loss(7 * predicted, 7 * target).item() == pytest.approx(
        anchor_loss(predicted, target).item(), rel=1e-5
    )


def test_a_single_row_and_equal_rows_are_finite():
    assert anchor_loss(torch.zeros(1, 2), torch.ones(1, 2)).item() == 1
    assert torch.isfinite(anchor_loss(torch.zeros(3, 2), torch.ones(3, 2)))


def test_identity():
    linear = nn.Linear(4, 4)
    set_to_identity(linear)
    features = torch.randn(3, 4)
    assert torch.equal(linear(features), features)
    assert linear.weight.requires_grad
