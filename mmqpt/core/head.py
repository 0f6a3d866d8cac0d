"""From the features of a backbone to one score. Fine-tuning and the metric share it, so that they compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.networks import channels_come_last, extra_tokens

POOLINGS = ('last', 'stages', 'moments')
"""What is kept of the maps: means of the last stage, means of all stages, or means and standard deviations of all."""

_SMALL = 1e-6
"""Added to variances before the root, whose slope is infinite at 0."""


def pool_features(
    features: Tensor | Sequence[Tensor], backbone: nn.Module | None = None, pooling: str = 'last'
) -> Tensor:
    """Average what a backbone returns over space.

    Of tokens, only those of patches are averaged; class, distillation and register tokens are left out (design choice:
    a ViT's tokens, and the maps that timm's ``features_only`` makes of them, then give the same).

    Args:
        features: (N, C, H, W) maps, (N, L, C) tokens or (N, C) vectors, or a sequence of them (stages).
        backbone: what returned them; it knows whether maps are (N, H, W, C), and how many tokens are not patches.
        pooling: one of :data:`POOLINGS`. ``'last'``: means of the last stage. ``'stages'``: means of every stage,
            joined. ``'moments'``: for every stage its means, then its standard deviations over space; quality varies
            within a photo (Li, Jiang and Jiang, "Quality assessment of in-the-wild videos", ACM Multimedia 2019).

    Returns:
        (N, C) tensor; C is the sum over the stages, twice that for moments.
    """
    listed = [features] if isinstance(features, Tensor) else list(features)
    if pooling == 'last':
        listed = listed[-1:]
    pooled = [_pool(stage, backbone, pooling == 'moments') for stage in listed]
    return pooled[0] if len(pooled) == 1 else torch.cat(pooled, dim=1)


def _pool(features: Tensor, backbone: nn.Module | None, deviations: bool) -> Tensor:
    if features.dim() == 4:
        last = backbone is not None and channels_come_last(backbone)
        over: tuple[int, ...] = (1, 2) if last else (2, 3)
    elif features.dim() == 3:
        skipped = 0 if backbone is None else extra_tokens(backbone)
        features, over = features[:, skipped:], (1,)
    elif features.dim() == 2 and not deviations:
        return features
    else:
        wanted = '3 or 4 dimensions for moments' if deviations else '2, 3 or 4 dimensions'
        raise InputError(f'backbone features must have {wanted}, got shape {tuple(features.shape)}')
    mean = features.mean(dim=over, keepdim=True)
    if not deviations:
        return mean.flatten(1)
    variance = (features - mean).square().mean(dim=over)
    return torch.cat([mean.flatten(1), (variance + _SMALL).sqrt()], dim=1)


class Standardise(nn.Module):
    """Features less their mean over their standard deviation, both measured once on a training set.

    The means and deviations of a network's stages differ a thousandfold in spread; a layer that sees them as they are
    learns from a few large ones for a long time. Until :meth:`measure` it changes nothing.

    Args:
        channels: length of the features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer('mean', torch.zeros(channels))
        self.register_buffer('deviation', torch.ones(channels))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Take mean and deviation of (N, C) features, N >= 2; features that never vary keep a deviation of 1.

        Raises:
            InputError: fewer than two rows, another length, or values that are not finite.
        """
        if features.dim() != 2 or len(features) < 2 or features.shape[1] != len(self.mean):
            raise InputError(
                f'features to standardise by must be (N >= 2, {len(self.mean)}), got {tuple(features.shape)}'
            )
        if not features.isfinite().all():
            raise InputError('features to standardise by are not all finite')
        deviation, mean = torch.std_mean(features.double(), dim=0)
        constant = deviation <= 1e-6 * mean.abs().clamp(min=1.0)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(constant, torch.ones_like(deviation), deviation))

    def extra_repr(self) -> str:
        """The length of the features."""
        return f'{len(self.mean)}'

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) -> (N, C)."""
        return (features - self.mean) / self.deviation


