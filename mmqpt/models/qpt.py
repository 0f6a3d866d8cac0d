"""QPT: contrastive pre-training on degraded photos, with a momentum encoder and a queue as in MoCo."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather, all_reduce
from mmpretrain.models.selfsup.base import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.networks import batch_norms
from mmqpt.models.anchor import anchor_loss, set_to_identity
from mmqpt.models.backbone import build_backbone, load_pretrained
from mmqpt.models.batch_statistics import (
    BatchNorm,
    average_statistics,
    freeze_statistics,
    has_statistics,
    statistics_of_one_batch,
)
from mmqpt.models.contrast import content_negatives, degradation_negatives, positives, recipe_positives
from mmqpt.models.freezing import eval_mode
from mmqpt.models.key_encoder import momentum_at, move_towards
from mmqpt.models.key_queue import KeyQueue
from mmqpt.models.patch_grid import check_groups, grid_of
from mmqpt.models.protocol import Contrast, Embeddings
from mmqpt.models.qc_loss import degradation_accuracy
from mmqpt.models.trained_part import Inputs, TrainedPart


@MODELS.register_module()
class QPT(BaseSelfSupervisor):
    """Quality-aware pre-training (Zhao et al., CVPR 2023).

    Every patch of every degraded version of a photo is a query. Its positives are the other patches of that version,
    its degradation-based negatives all patches of the photo's other versions, its content-based negatives the queue
    and, as an option, the other photos of the batch. Keys of a photo that an earlier step put into the queue count as
    negatives too: they had another recipe.

    Keys come from a momentum encoder: after every step ``key = m key + (1 - m) query`` for weights and BatchNorm
    statistics alike, with ``m`` of :func:`momentum_at`. Statistics are those of all ranks, so that keys do not depend
    on the rank that makes them. The key encoder always normalises with those averaged statistics, never with those of
    the batch, so BatchNorm can't tell which patches were in one batch (EMAN, Cai et al., CVPR 2021). Statistics of
    parts with random weights, which are the neck and without ``pretrained`` the backbone too, start as those of the
    first batch: with BatchNorm's own, mean 0 and variance 1, all keys are nearly alike, and the queries follow them to
    one point (docs/experiments.md, section 4). This, like everything that the paper does not state, is a design
    choice.

    With gradient accumulation all batches of a step see one key encoder and one queue, as one large batch would: the
    key encoder moves before the first of them, and their keys enter the queue after the last (:meth:`begin_batch`).

    A batch whose embeddings are not finite, on any rank, changes neither the key encoder nor the queue; its loss is
    NaN on all ranks, and ``FiniteStepHook`` skips the step.

    Args:
        backbone: any mmpretrain backbone, or a timm model through ``TIMMBackbone``.
        neck: projection of the pooled features; ``in_channels`` is filled in.
        head: a ``QCHead``.
        queue_length: keys in the queue; 0 for none.
        momentum: m above, 0.999 as in MoCo. (MMEngine's averaged models call 1 - m "momentum".)
        batch_negatives: whether the other photos of the batch, on this rank, are content-based negatives too.
        degradation_negatives: whether the photo's other versions are negatives; without them this is MoCo on degraded
            photos, for comparison.
        recipe_positives: G, how many photos in a row have the same recipes (an extension; 1 for none, as in the paper).
            The patches of a group's other photos under the query's recipe are positives too, so that a network must
            name the degradation and not only tell it from others on one photo: the idea of ARNIQA (Agnolucci et al.,
            WACV 2024) within QC-Loss. Needs ``SeededSampler(recipe_group=G)`` and ``PatchPairs(group_recipes=True)``.
        norm_eval: whether the BatchNorm layers of the backbone keep their statistics, for a start from trained weights.
            Under ``side_tuning`` those of the trunk always do, and those of the branch never.
        channels_last: whether convolutions run in channels-last memory order; 2.6 times as fast for EfficientNet-Lite0
            on a CPU, and what GPUs want under AMP.
        compile_backbone: whether torch.compile runs the two backbones, under ``side_tuning`` the trunk and the two
            branches, and only these: the queue and the averages of the key encoder would break its graphs at every
            step. Names in checkpoints stay the same.
        side_tuning: trains the side branch of a backbone that has one, such as timm's ``tf_efficientnet_lite0_side``,
            and nothing else of it: the trunk keeps its weights and statistics, so that what it knew is kept by
            construction. ``'side'``: the neck sees the maps of the branch alone; the trunk is then computed only as far
            as the branch reads it, once for queries and keys. ``'all'``: the neck sees all maps. None: everything is
            trained.
        anchor: weight of :func:`anchor_loss`, a term that keeps what ``pretrained`` knows; 0 for none.
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
        recipe_positives: int = 1,
        norm_eval: bool = False,
        channels_last: bool = False,
        compile_backbone: bool = False,
        side_tuning: str | None = None,
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
        if isinstance(recipe_positives, bool) or not isinstance(recipe_positives, int) or recipe_positives < 1:
            raise InputError(f'recipe_positives must be an integer >= 1, got {recipe_positives!r}')
        if not (queue_length or batch_negatives or degradation_negatives):
            raise InputError(
                'QC-Loss has no negatives: with queue_length=0 and degradation_negatives=False it is 0 for any '
                'network; give a queue_length, or batch_negatives=True'
            )
        part = TrainedPart(side_tuning, pooling)
        if side_tuning and anchor:
            raise InputError('anchor keeps what pretrained weights know, which side_tuning never changes: give one')
        self._backbone_cfg = dict(backbone)
        module, channels = build_backbone(backbone, input_size, pooling)
        if side_tuning:
            channels = part.channels(module, input_size)
            for kept in part.beside(module):
                kept.requires_grad_(False)
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
        self.part = part
        self._statistics_started = bool(pretrained)  # of the backbone
        self._neck_started = False
        self._last_embeddings: Embeddings | None = None
        self._ends_step = True
        self.queue = KeyQueue(queue_length, width)
        self.momentum = momentum
        self.batch_negatives = batch_negatives
        self.degradation_negatives = degradation_negatives
        self.recipe_positives = recipe_positives
        self.norm_eval = norm_eval
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.pretrained = pretrained
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))
        self._steps_done: int | None = None  # as ``steps``, without asking the device; None after loading
        self.register_load_state_dict_post_hook(_forget_steps)
        self.anchor = anchor
        if anchor:
            self.anchor_backbone = deepcopy(self.backbone).requires_grad_(False)
            self.anchor_map = nn.Linear(channels, channels)
        self.key_backbone = deepcopy(part.of(self.backbone)).requires_grad_(False)
        self.key_neck = deepcopy(self.neck).requires_grad_(False)
        self.to(memory_format=self.memory_format)
        if compile_backbone:
            part.compile(self.backbone)
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
            load_pretrained(self.backbone, self.pretrained, new_branch=bool(self.part.side_tuning))
            self._statistics_started = not self.part.side_tuning or has_statistics(self._learned)
        self._copy_key_encoder()
        if self.anchor:
            self.anchor_backbone.load_state_dict(self.backbone.state_dict())
            set_to_identity(self.anchor_map)

    def train(self, mode: bool = True) -> QPT:
        """The key encoder stays in eval mode; so does BatchNorm of the backbone under ``norm_eval``."""
        super().train(mode)
        self.key_backbone.eval()
        self.key_neck.eval()
        if self.anchor:
            self.anchor_backbone.eval()
        if self.part.side_tuning:
            eval_mode(self.part.beside(self.backbone))
        elif self.norm_eval:
            freeze_statistics(self.backbone)
        return self

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Pooled backbone features (N, C) of photos (N, 3, H, W) in [0, 1]; those that the neck sees."""
        images = self.part.inputs(self.backbone, self.data_preprocessor.normalise(inputs))
        return self.part.features(self._learned, images)

    def begin_batch(self, ends_step: bool) -> None:
        """See :class:`CountsSteps`."""
        self._ends_step = ends_step

    def last_embeddings(self) -> Embeddings | None:
        """See :class:`ShowsEmbeddings`."""
        return self._last_embeddings

    def contrast(self, inputs: Tensor) -> Contrast:
        """See :class:`Contrasts`."""
        photos, versions, patches = grid_of(inputs)
        others = (
            (photos - 1) * versions * patches - (self.recipe_positives - 1) * patches if self.batch_negatives else 0
        )
        return Contrast(
            keys=photos * versions * patches,
            degradations=(versions - 1) * patches if self.degradation_negatives else 0,
            contents=len(self.queue) + others,
            temperature=self.head.temperature,
            degradation_share=self.head.degradation_share,
            queue_length=len(self.queue),
            momentum=self.momentum,
        )

    @torch.no_grad()
    def untrained_backbone(self, inputs: Tensor) -> nn.Module:
        """See :class:`Contrasts`.

        Without ``pretrained`` weights its BatchNorm statistics are those of ``inputs`` (N, V, P, 3, S, S), as those of
        the key encoder start; nothing random is drawn.
        """
        backbone = deepcopy(self.backbone).requires_grad_(False)
        backbone.eval()  # gives no network back where mmpretrain overrides train
        if not self._statistics_started:
            layers = batch_norms(self.part.of(backbone))
            for layer in layers:
                layer.train()
            with statistics_of_one_batch(layers):
                backbone(self._prepared(inputs))
            backbone.eval()
        return backbone

    @torch.no_grad()
    def feature_accuracy(self, inputs: Tensor, backbone: nn.Module) -> Tensor:
        """See :class:`Contrasts`: ``acc_degradation`` of pooled features, with neither neck nor key encoder.

        Args:
            inputs: (N, V, P, 3, S, S) in [0, 1].
            backbone: an encoder like this model's.
        """
        photos, versions, patches = grid_of(inputs)
        images = self.part.inputs(self.backbone, self._prepared(inputs))
        features = F.normalize(self.part.features(self.part.of(backbone), images).float(), dim=1)  # (M, C)
        keys = features.view(photos, versions, patches, -1)
        return degradation_accuracy(features, positives(keys), degradation_negatives(keys))

    def loss(self, inputs: Tensor, data_samples: list[DataSample] | None = None) -> dict[str, Tensor]:
        """QC-Loss of a batch.

        Args:
            inputs: (N, V, P, 3, S, S) in [0, 1]: photos, versions, patches.
            data_samples: of the photos, each with its ``recipes``; used with ``recipe_positives`` alone, to check them.

        Returns:
            ``loss``, the values of :func:`qc_statistics` and :func:`qc_similarities`, ``queue_fill``: the share of the
            queue that is filled, and with an anchor ``anchor_loss``, its weighted term, which MMEngine adds to
            ``loss``. With ``recipe_positives`` also ``acc_recipe``: as ``acc_degradation``, which keeps to positives of
            the query's own photo, for those of other photos.
        """
        photos, versions, patches = grid_of(inputs)  # below M = N V P
        check_groups(photos, self.recipe_positives, data_samples)
        images = self.part.inputs(self.backbone, self._prepared(inputs))  # (M, 3, S, S), or maps
        if self.training:
            self._start_statistics(images)
        features = self.part.features(self._learned, images)  # (M, C)
        if self.training:
            self._start_neck(features)
        query = self._project(features, self.neck)  # (M, E)
        finite = not self.training or _finite_everywhere(query)
        if self.training and finite:
            self._update_key_encoder()
        key = self._keys(images)  # (M, E)
        losses = self._compare(query, key.view(photos, versions, patches, -1))
        if self.training:
            finite = self._enqueue(key, finite)
            self._last_embeddings = Embeddings(query.detach(), self.queue.filled.clone())
            if not finite:
                losses['loss'] = losses['loss'] * math.nan  # on every rank, and in every gradient
        losses['queue_fill'] = self.queue.fill()
        if self.anchor and isinstance(images, Tensor):
            losses['anchor_loss'] = self.anchor * self.anchor_loss(features, images)
        return losses

    def anchor_loss(self, features: Tensor, images: Tensor) -> Tensor:
        """The anchor's term without its weight, a scalar: what today's features have lost of those at the start.

        Args:
            features: (M, C) of the query encoder.
            images: (M, 3, S, S), normalised.
        """
        with torch.no_grad():
            target = self.part.features(self.anchor_backbone, images)
        return anchor_loss(self.anchor_map(features), target)

    def export_spec(self) -> dict[str, Any]:
        """What is needed to use the backbone elsewhere; stored in checkpoints and exported files."""
        return {
            'kind': 'backbone',
            'backbone': self._backbone_cfg,
            **self.data_preprocessor.statistics,
        }

    def _prepared(self, inputs: Tensor) -> Tensor:
        """(N, V, P, 3, S, S) in [0, 1] -> (M, 3, S, S) as the backbone takes them."""
        images = self.data_preprocessor.normalise(inputs.flatten(0, 2))
        return images.contiguous(memory_format=self.memory_format)

    @property
    def _learned(self) -> nn.Module:
        """The part of the query encoder's backbone that is trained, and that the key encoder copies."""
        return self.part.of(self.backbone)

    @staticmethod
    def _project(features: Tensor, neck: nn.Module) -> Tensor:
        """Features -> unit vectors (M, E), normalised in float32."""
        return F.normalize(neck((features,))[0].float(), dim=1)

    @torch.no_grad()
    def _keys(self, images: Inputs) -> Tensor:
        """Unit vectors (M, E) of the key encoder."""
        return self._project(self.part.features(self.key_backbone, images), self.key_neck)

    def _compare(self, query: Tensor, keys: Tensor) -> dict[str, Tensor]:
        """QC-Loss of queries (M, E) and keys (N, V, P, E), and its statistics."""
        group = self.recipe_positives
        positive = positives(keys)  # (M, P - 1, E)
        degradation = degradation_negatives(keys)  # (M, (V - 1) P, E)
        if not self.degradation_negatives:
            degradation = degradation[:, :0]
        content, mask = content_negatives(keys, self.queue.keys, self.queue.mask(), self.batch_negatives, group)
        if group == 1:
            losses: dict[str, Tensor] = self.head.loss(query, positive, degradation, content, mask)
            return losses
        others = recipe_positives(keys, group)  # (M, (G - 1) P, E)
        losses = self.head.loss(query, torch.cat([positive, others], dim=1), degradation, content, mask)
        losses['acc_degradation'] = degradation_accuracy(query, positive, degradation)
        losses['acc_recipe'] = degradation_accuracy(query, others, degradation)
        return losses

    def _enqueue(self, key: Tensor, finite: bool) -> bool:
        """Put the keys (M, E) of all ranks, in rank order, into the queue, on every rank; none that are not finite.

        Args:
            key: of this rank.
            finite: whether the queries of all ranks are.

        Returns:
            Whether all queries and keys are finite.
        """
        keys = torch.cat(all_gather(key))
        finite = finite and bool(keys.isfinite().all())
        self.queue.enqueue(keys if finite else keys[:0], self._ends_step)
        return finite

    def _update_key_encoder(self) -> None:
        """Move the key encoder towards the query encoder, once per optimiser step."""
        average_statistics(self._batch_norms())
        if self.queue.within_step:
            return
        if self._steps_done is None:
            self._steps_done = int(self.steps)
        share = float(1 - momentum_at(torch.tensor(self._steps_done), self.momentum))
        move_towards((self.key_backbone, self.key_neck), (self._learned, self.neck), share)
        self.steps += 1
        self._steps_done += 1

    def _copy_key_encoder(self) -> None:
        """The key encoder becomes a copy of the query encoder."""
        self.key_backbone.load_state_dict(self._learned.state_dict())
        self.key_neck.load_state_dict(self.neck.state_dict())

    @torch.no_grad()
    def _start_statistics(self, images: Inputs) -> None:
        """Before the first step from random weights: BatchNorm's averages become the statistics of this batch."""
        if self._statistics_started:
            return
        self._statistics_started = True
        if int(self.steps) > 0:  # resumed
            return
        layers = self._batch_norms()
        with statistics_of_one_batch(layers):
            self._project(self.part.features(self._learned, images), self.neck)
        average_statistics(layers)
        self._copy_key_encoder()

    @torch.no_grad()
    def _start_neck(self, features: Tensor) -> None:
        """The same of the neck on a backbone that has its statistics, from the features (M, C) of this batch."""
        if self._neck_started:
            return
        self._neck_started = True
        layers = [layer for layer in batch_norms(self.neck) if layer.training]
        if not layers or int(self.steps) > 0 or has_statistics(self.neck):
            return
        with statistics_of_one_batch(layers):
            self._project(features, self.neck)
        average_statistics(layers)
        self.key_neck.load_state_dict(self.neck.state_dict())

    def _batch_norms(self) -> list[BatchNorm]:
        """Layers of the query encoder whose statistics follow the batches."""
        return [layer for layer in (*batch_norms(self.backbone), *batch_norms(self.neck)) if layer.training]


def _forget_steps(model: QPT, _keys: Any) -> None:
    """Other weights may come with another number of steps."""
    model._steps_done = None


def _finite_everywhere(embeddings: Tensor) -> bool:
    """Whether the embeddings of all ranks are finite; the same answer on all."""
    finite = embeddings.isfinite().all().long()
    all_reduce(finite, op='min')
    return bool(finite)
