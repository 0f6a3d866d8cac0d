r"""QC-Loss, the quality-aware contrastive loss of QPT.

.. math:: L = -\log \frac{e^{q k^+ / t}}{e^{q k^+ / t} + \sum_d e^{q k_d^- / t} + \sum_c e^{q k_c^- / t}}

with d over degradation-based negatives (the same photo under other recipes) and c over content-based negatives (other
photos).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.core.errors import InputError


class QCLogits(NamedTuple):
    """Similarities divided by the temperature, float32.

    Args:
        positive: (M, P).
        degradation: (M, D).
        content: (M, C); entries that do not count hold the lowest finite value.
        content_count: (M,) how many content-based negatives count.
    """

    positive: Tensor
    degradation: Tensor
    content: Tensor
    content_count: Tensor


def qc_logits(
    query: Tensor,
    positive: Tensor,
    degradation: Tensor,
    content: Tensor,
    temperature: float,
    content_mask: Tensor | None = None,
) -> QCLogits:
    """Compare queries with their keys, in float32 also under autocast (float64 stays float64).

    Args:
        query: (M, E), unit length.
        positive: (M, P, E), keys of other patches of the query's degraded photo, unit length.
        degradation: (M, D, E), keys of the same photo under other recipes, unit length.
        content: (C, E), keys of other photos, shared by all queries, unit length.
        temperature: > 0; similarities are divided by it.
        content_mask: bool, (C,) or (M, C), True where a content-based key counts for the query; all by default.

    Raises:
        InputError: shapes that do not fit, or a temperature that is not positive.
    """
    queries, width = query.shape
    if temperature <= 0:
        raise InputError(f'temperature must be > 0, got {temperature}')
    if positive.dim() != 3 or positive.shape[0] != queries or positive.shape[2] != width or positive.shape[1] < 1:
        raise InputError(f'positive must have shape ({queries}, P >= 1, {width}), got {tuple(positive.shape)}')
    if degradation.dim() != 3 or degradation.shape[0] != queries or degradation.shape[2] != width:
        raise InputError(f'degradation must have shape ({queries}, D, {width}), got {tuple(degradation.shape)}')
    if content.dim() != 2 or content.shape[1] != width:
        raise InputError(f'content must have shape (C, {width}), got {tuple(content.shape)}')
    dtype = torch.promote_types(query.dtype, torch.float32)
    with torch.autocast(query.device.type, enabled=False):
        q = query.to(dtype) / temperature
        l_pos = torch.einsum('me,mpe->mp', q, positive.to(dtype))  # (M, P)
        l_deg = torch.einsum('me,mde->md', q, degradation.to(dtype))  # (M, D)
        l_con = q @ content.to(dtype).T  # (M, C)
    if content_mask is None:
        count = torch.full((queries,), content.shape[0], device=query.device)
    else:
        mask = content_mask.expand(queries, content.shape[0])
        # A finite value: a row without any negative then has loss 0 and gradient 0, where -inf would give NaN.
        l_con = l_con.masked_fill(~mask, torch.finfo(dtype).min)
        count = mask.sum(dim=1)
    return QCLogits(l_pos, l_deg, l_con, count)


def qc_loss_from_logits(logits: QCLogits) -> Tensor:
    """QC-Loss as a scalar: one InfoNCE for every (query, positive), then the mean.

    With several positives each meets the negatives alone, the others are left out of its denominator.
    """
    negative = torch.cat([logits.degradation, logits.content], dim=1).logsumexp(dim=1, keepdim=True)  # (M, 1)
    return F.softplus(negative - logits.positive).mean()  # -log(e^p / (e^p + e^n)) = softplus(n - p)


def qc_loss(
    query: Tensor,
    positive: Tensor,
    degradation: Tensor,
    content: Tensor,
    temperature: float = 0.2,
    content_mask: Tensor | None = None,
) -> Tensor:
    """QC-Loss of a batch as a scalar; arguments as in :func:`qc_logits`.

    Source: QPT, CVPR 2023. The temperature 0.2 is MoCo-v2's (design choice).
    """
    return qc_loss_from_logits(qc_logits(query, positive, degradation, content, temperature, content_mask))


@torch.no_grad()
def qc_statistics(logits: QCLogits) -> dict[str, Tensor]:
    """What to watch during training, each a scalar.

    Returns:
        ``chance_level``: the value of QC-Loss when nothing can be told apart, log(1 + negatives).
        ``acc_degradation`` and ``acc_content``: share of (query, positive) whose positive is closer than every negative
        of that kind; ties are wrong. By chance 1 / (1 + negatives of that kind); NaN where there are none.
    """
    chance = torch.log(1.0 + logits.degradation.shape[1] + logits.content_count).mean()
    has_content = logits.content_count > 0  # (M,)
    if logits.content.shape[1]:
        right = (logits.positive > logits.content.amax(dim=1, keepdim=True)).float().mean(dim=1)  # (M,)
        content = torch.where(has_content, right, 0).sum() / has_content.sum()
    else:
        content = chance.new_tensor(float('nan'))
    if logits.degradation.shape[1]:
        degradation = (logits.positive > logits.degradation.amax(dim=1, keepdim=True)).float().mean()
    else:
        degradation = chance.new_tensor(float('nan'))
    return {'chance_level': chance, 'acc_degradation': degradation, 'acc_content': content}


def qc_similarities(logits: QCLogits, temperature: float) -> dict[str, Tensor]:
    """Mean cosine of queries and keys, each a scalar.

    Returns:
        ``sim_positive``, ``sim_degradation`` and ``sim_content``: with positives and with negatives of each kind; NaN
        where there are none. A network that tells keys apart has a high first and low others; all near 1 is a collapse.
    """
    held = logits.content > torch.finfo(logits.content.dtype).min  # (M, C)
    content = torch.where(held, logits.content, 0).sum() / logits.content_count.sum()
    return {
        'sim_positive': logits.positive.mean() * temperature,
        'sim_degradation': logits.degradation.mean() * temperature,
        'sim_content': content * temperature,
    }
