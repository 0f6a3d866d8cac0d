"""Maps from the common quality to the opinion scores of several rating scales, learned beside the network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.rating_scales import COMMON, SPREAD, RatingScale

MAPS = ('fixed', 'learned', 'spline')
_KNOTS = (-1.0, 0.0, 1.0)
_EDGE = 1e-4
"""Scores are kept this far from 0 and 1 before their logit is taken."""


class RatingScales(nn.Module):
    """One map a scale: latent quality z -> logit of the opinion score, ``offset + slope z`` with a slope > 0.

    The maps start from the labels (:meth:`start`): the mean and the standard deviation of the logits of a scale's
    scores, as if all scales had photos of the same quality. Fixed maps stay there: labels standardised within their
    scale. Learned maps move from there, so that the network may find out that one set has better photos than another.
    What all maps have in common is nothing but a change of units of z, so the mean of their movements is left out (or,
    with a reference, its movement): otherwise network and maps could drift together.

    Args:
        names: of the scales, in the order of the parameters.
        maps: ``'fixed'``, ``'learned'``, or ``'spline'``: learned, with a slope for each of four segments of z.
        reference: the scale whose raters the exported score speaks for: z is then measured so that the common score is
            that scale's. ``'common'`` for the average of all.

    Raises:
        InputError: no or equal names, an unknown kind of maps, a reference that is no scale.
    """

    offset: Tensor
    log_slope: Tensor
    deviation: Tensor
    knots: Tensor

    def __init__(self, names: Sequence[str], maps: str = 'learned', reference: str = COMMON) -> None:
        super().__init__()
        if isinstance(names, str) or not names or len(set(names)) < len(names):
            raise InputError(f'scales must have different names, at least one, got {names!r}')
        if maps not in MAPS:
            raise InputError(f'maps must be one of {", ".join(MAPS)}, got {maps!r}')
        if COMMON in names or reference not in (COMMON, *names):
            raise InputError(
                f'reference must be {COMMON!r}, which no scale may be called, or one of {", ".join(names)}, '
                f'got {reference!r}'
            )
        self.names = tuple(names)
        self.reference = reference
        self._indices = {name: index for index, name in enumerate(names)}
        self._ranges: dict[str, tuple[float, float]] = {}
        segments = len(_KNOTS) + 1 if maps == 'spline' else 1
        self.register_buffer('knots', torch.tensor(_KNOTS if maps == 'spline' else ()), persistent=False)
        self.register_buffer('offset', torch.zeros(len(names)))  # the start, of the labels
        self.register_buffer('log_slope', torch.zeros(len(names)))
        self.register_buffer('deviation', torch.ones(len(names)))  # of the labels, in [0, 1]
        learned = maps != 'fixed'
        self.moved_offset = nn.Parameter(torch.zeros(len(names)), requires_grad=learned)
        self.moved_log_slope = nn.Parameter(torch.zeros(len(names), segments), requires_grad=learned)

    def extra_repr(self) -> str:
        """Whose scales, and how their maps are found."""
        kind = 'spline' if len(self.knots) else 'learned' if self.moved_offset.requires_grad else 'fixed'
        return f'{", ".join(self.names)}; maps={kind!r}, reference={self.reference!r}'

    def start(self, labels: Mapping[str, tuple[Sequence[float], tuple[float, float]]]) -> None:
        """Begin the maps at the labels.

        Args:
            labels: for every scale its training scores in [0, 1], and its ``mos_range``.

        Raises:
            InputError: the labels are of other scales, or those of a scale are fewer than two or all equal.
        """
        if set(labels) != set(self.names):
            raise InputError(
                f'the model has the scales {", ".join(self.names)}, but the training set {", ".join(sorted(labels))}'
            )
        self._ranges = {name: labels[name][1] for name in self.names}
        for index, name in enumerate(self.names):
            scores = torch.tensor(labels[name][0], dtype=torch.float64)
            if len(scores) < 2 or not scores.std() > 0:
                raise InputError(f'scale {name!r} needs at least two different opinion scores, got {len(scores)}')
            logits = torch.logit(scores, eps=_EDGE)
            self.offset[index] = logits.mean()
            self.log_slope[index] = logits.std().log()
            self.deviation[index] = scores.std()
        if self.reference != COMMON:  # z in units in which the map of the reference is SPREAD z
            place = self._indices[self.reference]
            offset, log_slope = self.offset[place].clone(), self.log_slope[place].clone()
            self.offset -= offset * (self.log_slope - log_slope).exp()
            self.log_slope += math.log(SPREAD) - log_slope

    def index(self, names: Sequence[str]) -> Tensor:
        """(N,) whole numbers of the scales of N photos.

        Raises:
            InputError: a scale that the model does not have.
        """
        unknown = sorted(set(names) - set(self.names))
        if unknown:
            raise InputError(f'no scale {unknown[0]!r} in the model; there are: {", ".join(self.names)}')
        return torch.tensor([self._indices[name] for name in names])

    def forward(self, scores: Tensor, index: Tensor) -> Tensor:
        """What raters of the photos' own scales would say.

        Args:
            scores: (N,) common scores in (0, 1).
            index: (N,) of the scales.

        Returns:
            (N,) scores in (0, 1) on those scales.
        """
        z = torch.logit(scores, eps=1e-6) / SPREAD
        offsets, log_slopes = self._maps()
        ends = torch.cat([self.knots.new_tensor([-math.inf]), self.knots, self.knots.new_tensor([math.inf])])
        low, high = ends[:-1], ends[1:]
        lengths = z[:, None].clamp(low, high) - torch.zeros_like(low).clamp(low, high)  # (N, segments)
        return torch.sigmoid(offsets[index] + (lengths * log_slopes[index].exp()).sum(dim=1))

    def gains(self, index: Tensor) -> Tensor:
        """(N,) factors that make scores of scales with little and with much spread weigh alike."""
        return (self.deviation.mean() / self.deviation)[index]

    @property
    def mos_range(self) -> tuple[float, float]:
        """What scores 0 and 1 mean: the ends of the reference scale, or of the common one."""
        return self._ranges.get(self.reference, (0.0, 1.0))

    def export(self) -> dict[str, Any]:
        """The maps as plain numbers, for the spec of exported weights."""
        offsets, log_slopes = (values.detach().double() for values in self._maps())
        return {
            name: RatingScale(
                mos_range=self._ranges.get(name, (0.0, 1.0)),
                offset=float(offsets[index]),
                slopes=tuple(log_slopes[index].exp().tolist()),
                knots=tuple(self.knots.tolist()),
            ).as_dict()
            for index, name in enumerate(self.names)
        }

    def _maps(self) -> tuple[Tensor, Tensor]:
        """Offsets (S,) and log slopes (S, segments), without the part that is a change of units of z."""
        if self.reference == COMMON:
            still_offset, still_slope = self.moved_offset.mean(), self.moved_log_slope.mean(dim=0)
        else:
            place = self._indices[self.reference]
            still_offset, still_slope = self.moved_offset[place], self.moved_log_slope[place]
        offsets = self.offset + self.moved_offset - still_offset
        return offsets, self.log_slope[:, None] + self.moved_log_slope - still_slope


def within_scales(loss: Any, predicted: Tensor, target: Tensor, index: Tensor) -> Tensor:
    """A loss that compares photos, taken within every scale of a batch: the mean, each scale weighted by its photos.

    Args:
        loss: function of (N,) predicted and (N,) target scores.
        predicted: (N,) scores.
        target: (N,) scores.
        index: (N,) of the scales; scales with a single photo say nothing and are left out.

    Returns:
        A scalar; 0 where no scale has two photos.
    """
    total, count = predicted.sum() * 0, 0
    for place in index.unique():
        same = index == place
        photos = int(same.sum())
        if photos > 1:
            total = total + photos * loss(predicted[same], target[same])
            count += photos
    return total / max(1, count)
