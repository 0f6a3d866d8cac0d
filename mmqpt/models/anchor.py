"""The anchor: a term that keeps what the pre-trained weights knew."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def anchor_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over the mean variance of the targets within the batch, in float32; a scalar.

    The targets are the features of a frozen copy of the network as it was at the start; the predictions are a learned
    linear map of today's features of the same patches. So it is the share of the old features that can no longer be
    read linearly from the new ones. Learning without Forgetting (Li and Hoiem, ECCV 2016) keeps the old outputs in the
    same way; the linear map, which lets features move as long as nothing is lost, is a design choice.

    Args:
        predicted: (M, C).
        target: (M, C), without gradient. Of a single row the variance counts as 1.
    """
    target = target.float()
    spread = target.var(dim=0).mean().clamp(min=1e-8) if len(target) > 1 else target.new_ones(())
    return F.mse_loss(predicted.float(), target) / spread


@torch.no_grad()
def set_to_identity(linear: nn.Linear) -> None:
    """Make a square linear map give what it is given."""
    nn.init.eye_(linear.weight)
    nn.init.zeros_(linear.bias)
