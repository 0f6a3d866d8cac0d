"""Fine-tuning: backbone and quality head, trained on opinion scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.head import DistributionHead, build_head, pool_features
from mmqpt.core.networks import fixed_size, size_step
from mmqpt.core.view import View
from mmqpt.models.backbone import build_backbone, load_pretrained
from mmqpt.models.batch_statistics import freeze_statistics
from mmqpt.models.freezing import eval_mode, freeze_backbone
from mmqpt.models.histograms import score_histogram
from mmqpt.models.iqa_losses import PAIR_LOSSES, build_losses, ladder_loss
from mmqpt.models.protocol import BatchFeatures
from mmqpt.models.rating_scales import RatingScales, within_scales


@MODELS.register_module()
class IQARegressor(BaseModel):
    """Photos -> scores in (0, 1), higher is better.

    Args:
        backbone: any mmpretrain backbone, or a timm model through ``TIMMBackbone``.
        head: arguments of a head and its ``type``, see :func:`build_head`; ``channels`` is filled in.
        view: arguments of :class:`View`, the size rule at test time; exported with the weights.
        loss: a name, a dict or a list of dicts, see :func:`build_losses`; on scores in [0, 1].
        loss_args: further arguments of a loss given by name, such as ``beta`` of smooth-L1 (in units of the score).
        scales: names of the rating scales of the training set (``IQADataset(scale_column=...)`` or
            ``ConcatRatedSets``), or a dict of the arguments of :class:`RatingScales`; None where all photos share one.
            The network then predicts one common quality, and a map for each scale takes it to the labels of that scale;
            losses that compare photos (plcc, rank, norm_in_norm) are taken within a scale, and in the others each scale
            weighs by its number of photos, not by its spread.
        ladder: ``dict(weight=..., margin=...)`` of :func:`ladder_loss`, for samples with a ladder from
            :class:`LevelLadder`; None leaves ladders unused.
        freeze: parts of the backbone to leave untrained, see :func:`freeze_backbone`.
        norm_eval: whether the BatchNorm layers of the backbone keep their statistics.
        channels_last: whether convolutions run in channels-last memory order; 2.6 times as fast for EfficientNet-Lite0
            on a CPU, and what GPUs want under AMP.
        pretrained: weights to start the backbone from, see :func:`load_pretrained`.
        input_size: px, for asking the backbone for its feature length once.
        data_preprocessor: a ``PhotoPreprocessor``.

    Raises:
        InputError: an unknown loss or head, a loss on histograms without a ``DistributionHead``, or a view that gives
            photos of sizes that the backbone does not take: two odd ones are tried where it cuts no crops.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        head: dict[str, Any] | None = None,
        view: dict[str, Any] | None = None,
        loss: str | Mapping[str, Any] | Sequence[Mapping[str, Any]] = 'smooth_l1',
        loss_args: dict[str, Any] | None = None,
        scales: Sequence[str] | Mapping[str, Any] | None = None,
        ladder: dict[str, float] | None = None,
        freeze: int | str | Sequence[str] | None = None,
        norm_eval: bool = False,
        channels_last: bool = False,
        pretrained: str | None = None,
        input_size: int = 224,
        data_preprocessor: dict[str, Any] | None = None,
    ) -> None:
        losses = build_losses(loss, loss_args)
        super().__init__(data_preprocessor=MODELS.build({'type': 'PhotoPreprocessor', **(data_preprocessor or {})}))
        self.losses = losses
        self.ladder = _ladder(ladder)
        self._backbone_cfg = dict(backbone)
        self._head_cfg = dict(head or {})
        self.pooling = self._head_cfg.get('pooling', 'last')
        self.view = View(**(view or {}))
        # Only without an upper bound are the crops of a very long strip as large as those of other photos.
        self._shown = self.view.crop if self.view.max_side is None else None
        sizes = None if self._shown is None else [(self._shown, self._shown)]
        self.backbone, self.channels = build_backbone(backbone, input_size, self.pooling, sizes)
        tried = input_size if self._shown is None or size_step(self.backbone) > 1 else self._shown
        self.input_size = fixed_size(self.backbone) or tried
        self.head = build_head({'channels': self.channels, **self._head_cfg})
        for term in losses:
            if term.on_histograms and not isinstance(self.head, DistributionHead):
                raise InputError(f"loss {term.name!r} needs head=dict(type='DistributionHead', bins=K)")
            if term.on_histograms and scales is not None:
                raise InputError(f'loss {term.name!r} is on histograms of one scale: it does not go with scales')
        self.scales = _scales(scales)
        self._check_sizes()
        self.norm_eval = norm_eval
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.pretrained = pretrained
        self.to(memory_format=self.memory_format)
        self._frozen = freeze_backbone(self.backbone, freeze)

    def init_weights(self) -> None:
        """Initialise, then load ``pretrained`` into the backbone."""
        super().init_weights()
        if self.pretrained:
            load_pretrained(self.backbone, self.pretrained)

    def train(self, mode: bool = True) -> IQARegressor:
        """Frozen parts stay in eval mode, and BatchNorm of the backbone under ``norm_eval``."""
        super().train(mode)
        if self.norm_eval:
            freeze_statistics(self.backbone)
        eval_mode(self._frozen)
        return self

    def forward(
        self, inputs: Tensor | list[Tensor], data_samples: list[DataSample] | None = None, mode: str = 'tensor'
    ) -> Tensor | dict[str, Tensor] | list[DataSample]:
        """MMEngine's entry.

        Args:
            inputs: (N, 3, H, W) in [0, 1]; for the loss also (N, C, 3, H, W), C crops of every photo; for prediction
                also a list of (3, H, W) of different sizes.
            data_samples: N samples; for the loss with ``gt_score``, and where known ``gt_histogram`` (K shares) and
                ``gt_score_sd``.
            mode: ``'loss'``: a dict with the loss, or with every term of it. ``'predict'``: the samples with
                ``pred_score``, and with ``pred_on_scale`` where the model knows their rating scale. ``'tensor'``: (N,)
                scores of the photos as they are, without the size rule.
        """
        if mode == 'tensor':
            return self.score_views(torch.stack(inputs) if isinstance(inputs, list) else inputs)
        if data_samples is None:
            raise InputError(f'mode {mode!r} needs data_samples')
        if mode == 'loss':
            if isinstance(inputs, list):
                raise InputError(
                    'training needs crops of one size; use RandomQualityCrop with a crop that fits into every photo'
                )
            return self.losses_of(self.batch_features(inputs, data_samples), data_samples)
        if mode == 'predict':
            for image, sample in zip(inputs, data_samples, strict=True):
                if image.dim() != 3:
                    raise InputError(f'a photo to score must be (3, H, W), got {tuple(image.shape)}; View cuts crops')
                sample.set_pred_score(self.predict_photo(image[None]))
                if self.scales is not None and sample.get('scale') in self.scales.names:
                    index = self.scales.index([sample.get('scale')]).to(sample.pred_score.device)
                    sample.set_field(
                        float(self.scales(sample.pred_score, index)), 'pred_on_scale', field_type='metainfo'
                    )
            return data_samples
        raise InputError(f"mode must be 'tensor', 'loss' or 'predict', got {mode!r}")

    def extract_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N, C) pooled features, without the size rule."""
        images = self.data_preprocessor.normalise(images).contiguous(memory_format=self.memory_format)
        return pool_features(self.backbone(images), self.backbone, self.pooling)

    def score_views(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,) scores, without the size rule."""
        features = self.extract_features(images)
        with torch.autocast(features.device.type, enabled=False):
            return self.head(features.float())

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
            'input_size': self.input_size,
            **({'scale': self.scales.reference, 'scales': self.scales.export()} if self.scales else {}),
        }

    def start_scales(self, labels: Mapping[str, tuple[Sequence[float], tuple[float, float]]]) -> None:
        """Begin the maps of the rating scales at the labels of the training set; called by :class:`RatingScalesHook`.

        Raises:
            InputError: the model has no scales, or others.
        """
        if self.scales is None:
            raise InputError(
                f'the training set has the rating scales {", ".join(labels)}: give the model scales=[...], or leave '
                'scale and scale_column out of the set'
            )
        self.scales.start(labels)

    def batch_features(self, inputs: Tensor | list[Tensor], samples: list[DataSample]) -> BatchFeatures:
        """What the head needs of a training batch; arguments as of ``forward`` for the loss.

        Inputs of different sizes, (3, H, W) each, are whole photos: they go through the size rule, and the features of
        a photo are the mean of those of its views.
        """
        if isinstance(inputs, Tensor) and inputs.dim() == 5:
            inputs = inputs.flatten(0, 1)  # (N C, 3, H, W)
        ladder = None
        if self.ladder:
            if not all('ladder' in sample for sample in samples):
                raise InputError(
                    'the model has a ladder, but the samples have none; put a LevelLadder into the pipeline'
                )
            rungs = self.data_preprocessor.scale(torch.stack([sample.ladder for sample in samples]))  # (N, R, 3, H, W)
            ladder = self.extract_features(rungs.flatten(0, 1))
        return BatchFeatures(self.photo_features(inputs), ladder)

    def photo_features(self, inputs: Tensor | list[Tensor]) -> Tensor:
        """(N, 3, H, W) -> (N, C) features as they are; a list of N whole photos (3, H, W) under the size rule."""
        if isinstance(inputs, Tensor):
            return self.extract_features(inputs)
        return torch.stack(
            [
                torch.cat([self.extract_features(view) for view in self.view.crops(photo[None])]).mean(dim=0)
                for photo in inputs
            ]
        )

    def losses_of(self, features: BatchFeatures, samples: list[DataSample]) -> dict[str, Tensor]:
        """The losses of a training batch from its features, by name; the ladder's images are not looked at.

        The head and the losses are computed in float32 also under autocast.
        """
        with torch.autocast(features.photos.device.type, enabled=False):  # half precision gives a few hundred scores
            photos = features.photos.float()
            ladder = None if features.ladder is None else features.ladder.float()
            return self._losses_of(BatchFeatures(photos, ladder), samples)

    def _losses_of(self, features: BatchFeatures, samples: list[DataSample]) -> dict[str, Tensor]:
        """The same, of float32 features and outside autocast."""
        photos = features.photos
        target = torch.cat([sample.gt_score for sample in samples]).to(photos.device)  # (N,)
        crops = len(photos) // len(samples)
        if isinstance(self.head, DistributionHead):
            logits = self.head.logits(photos)  # (N C, K)
            predicted = self.head.expectation(logits)
        else:
            predicted = self.head(photos)  # (N C,)
        index = None
        if self.scales is not None:
            index = self.scales.index([_scale_of(sample) for sample in samples]).to(photos.device)
            index = index.repeat_interleave(crops)  # (N C,)
            predicted = self.scales(predicted, index)
        found = {}
        for term in self.losses:
            if term.on_histograms:
                shares = self._histograms(samples, target, logits.shape[1]).repeat_interleave(crops, dim=0)
                value = term(logits, shares)
            elif index is None:
                value = term(predicted, target.repeat_interleave(crops))
            elif term.name in PAIR_LOSSES:
                value = within_scales(term, predicted, target.repeat_interleave(crops), index)
            else:
                gains = self.scales.gains(index)  # type: ignore[union-attr]
                value = term(predicted * gains, target.repeat_interleave(crops) * gains)
            found['loss' if len(self.losses) == 1 else f'loss_{term.name}'] = value
        if self.ladder and features.ladder is not None:
            levels = torch.stack([sample.ladder_levels for sample in samples])  # (N, R)
            scores = self.head(features.ladder).view_as(levels)
            found['loss_ladder'] = self.ladder['weight'] * ladder_loss(scores, levels, self.ladder['margin'])
        return found

    @staticmethod
    def _histograms(samples: list[DataSample], scores: Tensor, bins: int) -> Tensor:
        """(N, K) target shares: those of the data set, or made from the scores and their deviations."""
        deviations = None
        if 'gt_score_sd' in samples[0]:
            deviations = torch.cat([sample.gt_score_sd for sample in samples]).to(scores.device)
        if 'gt_histogram' not in samples[0]:
            return score_histogram(scores, bins, deviations)
        shares = torch.stack([sample.gt_histogram for sample in samples]).to(scores.device)
        if shares.shape[1] != bins:
            raise InputError(f'the data set has histograms of {shares.shape[1]} bins, but the head has {bins}')
        return shares

    def _check_sizes(self) -> None:
        """A ViT or Swin may take photos of one size only, or of multiples of its patches."""
        side, step, view, shown = fixed_size(self.backbone), size_step(self.backbone), self.view, self._shown
        if side is not None and shown != side:
            raise InputError(
                f'this backbone takes photos of {side} px only: view must have crop={side}, min_side >= {side} and '
                f'max_side=None, got {view}; a ViT of timm takes any size with dynamic_img_size and dynamic_img_pad'
            )
        if step > 1 and (shown is None or shown % step):
            raise InputError(
                f'this backbone takes photos whose sides are multiples of {step} px: view must have such a crop and '
                f'max_side=None, got {view}; a ViT of timm takes any size with dynamic_img_size and dynamic_img_pad'
            )


def _scales(given: Sequence[str] | Mapping[str, Any] | None) -> RatingScales | None:
    """The rating scales of a config."""
    if given is None:
        return None
    return RatingScales(**given) if isinstance(given, Mapping) else RatingScales(given)


def _scale_of(sample: DataSample) -> str:
    scale = sample.get('scale')
    if scale is None:
        raise InputError('the model has rating scales, but photos have none: give the set scale_column or scale')
    return str(scale)


def _ladder(given: Mapping[str, float] | None) -> dict[str, float] | None:
    """The terms of ``ladder`` with their defaults, or an error."""
    if given is None:
        return None
    terms = {'weight': 1.0, 'margin': 0.02, **given}
    numbers = all(isinstance(value, (int, float)) and 0 < value < math.inf for value in terms.values())
    if set(terms) != {'weight', 'margin'} or not numbers:
        raise InputError(f'ladder takes weight > 0 and margin > 0, both finite, got {dict(given)}')
    return terms