class QualityHead(nn.Module):
    """Pooled features -> score in (0, 1), higher is better.

    Dropout, then ``Linear -> ReLU -> Linear``, or a single ``Linear`` with ``hidden=0``; a sigmoid keeps every score
    inside the range without clipping, so that no two photos tie at an end (design choice).

    Args:
        channels: length of the pooled features.
        hidden: width of the hidden layer; 0 for none.
        dropout: probability, applied to the features.
        pooling: which features it takes, one of :data:`POOLINGS`; see :func:`pool_features`.
        standardise: whether features are standardised first, see :class:`Standardise`; ``HeadStartHook`` measures how.
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 256,
        dropout: float = 0.0,
        pooling: str = 'last',
        standardise: bool = False,
    ) -> None:
        super().__init__()
        self.layers = _layers(type(self).__name__, channels, hidden, dropout, pooling, 1, standardise)
        self.pooling = pooling

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) features -> (N,) scores."""
        return torch.sigmoid(self.layers(features).squeeze(-1))


class DistributionHead(nn.Module):
    """Pooled features -> the distribution of opinions over K bins; the score is its expectation, in (0, 1).

    Bin k of 0 to K - 1 stands for the score k / (K - 1): on a scale of 1 to 5 asked for in five categories, K = 5 and
    bin k is category k + 1.

    Args:
        channels: length of the pooled features.
        bins: K, at least 2.
        hidden: width of the hidden layer; 0 for none.
        dropout: probability, applied to the features.
        pooling: as of :class:`QualityHead`.
        standardise: as of :class:`QualityHead`.
    """

    centres: Tensor

    def __init__(
        self,
        channels: int,
        bins: int,
        hidden: int = 256,
        dropout: float = 0.0,
        pooling: str = 'last',
        standardise: bool = False,
    ) -> None:
        super().__init__()
        if bins < 2:
            raise InputError(f'bins must be >= 2, got {bins}')
        self.layers = _layers(type(self).__name__, channels, hidden, dropout, pooling, bins, standardise)
        self.pooling = pooling
        self.register_buffer('centres', torch.linspace(0, 1, bins), persistent=False)

    def logits(self, features: Tensor) -> Tensor:
        """(N, C) features -> (N, K) logits of the bins."""
        return self.layers(features)

    def expectation(self, logits: Tensor) -> Tensor:
        """(N, K) logits -> (N,) scores."""
        return (logits.softmax(dim=-1) * self.centres).sum(dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        """(N, C) features -> (N,) scores."""
        return self.expectation(self.logits(features))


HEADS: dict[str, type[QualityHead] | type[DistributionHead]] = {
    'QualityHead': QualityHead,
    'DistributionHead': DistributionHead,
}


def build_head(config: Mapping[str, Any]) -> QualityHead | DistributionHead:
    """A head from its arguments and ``type``, one of :data:`HEADS`; without a type a :class:`QualityHead`.

    Raises:
        InputError: no such type or argument, or a bad value.
    """
    arguments = dict(config)
    kind = arguments.pop('type', 'QualityHead')
    if not isinstance(kind, str) or kind not in HEADS:
        raise InputError(f'unknown head {kind!r}; there are: {", ".join(HEADS)}')
    try:
        return HEADS[kind](**arguments)
    except (TypeError, RuntimeError, OverflowError) as error:  # the last two: sizes beyond all memory
        raise InputError(f'{kind}: {error}') from error


def _layers(
    name: str, channels: int, hidden: int, dropout: float, pooling: str, outputs: int, standardise: bool
) -> nn.Sequential:
    if channels < 1 or hidden < 0 or not 0 <= dropout < 1:
        raise InputError(
            f'{name} needs channels >= 1, hidden >= 0 and 0 <= dropout < 1, got {channels}, {hidden} and {dropout}'
        )
    if pooling not in POOLINGS:
        raise InputError(f'pooling must be one of {", ".join(POOLINGS)}, got {pooling!r}')
    if not isinstance(standardise, bool):
        raise InputError(f'{name}: standardise must be true or false, got {standardise!r}')
    layers: list[nn.Module] = [Standardise(channels)] if standardise else []
    layers.append(nn.Dropout(dropout))
    if hidden:
        layers += [nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    else:
        layers += [nn.Linear(channels, outputs)]
    return nn.Sequential(*layers)
