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
from mmqpt.core.head import pool_features
from mmqpt.core.networks import batch_norms, wrapped_network
from mmqpt.core.side_network import SideNetwork, side_parts
from mmqpt.models.anchor import anchor_loss, set_to_identity
from mmqpt.models.backbone import build_backbone, freeze_statistics, load_pretrained
from mmqpt.models.contrast import content_negatives, degradation_negatives, positives, recipe_positives
from mmqpt.models.freezing import eval_mode
from mmqpt.models.key_encoder import average_statistics, momentum_at, move_towards, statistics_of_one_batch
from mmqpt.models.key_queue import KeyQueue
from mmqpt.models.protocol import Contrast, Embeddings
from mmqpt.models.qc_loss import qc_logits, qc_statistics

_TRUNK_PART = 24
"""Patches that go through a frozen trunk at once on a CPU: their maps stay in its cache, 96 take twice as long."""

EncoderInputs = Tensor | list[Tensor]
"""Images (M, 3, S, S), or the maps that a frozen trunk makes of them."""


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
        compile_backbone: whether torch.compile runs the two backbones, and only these: the queue and the averages of
            the key encoder would break its graphs at every step. Names in checkpoints stay the same.
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
        if side_tuning not in (None, 'side', 'all'):
            raise InputError(f"side_tuning must be None, 'side' or 'all', got {side_tuning!r}")
        if side_tuning and anchor:
            raise InputError('anchor keeps what pretrained weights know, which side_tuning never changes: give one')
        self._backbone_cfg = dict(backbone)
        self.side_tuning = side_tuning
        module, channels = build_backbone(backbone, input_size, pooling)
        if side_tuning:
            for part in side_parts(wrapped_network(module)).trunk():
                part.requires_grad_(False)
            channels = _pooled_channels(module, input_size, pooling, side_tuning)
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
        self.key_backbone = deepcopy(self._learned(self.backbone)).requires_grad_(False)
        self.key_neck = deepcopy(self.neck).requires_grad_(False)
        self.to(memory_format=self.memory_format)
        if compile_backbone:
            self._learned(self.backbone).compile()
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
            self._statistics_started = not self.side_tuning or _has_statistics(self._learned(self.backbone))
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
        if self.side_tuning:
            eval_mode(side_parts(wrapped_network(self.backbone)).trunk())
        elif self.norm_eval:
            freeze_statistics(self.backbone)
        return self

    def extract_feat(self, inputs: Tensor) -> Tensor:
        """Pooled backbone features (N, C) of photos (N, 3, H, W) in [0, 1]; those that the neck sees."""
        return self._pooled(
            self._learned(self.backbone), self._encoder_inputs(self.data_preprocessor.normalise(inputs))
        )

    def begin_batch(self, ends_step: bool) -> None:
        """See :class:`CountsSteps`."""
        self._ends_step = ends_step

    def last_embeddings(self) -> Embeddings | None:
        """See :class:`ShowsEmbeddings`."""
        return self._last_embeddings

    def contrast(self, inputs: Tensor) -> Contrast:
        """See :class:`Contrasts`."""
        photos, versions, patches = _grid(inputs)
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
            layers = batch_norms(self._learned(backbone))
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
        photos, versions, patches = _grid(inputs)
        images = self._encoder_inputs(self._prepared(inputs))
        features = F.normalize(self._pooled(self._learned(backbone), images).float(), dim=1)  # (M, C)
        keys = features.view(photos, versions, patches, -1)
        return _accuracy(features, positives(keys), degradation_negatives(keys))

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
        photos, versions, patches = _grid(inputs)  # below M = N V P
        group = self.recipe_positives
        _check_groups(photos, group, data_samples)
        images = self._encoder_inputs(self._prepared(inputs))  # (M, 3, S, S)
        if self.training:
            self._start_statistics(images)
        features = self._pooled(self._learned(self.backbone), images)  # (M, C)
        if self.training:
            self._start_neck(features)
        query = self._project(features, self.neck)  # (M, E)
        finite = not self.training or _finite_everywhere(query)
        if self.training and finite:
            self._update_key_encoder()
        key = self._keys(images)  # (M, E)

        keys = key.view(photos, versions, patches, -1)
        positive = positives(keys)  # (M, P - 1, E)
        degradation = degradation_negatives(keys)  # (M, (V - 1) P, E)
        if not self.degradation_negatives:
            degradation = degradation[:, :0]
        content, mask = content_negatives(keys, self.queue.keys, self.queue.mask(), self.batch_negatives, group)
        if group == 1:
            losses = self.head.loss(query, positive, degradation, content, mask)
        else:
            others = recipe_positives(keys, group)  # (M, (G - 1) P, E)
            losses = self.head.loss(query, torch.cat([positive, others], dim=1), degradation, content, mask)
            losses['acc_degradation'] = _accuracy(query, positive, degradation)
            losses['acc_recipe'] = _accuracy(query, others, degradation)

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
            target = self._pooled(self.anchor_backbone, images)
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

    def _learned(self, backbone: nn.Module) -> nn.Module:
        """The part of a backbone that is trained, and that the key encoder copies."""
        return side_parts(wrapped_network(backbone)).side if self.side_tuning else backbone

    def _encoder_inputs(self, images: Tensor) -> EncoderInputs:
        """What the trained part of the backbone takes: the images, or under ``side_tuning`` the maps of the trunk."""
        if not self.side_tuning:
            return images
        network = side_parts(wrapped_network(self.backbone))
        with torch.no_grad():
            parts = images.split(len(images) if images.is_cuda else _TRUNK_PART)
            maps = [network.trunk_maps(part, whole=self.side_tuning == 'all') for part in parts]
            return [torch.cat(stage) for stage in zip(*maps, strict=True)]

    def _pooled(self, encoder: nn.Module, inputs: EncoderInputs) -> Tensor:
        """(M, C) of the query or key encoder, for what :meth:`_encoder_inputs` gives."""
        if isinstance(inputs, Tensor):
            return pool_features(encoder(inputs), encoder, self.pooling)
        own = encoder(inputs)
        return pool_features(
            SideNetwork.with_side(inputs, own) if self.side_tuning == 'all' else own, None, self.pooling
        )

    @staticmethod
    def _project(features: Tensor, neck: nn.Module) -> Tensor:
        """Features -> unit vectors (M, E), normalised in float32."""
        return F.normalize(neck((features,))[0].float(), dim=1)

    @torch.no_grad()
    def _keys(self, images: EncoderInputs) -> Tensor:
        """Unit vectors (M, E) of the key encoder."""
        return self._project(self._pooled(self.key_backbone, images), self.key_neck)

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
        move_towards((self.key_backbone, self.key_neck), (self._learned(self.backbone), self.neck), share)
        self.steps += 1
        self._steps_done += 1

    def _copy_key_encoder(self) -> None:
        """The key encoder becomes a copy of the query encoder."""
        self.key_backbone.load_state_dict(self._learned(self.backbone).state_dict())
        self.key_neck.load_state_dict(self.neck.state_dict())

    @torch.no_grad()
    def _start_statistics(self, images: EncoderInputs) -> None:
        """Before the first step from random weights: BatchNorm's averages become the statistics of this batch."""
        if self._statistics_started:
            return
        self._statistics_started = True
        if int(self.steps) > 0:  # resumed
            return
        layers = self._batch_norms()
        with statistics_of_one_batch(layers):
            self._project(self._pooled(self._learned(self.backbone), images), self.neck)
        average_statistics(layers)
        self._copy_key_encoder()

    @torch.no_grad()
    def _start_neck(self, features: Tensor) -> None:
        """The same of the neck on a backbone that has its statistics, from the features (M, C) of this batch."""
        if self._neck_started:
            return
        self._neck_started = True
        layers = [layer for layer in batch_norms(self.neck) if layer.training]
        if not layers or int(self.steps) > 0 or _has_statistics(self.neck):
            return
        with statistics_of_one_batch(layers):
            self._project(features, self.neck)
        average_statistics(layers)
        self.key_neck.load_state_dict(self.neck.state_dict())

    def _batch_norms(self) -> list[nn.modules.batchnorm._BatchNorm]:
        """Layers of the query encoder whose statistics follow the batches."""
        return [layer for layer in (*batch_norms(self.backbone), *batch_norms(self.neck)) if layer.training]


