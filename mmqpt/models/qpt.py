"""QPT: contrastive pre-training on degraded photos, with a momentum encoder and a queue as in MoCo."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce, get_world_size
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.head import pool_features
from mmqpt.core.networks import batch_norms
from mmqpt.models.backbone import build_backbone, freeze_statistics, load_pretrained
from mmqpt.models.key_queue import KeyQueue


@MODELS.register_module()
class QPT(BaseSelfSupervisor):
    """Quality-aware pre-training (Zhao et al., CVPR 2023).

    Every patch of every degraded version of a photo is a query. Its positives are the other patches of that version,
    its degradation-based negatives all patches of the photo's other versions, its content-based negatives the queue
    and, as an option, the other photos of the batch. Keys of a photo that an earlier step put into the queue count as
    negatives too: they had another recipe.

    With gradient accumulation all batches of a step see one key encoder and one queue, as one large batch would: the
    key encoder moves before the first of them, and their keys enter the queue after the last (``completes_step``).

    A batch whose embeddings are not finite, on any rank, changes neither the key encoder nor the queue; its loss is
    NaN on all ranks, and ``FiniteStepHook`` skips the step.

    Keys come from a momentum encoder: after every step ``key = m key + (1 - m) query`` for weights and BatchNorm
    statistics alike, with ``m = min(momentum, (1 + t) / (10 + t))`` at step t, so that short runs move too. Statistics
    are those of all ranks, so that keys do not depend on the rank that makes them. The key encoder always normalises
    with those averaged statistics, never with those of the batch, so BatchNorm can't tell which patches were in one
    batch (EMAN, Cai et al., CVPR 2021). Without ``pretrained`` weights those statistics start
    as the ones of the first batch: with BatchNorm's own, mean 0 and variance 1, all keys of a network with random
    weights are nearly alike, and the queries follow them to one point (docs/experiments.md, section 4). This, as
    everything that the paper does not state, is a design choice.

    Args:
        backbone: any mmpretrain backbone, or a timm model through ``TIMMBackbone``.
        neck: projection of the pooled features; ``in_channels`` is filled in.
        head: a ``QCHead``.
        queue_length: keys in the queue; 0 for none.
        momentum: m above, 0.999 as in MoCo. (MMEngine's averaged models call 1 - m "momentum".)
        batch_negatives: whether the other photos of the batch, on this rank, are content-based negatives too.
        degradation_negatives: whether the photo's other versions are negatives; without them this is MoCo on degraded
            photos, for comparison.
        norm_eval: whether the BatchNorm layers of the backbone keep their statistics, for a start from trained weights.
        channels_last: whether convolutions run in channels-last memory order; 2.6 times as fast for EfficientNet-Lite0
            on a CPU, and what GPUs want under AMP.
        compile_backbone: whether torch.compile runs the two backbones, and only these: the queue and the averages of
            the key encoder would break its graphs at every step. Names in checkpoints stay the same.
        anchor: weight of a term that keeps what ``pretrained`` knows, 0 for none; see :meth:`anchor_loss`.
        pooling: what the neck sees of the backbone, one of ``POOLINGS``.
        pretrained: weights to start the backbone from, see :func:`load_pretrained`.
        input_size: px, for asking the backbone for its feature length once.
        data_preprocessor: a ``PhotoPreprocessor``.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        neck: dict[str, Any],
        head: dict[str, Any],
        queue_length: int = 65536,
        momentum: float = 0.999,
        batch_negatives: bool = False,
        degradation_negatives: bool = True,
        norm_eval: bool = False,
        channels_last: bool = False,
        compile_backbone: bool = False,
        anchor: float = 0.0,
        pooling: str = 'last',
        pretrained: str | None = None,
        input_size: int = 224,
        data_preprocessor: dict[str, Any] | None = None,
    ) -> None:
        if not 0 <= momentum < 1:
            raise InputError(f'momentum must be at least 0 and below 1, got {momentum}')
        if not 0 <= anchor < math.inf:
            raise InputError(f'anchor must be a weight >= 0, got {anchor}')
        self._backbone_cfg = dict(backbone)
        module, channels = build_backbone(backbone, input_size, pooling)
        if neck.get('in_channels', channels) != channels:
            raise InputError(f'neck has in_channels {neck["in_channels"]}, but the backbone gives {channels}')
        super().__init__(
            backbone=module,
            neck={**neck, 'in_channels': channels, 'with_avg_pool': False},
            head=head,
            data_preprocessor={'type': 'PhotoPreprocessor', **(data_preprocessor or {})},
        )
        with torch.no_grad():
            width = self.neck.eval()((torch.zeros(2, channels),))[0].shape[1]
        self.neck.train()
        self.pooling = pooling
        self._statistics_started = bool(pretrained)
        self.embeddings: Tensor | None = None  # unit vectors (M, E) of the last step's queries, for hooks
        self.completes_step = True  # the train loop says False for batches whose gradients wait for more
        self._waiting: list[Tensor] = []  # keys of such batches
        self.queue = KeyQueue(queue_length, width)
        self.momentum = momentum
        self.batch_negatives = batch_negatives
        self.degradation_negatives = degradation_negatives
        self.norm_eval = norm_eval
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.pretrained = pretrained
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self.anchor = anchor
        if anchor:
            self.anchor_backbone = deepcopy(self.backbone).requires_grad_(False)
            self.anchor_map = nn.Linear(channels, channels)
        self.key_backbone = deepcopy(self.backbone).requires_grad_(False)
        self.key_neck = deepcopy(self.neck).requires_grad_(False)
        self.to(memory_format=self.memory_format)
        if compile_backbone:
            self.backbone.compile()
            self.key_backbone.compile()

    def init_weights(self) -> None:
        """Initialise, load ``pretrained``, and start the key encoder from the query encoder.

        Raises:
            InputError: an anchor without ``pretrained`` weights to keep.
        """
        if self.anchor and not self.pretrained:
            raise InputError('anchor keeps what pretrained weights know, but there are none: give pretrained')
        super().init_weights()
        if self.pretrained:
            load_pretrained(self.backbone, self.pretrained)
        self._start_key_encoder()
        if self.anchor:
            self.anchor_backbone.load_state_dict(self.backbone.state_dict())
            with torch.no_grad():
                nn.init.eye_(self.anchor_map.weight)
                nn.init.zeros_(self.anchor_map.bias)

    def train(self, mode: bool = True) -> QPT:
        """The key encoder stays in eval mode; so does BatchNorm of the backbone under ``norm_eval``."""
        super().train(mode)
        self.key_backbone.eval()
        self.key_neck.eval()
        if self.anchor:
            self.anchor_backbone.eval()
        if self.norm_eval:
            freeze_statistics(self.backbone)
        return self

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Pooled backbone features (N, C) of photos (N, 3, H, W) in [0, 1]."""
        return self._pooled(self.backbone, self.data_preprocessor.normalise(inputs))

    def loss(self, inputs: Tensor, data_samples: list[DataSample] | None = None) -> dict[str, Tensor]:
        """QC-Loss of a batch.

        Args:
            inputs: (N, V, P, 3, S, S) in [0, 1]: photos, versions, patches.
            data_samples: not used.

        Returns:
            ``loss``, the values of :func:`qc_statistics` and :func:`qc_similarities`, ``queue_fill``: the share of the
            queue that is filled, and with an anchor ``anchor_loss``, its weighted term, which MMEngine adds to
            ``loss``.
        """
        if inputs.dim() != 6 or inputs.shape[1] < 2 or inputs.shape[2] < 2:
            raise InputError(f'inputs must have shape (N, V >= 2, P >= 2, 3, S, S), got {tuple(inputs.shape)}')
        photos, versions, patches = inputs.shape[:3]
        images = self.data_preprocessor.normalise(inputs.flatten(0, 2))  # (N V P, 3, S, S)
        images = images.contiguous(memory_format=self.memory_format)
        if self.training and not self._statistics_started:
            self._start_statistics(images)
        features = self._pooled(self.backbone, images)  # (N V P, C)
        query = self._project(features, self.neck)  # (N V P, E)
        sound = not self.training or _finite_everywhere(query)
        with torch.no_grad():
            if self.training and sound:
                self._average_statistics()
                if not self._waiting:
                    self._update_key_encoder()
            key = self._project(self._pooled(self.key_backbone, images), self.key_neck)
        if self.training:
            keys = torch.cat(all_gather(key))  # of all ranks, in rank order
            sound = sound and bool(keys.isfinite().all())

        k = key.view(photos, versions, patches, -1)
        positive = k[:, :, _others(patches)]  # (N, V, P, P - 1, E)
        other = k[:, _others(versions)].flatten(2, 3)  # (N, V, (V - 1) P, E)
        if not self.degradation_negatives:
            other = other[:, :, :0]
        degradation = other[:, :, None].expand(-1, -1, patches, -1, -1)  # (N, V, P, (V - 1) P, E)
        content, mask = self._content(key, versions * patches)
        losses = self.head.loss(query, positive.flatten(0, 2), degradation.flatten(0, 2), content, mask)
        if self.training:
            self._enqueue(keys if sound else keys[:0])
            self.embeddings = query.detach()
            if not sound:
                losses['loss'] = losses['loss'] * math.nan  # on every rank, and in every gradient
        losses['queue_fill'] = self.queue.filled / max(1, len(self.queue))
        if self.anchor:
            losses['anchor_loss'] = self.anchor * self.anchor_loss(features, images)
        return losses

    def anchor_loss(self, features: Tensor, images: Tensor) -> Tensor:
        """How much of the start's features can't be read, linearly, from today's.

        A frozen copy of the backbone as it was after loading ``pretrained`` gives targets, which a linear map, learned
        along and starting as the identity, predicts from the features of the same patches: mean squared error over the
        mean variance of the targets within the batch. 0 at the start. Learning without Forgetting (Li and Hoiem, ECCV
        2016) does so with the outputs of the old network; the linear map, which leaves features free to move as long
        as nothing is lost, is a design choice.

        Args:
            features: (M, C) of the query encoder.
            images: (M, 3, S, S), normalised.
        """
        with torch.no_grad():
            target = self._pooled(self.anchor_backbone, images).float()
            spread = target.var(dim=0).mean().clamp(min=1e-8) if len(target) > 1 else target.new_ones(())
        return F.mse_loss(self.anchor_map(features).float(), target) / spread

    def export_spec(self) -> dict[str, Any]:
        """What is needed to use the backbone elsewhere; stored in checkpoints and exported files."""
        return {
            'kind': 'backbone',
            'backbone': self._backbone_cfg,
            **self.data_preprocessor.statistics,
        }

    def _enqueue(self, keys: Tensor) -> None:
        """Every rank writes the keys (B, E) of all ranks into its queue, after the last batch of an optimiser step."""
        self._waiting.append(keys)
        if self.completes_step:
            self.queue.enqueue(torch.cat(self._waiting))
            self._waiting.clear()

    def _content(self, key: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """Content-based negatives (C, E), and the mask (M, C) or (C,) of those that count for a query."""
        stored, mask = self.queue.keys.to(key.dtype), self.queue.mask()
        if not self.batch_negatives:
            return stored.clone(), mask
        photo = torch.arange(key.shape[0], device=key.device) // group
        other = photo[:, None] != photo[None, :]  # (M, M)
        return torch.cat([stored, key]), torch.cat([mask.expand(key.shape[0], -1), other], dim=1)

    def _pooled(self, backbone: nn.Module, images: Tensor) -> Tensor:
        return pool_features(backbone(images), backbone, self.pooling)

    @staticmethod
    def _project(features: Tensor, neck: nn.Module) -> Tensor:
        """Features -> unit vectors (M, E), normalised in float32."""
        return F.normalize(neck((features,))[0].float(), dim=1)

    def _start_key_encoder(self) -> None:
        """The key encoder becomes a copy of the query encoder."""
        self.key_backbone.load_state_dict(self.backbone.state_dict())
        self.key_neck.load_state_dict(self.neck.state_dict())

    @torch.no_grad()
    def _start_statistics(self, images: Tensor) -> None:
        """Before the first step: the averages of BatchNorm become the statistics of this batch (M, 3, S, S)."""
        self._statistics_started = True
        if int(self.steps) > 0:  # resumed
            return
        layers = [layer for layer in (*batch_norms(self.backbone), *batch_norms(self.neck)) if layer.training]
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = 1.0
        self._project(self._pooled(self.backbone, images), self.neck)
        self._average_statistics()
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        self._start_key_encoder()

    @torch.no_grad()
    def _average_statistics(self) -> None:
        """The averages of BatchNorm become the mean over all ranks, each of which saw its own patches.

        So the key encoder is the same on all ranks at every step, and a checkpoint of one rank is that of all.
        """
        if get_world_size() == 1:
            return
        layers = [layer for layer in (*batch_norms(self.backbone), *batch_norms(self.neck)) if layer.training]
        held = [value for layer in layers for value in (layer.running_mean, layer.running_var) if value is not None]
        if held:
            together = torch.cat([value.flatten() for value in held])
            all_reduce(together, op='mean')
            for value, mean in zip(held, together.split([value.numel() for value in held]), strict=True):
                value.data.copy_(mean.view_as(value))  # backward needs the batch's statistics, not these

    @torch.no_grad()
    def _update_key_encoder(self) -> None:
        """key = m key + (1 - m) query. The share is a tensor, so that no host sync is needed."""
        share = 1 - torch.clamp((1 + self.steps) / (10 + self.steps), max=self.momentum)
        for query, key in ((self.backbone, self.key_backbone), (self.neck, self.key_neck)):
            for ours, theirs in zip(key.state_dict().values(), query.state_dict().values(), strict=True):
                if ours.is_floating_point():
                    ours.lerp_(theirs, share.to(ours.dtype))
                else:
                    ours.copy_(theirs)
        self.steps += 1


def _finite_everywhere(embeddings: Tensor) -> bool:
    """Whether the embeddings of all ranks are finite; the same answer on all."""
    finite = embeddings.isfinite().all().long()
    all_reduce(finite, op='min')
    return bool(finite)


def _others(count: int) -> Tensor:
    """(count, count - 1): row i holds all indices but i."""
    index = torch.arange(count).expand(count, count)
    return index[~torch.eye(count, dtype=torch.bool)].view(count, count - 1)
