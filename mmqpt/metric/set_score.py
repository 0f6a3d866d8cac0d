"""The mean score of a set of photos, gathered batch by batch as the measures of torchmetrics are."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.metric.open import open_scorer
from mmqpt.metric.score_many import score_many
from mmqpt.metric.scorer import Scorer


class SetScore(NamedTuple):
    """What :class:`QPTMetric` computes.

    Attributes:
        mean: of the scores, 0 to 1, higher is better.
        low, high: ends of the interval of the mean; NaN for fewer than two photos.
        std: standard deviation of the scores, with N - 1; NaN for fewer than two photos.
        photos: how many there were.
    """

    mean: float
    low: float
    high: float
    std: float
    photos: int


class QPTMetric:
    """Mean quality of the photos of a set, such as those that a generator or a codec made.

    ``update`` takes photos as they come, ``compute`` gives mean and interval, ``reset`` starts again; a call is an
    update that gives the scores. The interval is Student's, over photos as independent draws: it says how far the mean
    of other photos of the same kind would be from this one, and nothing about how well the metric agrees with people.
    Where ``torch.distributed`` is running, ``compute`` is over the photos of all processes.

    Args:
        weights: name or file, as of :func:`mmqpt.score`.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        confidence: of the interval, between 0 and 1.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used, or ``confidence`` out of range.
    """

    higher_is_better = True
    is_differentiable = False

    def __init__(
        self,
        weights: str | os.PathLike[str] | Scorer | None = None,
        device: str | torch.device | None = None,
        confidence: float = 0.95,
    ) -> None:
        if not 0 < confidence < 1:
            raise InputError(f'confidence must be between 0 and 1, got {confidence!r}')
        self.scorer = weights if isinstance(weights, Scorer) else open_scorer(weights, device)
        self.confidence = confidence
        self.scores: list[float] = []

    def update(self, photos: Tensor | Iterable[Any]) -> np.ndarray:
        """Add photos.

        Args:
            photos: tensor (N, 3, H, W), uint8 or floating point in [0, 1]; or N photos as :func:`mmqpt.score` takes
                one. A single photo must be in a list.

        Returns:
            float64 (N,), their scores.

        Raises:
            InputError: a photo that can't be scored; the message names it, and none of these photos is added.
        """
        if isinstance(photos, Tensor) and photos.ndim != 4:
            raise InputError(f'photos must have shape (N, 3, H, W), got {tuple(photos.shape)}')
        if isinstance(photos, (str, bytes, bytearray, os.PathLike)) or not isinstance(photos, Iterable):
            raise InputError(f'photos must be a tensor (N, 3, H, W) or a list of photos, got {type(photos).__name__}')
        rows = list(score_many(self.scorer, photos))
        bad = next((row.error for row in rows if row.error is not None), None)
        if bad is not None:
            raise InputError(bad)
        new = [float(row.score) for row in rows if row.score is not None]
        self.scores += new
        return np.array(new)

    __call__ = update

    def compute(self) -> SetScore:
        """Mean and interval of all photos so far.

        Raises:
            InputError: there are none.
        """
        scores = np.array(self._gathered())
        if not len(scores):
            raise InputError('no photos yet: call update before compute')
        mean, count = float(scores.mean()), len(scores)
        if count < 2:
            return SetScore(mean, math.nan, math.nan, math.nan, count)
        from scipy.stats import t  # takes half a second

        std = float(scores.std(ddof=1))
        half = float(t.ppf((1 + self.confidence) / 2, count - 1)) * std / math.sqrt(count)
        return SetScore(mean, max(0.0, mean - half), min(1.0, mean + half), std, count)

    def reset(self) -> None:
        """Forget all photos."""
        self.scores.clear()

    def _gathered(self) -> list[float]:
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()):
            return self.scores
        parts: list[Any] = [None] * distributed.get_world_size()
        distributed.all_gather_object(parts, self.scores)
        return [score for part in parts for score in part]

    def __repr__(self) -> str:
        return f'QPTMetric({self.scorer.spec.backbone}, {len(self.scores)} photos, confidence {self.confidence:g})'
