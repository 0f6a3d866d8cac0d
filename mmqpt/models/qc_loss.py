r"""QC-Loss, the quality-aware contrastive loss of QPT.

.. math:: L = -\log \frac{e^{q k^+ / t}}{e^{q k^+ / t} + \sum_d e^{q k_d^- / t} + \sum_c e^{q k_c^- / t}}

with d over degradation-based negatives (the same photo under other recipes) and c over content-based negatives (other
photos).

Counted one by one, as the paper's formula does, a few degradation-based negatives beside a long queue hardly count: two
of them beside 4,096 keys have .05 % of the weight while all similarities are equal, and .7 % of the softmax mass after
75 steps. ``degradation_share`` sets that weight (an extension): an offset of ln(share / (1 - share) * C / D) on the
logits of the D degradation-based negatives of a query with C content-based ones.
"""

from __future__ import annotations

import math
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
        InputError: shapes that do not fit, a mask that is not bool, or a temperature that is no number above 0.
    """
    check_temperature(temperature)
    queries, width = query.shape
    if positive.dim() != 3 or positive.shape[0] != queries or positive.shape[2] != width or positive.shape[1] < 1:
        raise InputError(f'positive must have shape ({queries}, P >= 1, {width}), got {tuple(positive.shape)}')
    if degradation.dim() != 3 or degradation.shape[0] != queries or degradation.shape[2] != width:
        raise InputError(f'degradation must have shape ({queries}, D, {width}), got {tuple(degradation.shape)}')
    if content.dim() != 2 or content.shape[1] != width:
        raise InputError(f'content must have shape (C, {width}), got {tuple(content.shape)}')
    shapes = ((len(content),), (queries, len(content)))
    if content_mask is not None and (content_mask.dtype != torch.bool or tuple(content_mask.shape) not in shapes):
        raise InputError(
            f'content_mask must be bool of shape {shapes[0]} or {shapes[1]}, got {content_mask.dtype} '
            f'{tuple(content_mask.shape)}'
        )
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


def check_temperature(temperature: float) -> float:
    """The temperature, or an InputError that says what it may be."""
    number = isinstance(temperature, (int, float)) and not isinstance(temperature, bool)
    if not number or not 0 < temperature < math.inf:
        raise InputError(f'temperature must be a number > 0, got {temperature!r}')
    return temperature


def check_share(degradation_share: float | None) -> float | None:
    """The share, or an InputError that says what it may be."""
    share = degradation_share
    if share is not None and (isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1):
        raise InputError(f'degradation_share must be None or a share above 0 and below 1, got {share!r}')
    return share


def degradation_offset(logits: QCLogits, degradation_share: float | None) -> Tensor:
    """What to add to the logits of degradation-based negatives, (M, 1), of the dtype of the logits.

    ln(share / (1 - share) * C / D) with C and D the negatives that count for the query; 0 where a query has none of one
    kind, so that there is nothing to share, and for None.

    Raises:
        InputError: a share that is not above 0 and below 1.
    """
    share = check_share(degradation_share)
    degradations = logits.degradation.shape[1]
    count = logits.content_count[:, None].to(logits.degradation.dtype)  # (M, 1)
    if share is None or degradations == 0:
        return torch.zeros_like(count)
    return torch.where(
        count > 0, count.clamp(min=1).log() + (math.log(share / (1 - share)) - math.log(degradations)), 0
    )


def qc_loss_from_logits(logits: QCLogits, degradation_share: float | None = None) -> Tensor:
    """QC-Loss as a scalar: one InfoNCE for every (query, positive), then the mean.

    With several positives each meets the negatives alone, the others are left out of its denominator.

    Args:
        logits: of :func:`qc_logits`.
        degradation_share: see :func:`qc_loss`.
    """
    degradation = logits.degradation  # (M, D)
    if degradation_share is not None:
        degradation = degradation + degradation_offset(logits, degradation_share)
    negative = torch.cat([degradation, logits.content], dim=1).logsumexp(dim=1, keepdim=True)  # (M, 1)
    return F.softplus(negative - logits.positive).mean()  # -log(e^p / (e^p + e^n)) = softplus(n - p)


def qc_loss(
    query: Tensor,
    positive: Tensor,
    degradation: Tensor,
    content: Tensor,
    temperature: float = 0.2,
    content_mask: Tensor | None = None,
    degradation_share: float | None = None,
) -> Tensor:
    """QC-Loss of a batch as a scalar; arguments as in :func:`qc_logits`.

    Source: QPT, CVPR 2023. The temperature 0.2 is MoCo-v2's (design choice).

    Args:
        degradation_share: the share of the negatives' weight that degradation-based ones hold while all similarities
            are equal, above 0 and below 1; 0.5 balances the two kinds. None: every negative counts once, the paper's
            formula. Any other value is an extension.
    """
    logits = qc_logits(query, positive, degradation, content, temperature, content_mask)
    return qc_loss_from_logits(logits, degradation_share)


def largest_degradation_mass(
    degradations: int, contents: int, temperature: float, degradation_share: float | None = None
) -> float:
    """The softmax mass among negatives that degradation-based ones hold in their best case, 0 to 1.

    That is with all of them at cosine 1 and content-based ones at cosine 0, as random directions nearly are:
    D w e^(1/t) / (D w e^(1/t) + C), where w is 1, or share / (1 - share) * C / D with a share. Keys of other photos
    that all lie opposite to the query would leave them more, but many keys can't lie opposite to many queries.

    Args:
        degradations: D >= 0, degradation-based negatives of a query.
        contents: C >= 0, content-based ones.
        temperature: t > 0.
        degradation_share: see :func:`qc_loss`.
    """
    check_temperature(temperature)
    share = check_share(degradation_share)
    if degradations == 0 or contents == 0:
        return float(degradations > 0)
    odds = degradations / contents if share is None else share / (1 - share)
    return 1 / (1 + math.exp(-1 / temperature) / odds)


@torch.no_grad()
def qc_statistics(logits: QCLogits, degradation_share: float | None = None) -> dict[str, Tensor]:
    """What to watch during training, each a scalar.

    Returns:
        ``chance_level``: the value of QC-Loss when nothing can be told apart, log(1 + negatives), in which
        degradation-based ones have the weight that ``degradation_share`` gives them.
        ``acc_degradation`` and ``acc_content``: share of (query, positive) whose positive is closer than every negative
        of that kind; ties are wrong. By chance 1 / (1 + negatives of that kind); NaN where there are none.
        ``mass_degradation``: mean share of degradation-based negatives in the softmax over all negatives of a query;
        about their part of what the negatives teach. NaN where there are none.
    """
    offset = degradation_offset(logits, degradation_share)  # (M, 1)
    weighed = logits.degradation.shape[1] * offset.exp()
    chance = torch.log(1.0 + weighed[:, 0] + logits.content_count).mean()
    has_content = logits.content_count > 0  # (M,)
    if logits.content.shape[1]:
        right = (logits.positive > logits.content.amax(dim=1, keepdim=True)).float().mean(dim=1)  # (M,)
        content = torch.where(has_content, right, 0).sum() / has_content.sum()
    else:
        content = chance.new_tensor(float('nan'))
    if logits.degradation.shape[1]:
        degradation = (logits.positive > logits.degradation.amax(dim=1, keepdim=True)).float().mean()
        raised = logits.degradation + offset
        negative = torch.cat([raised, logits.content], dim=1)
        mass = (raised.logsumexp(dim=1) - negative.logsumexp(dim=1)).exp().mean()
    else:
        degradation = mass = chance.new_tensor(float('nan'))
    return {
        'chance_level': chance,
        'acc_degradation': degradation,
        'acc_content': content,
        'mass_degradation': mass,
    }


@torch.no_grad()
def degradation_accuracy(query: Tensor, positive: Tensor, degradation: Tensor) -> Tensor:
    """``acc_degradation`` of :func:`qc_statistics`, a scalar; arguments as in :func:`qc_logits`."""
    return qc_statistics(qc_logits(query, positive, degradation, query[:0], temperature=1.0))['acc_degradation']


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
