"""What the train loop, the hooks and a model tell each other; a model without a part of it trains as usual.

| Part | Called by | When | What for |
|---|---|---|---|
| :class:`CountsSteps` | ``ResumableTrainLoop`` | before a training batch | act once per optimiser step |
| :class:`ShowsEmbeddings` | ``CollapseWatchHook`` | after a training batch | see whether embeddings collapse |
| :class:`StartsHead` | ``HeadStartHook`` | before training | fit the head alone, on features computed once |
| :class:`Contrasts` | ``PretextWatchHook`` | around a training batch | see what of the pretext task is learned |
| :class:`Exportable` | ``ExportSpecHook`` | before a checkpoint is saved | say how to use the weights |

Loop and hooks ask the model itself, not its wrapper (``MMDistributedDataParallel``), whether it has a part
(``isinstance``). Of a model they use these methods, what MMEngine and PyTorch give every model, and for rating scales
``start_scales`` and ``scales`` of :class:`IQARegressor`; they set nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class CountsSteps(Protocol):
    """A model with work that belongs to an optimiser step, such as a queue of keys."""

    def begin_batch(self, ends_step: bool) -> None:
        """Hear of the next training batch.

        Args:
            ends_step: whether the optimiser steps after it; under gradient accumulation only the last batch of a step
                does. A model that is never told takes each batch for a step.
        """


@dataclass(frozen=True)
class Embeddings:
    """What a training batch gave.

    Args:
        queries: (M, E) unit vectors of this rank, detached.
        queued: how many keys the queue holds, a scalar; None for a model without a queue.
    """

    queries: Tensor
    queued: Tensor | None = None


@runtime_checkable
class ShowsEmbeddings(Protocol):
    """A model that learns embeddings by contrast."""

    def last_embeddings(self) -> Embeddings | None:
        """Those of the last training batch; None before the first."""


@dataclass(frozen=True)
class BatchFeatures:
    """Pooled features of a training batch.

    Args:
        photos: (N C, F), C crops of each of N photos.
        ladder: (N R, F), R rungs of each photo's ladder; None for a model without ladders.
    """

    photos: Tensor
    ladder: Tensor | None = None


@runtime_checkable
class StartsHead(Protocol):
    """A model of a backbone and a ``head``, whose losses can be had from features alone."""

    head: nn.Module

    def batch_features(self, inputs: Any, samples: list[Any]) -> BatchFeatures:
        """What the head needs of a training batch."""

    def losses_of(self, features: BatchFeatures, samples: list[Any]) -> dict[str, Tensor]:
        """The losses of a training batch, by name."""


@dataclass(frozen=True)
class Contrast:
    """What a query is compared with, and how.

    Args:
        keys: of a batch, on this rank.
        degradations: degradation-based negatives of a query.
        contents: content-based negatives of a query once the queue is full.
        temperature: that similarities are divided by.
        degradation_share: see :func:`mmqpt.models.qc_loss.qc_loss`.
        queue_length: keys in the queue.
        momentum: of the key encoder, once it no longer rises.
    """

    keys: int
    degradations: int
    contents: int
    temperature: float
    degradation_share: float | None
    queue_length: int
    momentum: float


@runtime_checkable
class Contrasts(Protocol):
    """A model that learns to tell degraded versions of a photo apart."""

    def contrast(self, inputs: Tensor) -> Contrast:
        """What the queries of a preprocessed batch (N, V, P, 3, S, S) meet."""

    def untrained_backbone(self, inputs: Tensor) -> nn.Module:
        """A frozen copy of the backbone, to be made before the first step; ``inputs`` are preprocessed."""

    def feature_accuracy(self, inputs: Tensor, backbone: nn.Module) -> Tensor:
        """How well features of a backbone solve the task as they are, a scalar; ``inputs`` are preprocessed."""


@runtime_checkable
class Exportable(Protocol):
    """A model whose checkpoints say how to use them."""

    def export_spec(self) -> dict[str, Any]:
        """What export needs, as JSON takes it: ``kind``, ``backbone``, and so on."""
