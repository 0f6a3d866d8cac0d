"""The running statistics of BatchNorm: kept, set by one batch, averaged over ranks. Layers are changed in place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import nn

from mmqpt.core.networks import batch_norms

BatchNorm = nn.modules.batchnorm._BatchNorm


def freeze_statistics(module: nn.Module) -> None:
    """Put all BatchNorm layers into eval mode, so that they use and keep the statistics they have."""
    for layer in batch_norms(module):
        layer.eval()


def has_statistics(network: nn.Module) -> bool:
    """Whether a layer has other variances than those that it begins with, 1 each."""
    return any(bool((layer.running_var != 1).any()) for layer in batch_norms(network) if layer.running_var is not None)


@torch.no_grad()
def average_statistics(layers: Sequence[BatchNorm]) -> None:
    """Replace the running statistics of BatchNorm by their mean over all ranks, each of which saw its own patches.

    The key encoder is then the same on all ranks at every step, and the checkpoint of one rank is that of all.
    """
    if get_world_size() == 1:
        return
    held = [value for layer in layers for value in (layer.running_mean, layer.running_var) if value is not None]
    if not held:
        return
    together = torch.cat([value.flatten() for value in held])
    all_reduce(together, op='mean')
    for value, mean in zip(held, together.split([value.numel() for value in held]), strict=True):
        value.data.copy_(mean.view_as(value))  # .data: backward uses the batch's statistics, not these


@contextmanager
def statistics_of_one_batch(layers: Sequence[BatchNorm]) -> Iterator[None]:
    """Inside, a forward pass sets the running statistics of BatchNorm to those of its batch instead of mixing them."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