def _has_statistics(network: nn.Module) -> bool:
    """Whether BatchNorm has other statistics than those it begins with, mean 0 and variance 1."""
    return any(bool((layer.running_var != 1).any()) for layer in batch_norms(network) if layer.running_var is not None)


@torch.no_grad()
def _pooled_channels(backbone: nn.Module, side: int, pooling: str, side_tuning: str) -> int:
    """Length of the pooled features that the neck sees of a backbone with a side branch."""
    network = side_parts(wrapped_network(backbone))
    training = network.training
    network.eval()
    maps = network.trunk_maps(torch.zeros(1, 3, side, side))
    own = network.side(maps)
    network.train(training)
    return pool_features(network.with_side(maps, own) if side_tuning == 'all' else own, None, pooling).shape[1]


def _forget_steps(model: QPT, _keys: Any) -> None:
    """Other weights may come with another number of steps."""
    model._steps_done = None


def _grid(inputs: Tensor) -> torch.Size:
    """N, V and P of (N, V, P, 3, S, S).

    Raises:
        InputError: another shape, or fewer than two versions or patches.
    """
    if inputs.dim() != 6 or inputs.shape[1] < 2 or inputs.shape[2] < 2:
        raise InputError(f'inputs must have shape (N, V >= 2, P >= 2, 3, S, S), got {tuple(inputs.shape)}')
    return inputs.shape[:3]


@torch.no_grad()
def _accuracy(query: Tensor, positive: Tensor, degradation: Tensor) -> Tensor:
    """``acc_degradation`` of some positives (M, P, E); see :func:`qc_statistics`."""
    return qc_statistics(qc_logits(query, positive, degradation, query[:0], temperature=1.0))['acc_degradation']


def _check_groups(photos: int, group: int, data_samples: list[DataSample] | None) -> None:
    """Refuse a batch that holds no whole groups, or groups whose photos were degraded by different recipes."""
    if group == 1:
        return
    if photos % group:
        raise InputError(f'recipe_positives is {group}, but a batch has {photos} photos: no whole groups')
    recipes = [sample.get('recipes') for sample in data_samples or ()]
    for number, own in enumerate(recipes):
        first = recipes[number - number % group]
        if own is not None and [recipe.key for recipe in own] != [recipe.key for recipe in first]:
            raise InputError(
                f'recipe_positives is {group}, but photos of a group have different recipes: give '
                f'SeededSampler(recipe_group={group}) and PatchPairs(group_recipes=True)'
            )


def _finite_everywhere(embeddings: Tensor) -> bool:
    """Whether the embeddings of all ranks are finite; the same answer on all."""
    finite = embeddings.isfinite().all().long()
    all_reduce(finite, op='min')
    return bool(finite)
