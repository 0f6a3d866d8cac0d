"""Rating scales: what raters of one set, or of one part of it, call a photo of a given quality.

Raters of different sets use their scales differently: ranges differ, and so does what a middling photo is called. A
network that is trained on several scales predicts one common quality, and every scale has a map of its own from there
(mixed-data-set training: Li, Jiang and Jiang, "Unified quality assessment of in-the-wild videos with mixed datasets
training", IJCV 2021, align by an affine map; that ours works on logits, so that scores stay inside their range, is a
design choice).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError

COMMON = 'common'
"""Name of the scale that belongs to no raters: the average of those that a network was trained on."""

SPREAD = 0.8
"""Logits that one standard deviation of the latent quality takes on the common scale: the scores of most photos (two
deviations) then lie between .17 and .83. A design choice."""

_MOST_KNOTS = 100


@dataclass(frozen=True)
class RatingScale:
    """The map from the latent quality z to the opinion scores of one scale.

    ``mos = low + (high - low) sigmoid(f(z))``, where f is piecewise linear, rises, and is ``offset`` at 0. The common
    score is ``sigmoid(SPREAD z)``.

    Args:
        mos_range: least and greatest score of the scale, in its units.
        offset: f(0), in logits.
        slopes: of f between the knots, K + 1 values > 0, in logits for one unit of z.
        knots: K values of z, rising, where the slope changes; none for a straight line.

    Raises:
        InputError: numbers that are not finite, slopes that do not rise, knots out of order.
    """

    mos_range: tuple[float, float]
    offset: float
    slopes: tuple[float, ...]
    knots: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ('mos_range', 'slopes', 'knots'):  # JSON gives lists
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or not all(_is_finite(number) for number in value):
                raise InputError(f'{name} of a rating scale must be finite numbers, got {value!r:.100}')
            object.__setattr__(self, name, tuple(float(number) for number in value))
        if not _is_finite(self.offset):
            raise InputError(f'offset of a rating scale must be a finite number, got {self.offset!r:.100}')
        if len(self.mos_range) != 2 or not self.mos_range[0] < self.mos_range[1]:
            raise InputError(f'mos_range of a rating scale must be (low, high) with low < high, got {self.mos_range}')
        if len(self.knots) > _MOST_KNOTS or len(self.slopes) != len(self.knots) + 1 or min(self.slopes) <= 0:
            raise InputError(
                f'a rating scale needs one slope > 0 more than it has knots ({len(self.knots)}, at most '
                f'{_MOST_KNOTS}), got {self.slopes}'
            )
        if any(one >= two for one, two in zip(self.knots, self.knots[1:], strict=False)):
            raise InputError(f'knots of a rating scale must rise, got {self.knots}')

    def from_common(self, scores: Any) -> np.ndarray:
        """What raters of this scale would say: common scores in [0, 1], of any shape -> opinion scores in its units."""
        z = np.clip(logit(np.asarray(scores, np.float64)) / SPREAD, -1e6, 1e6)
        logits = self.offset + segment_lengths(z, self.knots) @ np.asarray(self.slopes)
        low, high = self.mos_range
        return low + (high - low) / (1 + np.exp(-np.clip(logits, -500, 500)))

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def check_scales(scales: Any) -> dict[str, RatingScale]:
    """The rating scales of a file, which may be a stranger's.

    Raises:
        InputError: no mapping of names to the fields of :class:`RatingScale`.
    """
    if not isinstance(scales, Mapping) or not all(isinstance(name, str) for name in scales):
        raise InputError(f'scales must map names to rating scales, got {scales!r:.100}')
    found = {}
    for name, fields in scales.items():
        try:
            found[name] = RatingScale(**fields)
        except TypeError as error:
            raise InputError(f'rating scale {name!r:.100}: {error}') from error
    return found


def logit(scores: np.ndarray) -> np.ndarray:
    """The inverse of the sigmoid; infinite at 0 and 1."""
    with np.errstate(divide='ignore'):
        found: np.ndarray = np.log(scores) - np.log1p(-scores)
    return found


def segment_lengths(z: np.ndarray, knots: Sequence[float]) -> np.ndarray:
    """How far the way from 0 to z runs within each of the K + 1 segments that K knots make, negative to the left.

    Args:
        z: (...) values.
        knots: K rising values.

    Returns:
        (..., K + 1); the sum over the segments is z.
    """
    ends = np.array([-math.inf, *knots, math.inf])
    low, high = ends[:-1], ends[1:]
    found: np.ndarray = np.clip(z[..., None], low, high) - np.clip(0.0, low, high)
    return found


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
