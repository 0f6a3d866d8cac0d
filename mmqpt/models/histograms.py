"""Target histograms where a data set has a mean opinion score but no counts of opinions."""

from __future__ import annotations

import torch
from torch import Tensor

from mmqpt.core.errors import InputError


def score_histogram(scores: Tensor, bins: int, deviations: Tensor | None = None) -> Tensor:
    """Shares of K bins at the scores 0, 1 / (K - 1), ..., 1 (design choice, since the counts are not known).

    Without a deviation, the share goes to the two bins around the score, so that the expectation is the score exactly.
    With one, it is a normal distribution truncated to the range of the bins (half a bin beyond the centres at the
    ends); its expectation is drawn inwards near the ends.

    Args:
        scores: (N,) in [0, 1].
        bins: K, at least 2.
        deviations: (N,) standard deviations in units of the score; 0 or NaN for none.

    Returns:
        (N, K); every row sums to 1.
    """
    if bins < 2:
        raise InputError(f'bins must be >= 2, got {bins}')
    position = scores.clamp(0, 1)[:, None] * (bins - 1)  # (N, 1), in bins
    index = torch.arange(bins, device=scores.device, dtype=scores.dtype)  # (K,)
    two = (1 - (position - index).abs()).clamp(min=0)  # (N, K)
    if deviations is None:
        return two
    known = (deviations > 0)[:, None]  # NaN is not
    width = torch.where(known, deviations[:, None] * (bins - 1), 1)  # (N, 1), in bins
    edges = torch.arange(bins + 1, device=scores.device, dtype=scores.dtype) - 0.5  # (K + 1,)
    mass = torch.special.ndtr((edges - position) / width).diff(dim=1)  # (N, K)
    total = mass.sum(dim=1, keepdim=True)  # at least about 1/2, since the score lies within the bins
    return torch.where(known, mass / total, two)
