"""Losses of fine-tuning: pure functions of a batch, and how a config chooses and sums them.

All scores are in [0, 1] on the scale of the training set. The losses that compare photos of a batch (``plcc``,
``rank``, ``norm_in_norm``) see the batch of their own rank; distributed training averages their gradients (design
choice: nothing is gathered). Batches without information, such as one photo or equal scores, give a finite loss and a
finite gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.core.errors import InputError


def plcc_loss(predicted: Tensor, target: Tensor, floor: float = 1e-3) -> Tensor:
    """``(1 - PLCC) / 2``, from 0 to 1.

    Args:
        predicted: (N,) scores.
        target: (N,) scores.
        floor: standard deviations below it (in units of the score) count as it, so that a batch of equal scores has
            PLCC 0 and a bounded gradient.
    """
    _check(predicted, target, floor)
    return (1 - (_normalised(predicted, 2, floor) * _normalised(target, 2, floor)).sum()) / 2


def norm_in_norm_loss(predicted: Tensor, target: Tensor, p: float = 1, q: float = 2, floor: float = 1e-3) -> Tensor:
    """Norm-in-norm loss of Li, Jiang and Jiang (ACM Multimedia 2020), from 0 to 1.

    With ``s(x) = (x - mean(x)) / |x - mean(x)|_q``, where ``|x|_q = (sum_i |x_i|^q)^(1/q)``, it is
    ``sum_i |s(predicted)_i - s(target)_i|^p / c``, where ``c = 2^p N^max(0, 1 - p / q)`` bounds the sum. For
    ``p = q = 2`` it is ``(1 - PLCC) / 2``.

    Args:
        predicted: (N,) scores.
        target: (N,) scores.
        p: exponent of the differences, at least 1.
        q: exponent of the normalisation, at least 1.
        floor: least value of ``|x - mean(x)|_q / N^(1/q)`` (for q = 2 the standard deviation, in units of the score);
            smaller ones count as it.
    """
    _check(predicted, target, floor)
    if not 1 <= p < math.inf or not 1 <= q < math.inf:
        raise InputError(f'p and q must be >= 1 and finite, got {p} and {q}')
    difference = _normalised(predicted, q, floor) - _normalised(target, q, floor)  # (N,)
    return difference.abs().pow(p).sum() / (2**p * len(predicted) ** max(0.0, 1 - p / q))


def rank_loss(predicted: Tensor, target: Tensor, margin: float = 0.05) -> Tensor:
    """Hinge on pairs: the better photo must lead by the difference of the targets, but by no more than ``margin``.

    The mean over all pairs with ``target_i > target_j`` of
    ``max(0, min(margin, target_i - target_j) - (predicted_i - predicted_j))``; 0 without such a pair. That the margin
    never asks for more than the difference of the targets is a design choice: exact predictions have no loss.

    Args:
        predicted: (N,) scores.
        target: (N,) scores.
        margin: > 0, in units of the score.
    """
    _check(predicted, target, margin, 'margin')
    wanted = target[:, None] - target[None, :]  # (N, N)
    found = predicted[:, None] - predicted[None, :]  # (N, N)
    pairs = wanted > 0
    losses = F.relu(wanted.clamp(max=margin) - found) * pairs
    return losses.sum() / pairs.sum().clamp(min=1)


BLANK_SCORE = 0.04
"""What a frame without a picture may score at most: below nearly every photo that was ever rated (design choice)."""


def ladder_loss(scores: Tensor, levels: Tensor, margin: float = 0.02) -> Tensor:
    """Hinge on rungs: of two levels of a degradation, the harsher must score lower by ``margin`` per level.

    The mean over photos and pairs ``a < b`` of rungs of
    ``max(0, margin (levels_b - levels_a) - (scores_a - scores_b))``, or where b is a frame without a picture (its level
    is infinite) of ``max(0, scores_b - BLANK_SCORE)``, which says nothing of the photo: a hinge between the two would
    push the worst photos up.

    Args:
        scores: (N, R), R >= 2 rungs of N photos, in [0, 1].
        levels: (N, R), growing along a row; infinite for a frame without a picture.
        margin: > 0, in units of the score for each level.
    """
    if scores.dim() != 2 or scores.shape[1] < 2 or scores.shape != levels.shape:
        raise InputError(
            f'scores and levels must both be (N, R >= 2), got {tuple(scores.shape)} and {tuple(levels.shape)}'
        )
    if not 0 < margin < math.inf:
        raise InputError(f'margin must be > 0 and finite, got {margin}')
    mild, harsh = torch.triu_indices(scores.shape[1], scores.shape[1], offset=1, device=scores.device)
    blank = levels[:, harsh].isinf()
    wanted = margin * (levels[:, harsh] - levels[:, mild]).masked_fill(blank, 0)
    fall = (scores[:, mild] - scores[:, harsh]).masked_fill(blank, 0)
    too_high = (scores[:, harsh] - BLANK_SCORE).masked_fill(~blank, 0)
    return (F.relu(wanted - fall) + F.relu(too_high)).mean()


def emd_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Squared earth mover's distance of ordered bins (Hou et al. 2016): the mean squared difference of the cumulative
    distributions over the bins, then over the batch. It is the square of NIMA's EMD with r = 2 (Talebi and Milanfar
    2018); without the root, the gradient is finite where both agree.

    Args:
        logits: (N, K) of the bins.
        target: (N, K) shares, each row sums to 1.
    """
    difference = logits.softmax(dim=-1).cumsum(dim=-1) - target.cumsum(dim=-1)  # (N, K)
    return difference.square().mean()


