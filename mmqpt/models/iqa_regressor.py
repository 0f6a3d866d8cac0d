"""Fine-tuning: backbone and quality head, trained on opinion scores."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.head import QualityHead, pool_features
from mmqpt.core.view import View
from mmqpt.models.backbone import build_backbone, freeze_statistics, load_backbone

LOSSES = {'smooth_l1': F.smooth_l1_loss, 'l1': F.l1_loss, 'mse': F.mse_loss}


@MODELS.register_module()
class IQARegressor(BaseModel):
    """Photos -> scores in (0, 1), higher is better.

    Args:
        backbone: any mmpretrain backbone, or a timm model through ``TIMMBackbone``.
        head: arguments of :class:`QualityHead`; ``channels`` is filled in.
        view: arguments of :class:`View`, the size rule at test time; exported with the weights.
        loss: one of :data:`LOSSES`, on scores in [0, 1].
        loss_args: further arguments of the loss, such as ``beta`` of smooth-L1 (in units of the score).
        norm_eval: whether the BatchNorm layers of the backbone keep their statistics.
        channels_last: whether convolutions run in channels-last memory order; 2.6 times as fast for EfficientNet-Lite0
            on a CPU, and what GPUs want under AMP.
        pretrained: weights to start the backbone from, see :func:`load_backbone`.
        input_size: px, for asking the backbone for its feature length once.
        data_preprocessor: a ``PhotoPreprocessor``.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any] | None = None,
        view: dict[str, Any] | None = None,
        loss: str = 'smooth_l1',
        loss_args: dict[str, Any] | None = None,
        norm_eval: bool = False,
        channels_last: bool = False,
        pretrained: str | None = None,
        input_size: int = 224,
        data_preprocessor: dict[str, Any] | None = None,
    ) -> None:
        if loss not in LOSSES:
            raise InputError(f'unknown loss {loss!r}; there are: {", ".join(LOSSES)}')
        super().__init__(data_preprocessor=MODELS.build({'type': 'PhotoPreprocessor', **(data_preprocessor or {})}))
        self._backbone_cfg = dict(backbone)
        self._head_cfg = dict(head or {})
        self.backbone, self.channels = build_backbone(backbone, input_size)
        self.head = QualityHead(self.channels, **self._head_cfg)
        self.view = View(**(view or {}))
        self.loss_name = loss
        self.loss_args = dict(loss_args or {})
        self.norm_eval = norm_eval
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.pretrained = pretrained
        self.to(memory_format=self.memory_format)

    def init_weights(self) -> None:
        """Initialise, then load ``pretrained`` into the backbone."""
        super().init_weights()
        if self.pretrained:
            load_backbone(self.backbone, self.pretrained)

    def train(self, mode: bool = True) -> IQARegressor:
        """BatchNorm of the backbone stays in eval mode under ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            freeze_statistics(self.backbone)
        return self

    def forward(
        self, inputs: Tensor | list[Tensor], data_samples: list[DataSample] | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor] | list[DataSample]:
        """MMEngine's entry.

        Args:
            inputs: (N, 3, H, W) in [0, 1], or for prediction a list of (3, H, W) of different sizes.
            data_samples: N samples; for the loss with ``gt_score``.
            mode: ``'loss'``: a dict with the loss. ``'predict'``: the samples with ``pred_score``. ``'tensor'``: (N,)
                scores of the photos as they are, without the size rule.
        """
        if mode == 'tensor':
            return self.score_views(torch.stack(inputs) if isinstance(inputs, list) else inputs)
        if data_samples is None:
            raise InputError(f'mode {mode!r} needs data_samples')
        if mode == 'loss':
            if isinstance(inputs, list):
                raise InputError(
                    'training needs crops of one size; use RandomQualityCrop with a crop that every photo holds'
                )
            target = torch.cat([sample.gt_score for sample in data_samples]).to(inputs.device)
            predicted = self.score_views(inputs).float()
            return {'loss': LOSSES[self.loss_name](predicted, target, **self.loss_args)}
        if mode == 'predict':
            for image, sample in zip(inputs, data_samples, strict=True):
                sample.set_pred_score(self.predict_photo(image[None]))
            return data_samples
        raise InputError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    def score_views(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) scores, without the size rule."""
        images = self.data_preprocessor.normalise(images).contiguous(memory_format=self.memory_format)
        return self.head(pool_features(self.backbone(images)))

    def predict_photo(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) scores under the size rule: the mean over the views of a photo."""
        return torch.stack([self.score_views(view) for view in self.view.crops(images)]).mean(dim=0)

    def export_spec(self) -> dict[str, Any]:
        """What is needed to score elsewhere; stored in checkpoints and exported files."""
        return {
            'kind': 'metric',
            'backbone': self._backbone_cfg,
            **self.data_preprocessor.statistics,
            'head': {'channels': self.channels, **self._head_cfg},
            'view': self.view.as_dict(),
        }
