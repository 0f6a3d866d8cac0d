"""The head that turns keys and queries into the QC-Loss."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS
from torch import Tensor

from mmqpt.models.qc_loss import (
    check_share,
    check_temperature,
    qc_logits,
    qc_loss_from_logits,
    qc_similarities,
    qc_statistics,
)


@MODELS.register_module()
class QCHead(BaseModule):
    """Holds the hyper-parameters of :func:`qc_loss`.

    Args:
        temperature: > 0.
        degradation_share: the share of the negatives' weight that degradation-based ones hold while all similarities
            are equal, above 0 and below 1; None for the paper's formula. See :func:`qc_loss`.
    """

    def __init__(self, temperature: float = 0.2, degradation_share: float | None = None) -> None:
        super().__init__()
        self.temperature = check_temperature(temperature)
        self.degradation_share = check_share(degradation_share)

    def extra_repr(self) -> str:
        """The hyper-parameters."""
        return f'temperature={self.temperature:g}, degradation_share={self.degradation_share}'

    def loss(
        self, query: Tensor, positive: Tensor, degradation: Tensor, content: Tensor, content_mask: Tensor | None
    ) -> dict[str, Tensor]:
        """``loss`` and what :func:`qc_statistics` and :func:`qc_similarities` give; see :func:`qc_logits`."""
        logits = qc_logits(query, positive, degradation, content, self.temperature, content_mask)
        with torch.no_grad():
            watched = {**qc_statistics(logits, self.degradation_share), **qc_similarities(logits, self.temperature)}
        return {'loss': qc_loss_from_logits(logits, self.degradation_share), **watched}