def cross_entropy_loss(logits: Tensor, target: Tensor) -> Tensor:
    """``-sum_k target_k log(predicted_k)``, the mean over the batch.

    Args:
        logits: (N, K) of the bins.
        target: (N, K) shares, each row sums to 1.
    """
    return -(target * logits.log_softmax(dim=-1)).sum(dim=-1).mean()


SCORE_LOSSES: dict[str, Callable[..., Tensor]] = {
    'smooth_l1': F.smooth_l1_loss,
    'l1': F.l1_loss,
    'mse': F.mse_loss,
    'plcc': plcc_loss,
    'rank': rank_loss,
    'norm_in_norm': norm_in_norm_loss,
}
"""Of (N,) predicted and (N,) target scores."""

PAIR_LOSSES = ('plcc', 'rank', 'norm_in_norm')
"""Those that compare photos with each other: within one rating scale only."""

HISTOGRAM_LOSSES: dict[str, Callable[..., Tensor]] = {'emd': emd_loss, 'cross_entropy': cross_entropy_loss}
"""Of (N, K) logits and (N, K) target shares; they need a ``DistributionHead``."""


@dataclass(frozen=True)
class WeightedLoss:
    """One term of the loss.

    Args:
        name: key of :data:`SCORE_LOSSES` or :data:`HISTOGRAM_LOSSES`.
        weight: > 0.
        arguments: further arguments of the function.
    """

    name: str
    weight: float = 1.0
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in SCORE_LOSSES and self.name not in HISTOGRAM_LOSSES:
            raise InputError(f'unknown loss {self.name!r}; there are: {", ".join([*SCORE_LOSSES, *HISTOGRAM_LOSSES])}')
        if not 0 < self.weight < math.inf:
            raise InputError(f'weight of loss {self.name!r} must be > 0 and finite, got {self.weight}')
        trial = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
        try:
            self(*trial) if self.name in SCORE_LOSSES else self(trial, trial)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f'loss {self.name!r}: {error}') from error

    @property
    def on_histograms(self) -> bool:
        """Whether it takes logits and histograms rather than scores."""
        return self.name in HISTOGRAM_LOSSES

    def __call__(self, predicted: Tensor, target: Tensor) -> Tensor:
        """The weighted loss of a batch, a scalar."""
        function = HISTOGRAM_LOSSES[self.name] if self.on_histograms else SCORE_LOSSES[self.name]
        return self.weight * function(predicted, target, **self.arguments)


def build_losses(
    loss: str | Mapping[str, Any] | Sequence[Mapping[str, Any]], loss_args: Mapping[str, Any] | None = None
) -> list[WeightedLoss]:
    """The terms that a config asks for.

    Args:
        loss: a name; a dict of ``type``, ``weight`` (1 by default) and the arguments of that loss; or a list of such
            dicts, which are summed.
        loss_args: arguments of a loss given by name.

    Raises:
        InputError: no such loss or argument, a bad value, or the same loss twice.
    """
    if isinstance(loss, str):
        return [WeightedLoss(loss, arguments=dict(loss_args or {}))]
    if loss_args:
        raise InputError('loss_args go with a loss given by name; otherwise put them into the dict of the loss')
    terms = []
    for entry in [loss] if isinstance(loss, Mapping) else loss:
        if not isinstance(entry, Mapping) or 'type' not in entry:
            raise InputError(f'a loss must be a name, a dict with a type, or a list of such dicts, got {entry!r}')
        arguments = dict(entry)
        terms.append(WeightedLoss(arguments.pop('type'), arguments.pop('weight', 1.0), arguments))
    names = [term.name for term in terms]
    if not names or len(set(names)) < len(names):
        raise InputError(f'give one or more losses, each once, got {names}')
    return terms


def _check(predicted: Tensor, target: Tensor, positive: float, name: str = 'floor') -> None:
    if predicted.dim() != 1 or predicted.shape != target.shape or not len(predicted):
        raise InputError(f'scores must have one shape (N >= 1,), got {tuple(predicted.shape)}, {tuple(target.shape)}')
    if not 0 < positive < math.inf:
        raise InputError(f'{name} must be > 0 and finite, got {positive}')


def _normalised(scores: Tensor, q: float, floor: float) -> Tensor:
    """(N,) scores -> (N,) centred and divided by their q-norm, which is at least ``floor * N^(1/q)``."""
    centred = scores - scores.mean()
    return centred / torch.linalg.vector_norm(centred, ord=q).clamp(min=floor * len(scores) ** (1 / q))
