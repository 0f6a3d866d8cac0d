"""From backbone features to one score: shared by fine-tuning and the metric, so that both compute the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError


def pool_features(features: Tensor | Sequence[Tensor]) -> Tensor:
    """Average what a backbone returns over space.

    Args:
        features: (N, C, H, W) maps, (N, L, C) tokens or (N, C) vectors; of a sequence (stages) the last one counts.

    Returns:
        (N, C) tensor.
    """
    last = features if isinstance(features, Tensor) else features[-1]
    if last.dim() == 4:
        return last.mean(dim=(2, 3))
    if last.dim() == 3:
        return last.mean(dim=1)
    if last.dim() == 2:
        return last
    raise InputError(f'backbone features must have 2, 3 or 4 dimensions, got shape {tuple(last.shape)}')


class QualityHead(nn.Module):
    """Pooled features -> score in (0, 1), higher is better.

    Dropout, then ``Linear -> ReLU -> Linear``, or a single ``Linear`` with ``hidden=0``; a sigmoid keeps every score
    inside the range without clipping, so that no two photos are tied at an end (design choice).

    Args:
        channels: length of the pooled features.
        hidden: width of the hidden layer; 0 for none.
        dropout: probability, applied to the features.
    """

    def __init__(self, channels: int, hidden: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        if channels < 1 or hidden < 0 or not 0 <= dropout < 1:
            raise InputError(
                f'QualityHead needs channels >= 1, hidden >= 0 and 0 <= dropout < 1, '
                f'got {channels}, {hidden} and {dropout}'
            )
        layers: list[nn.Module] = [nn.Dropout(dropout)]
        if hidden:
            layers += [nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, 1)]
        else:
            layers += [nn.Linear(channels, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) features -> (N,) scores."""
        return torch.sigmoid(self.layers(features).squeeze(-1))
