"""Fine-tuning in two steps: the head alone on features computed once, then everything."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import get_world_size
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS, HOOKS
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.head import Standardise
from mmqpt.datasets.photos.sampler import SeededSampler
from mmqpt.engine.runner_state import bare_model
from mmqpt.models.protocol import BatchFeatures, StartsHead


@HOOKS.register_module()
class HeadStartHook(Hook):
    """Fits the head on the features of the pre-trained backbone before training begins.

    A random head sends random gradients into a backbone that knows something, and the first epochs are spent on
    repairing what they did (Kumar et al., "Fine-tuning can distort pretrained features", ICLR 2022). So the training
    set is read ``passes`` times without gradients, features are kept, and the model's own losses are minimised over the
    head, and over the maps of rating scales, with AdamW and a cosine schedule. A head with ``standardise`` takes mean
    and deviation from the same features. Then the model is validated, as epoch 0: it may be the best there is. Runs
    that are resumed skip it.

    Args:
        pipeline: transforms to read the photos with; by default those of the training set. Without a random crop the
            head sees whole photos under the model's size rule, as it is tested: photos of a set were rated as a
            whole, and a head that is fitted to one crop of each learns the crops. Photos then come once each a pass,
            whatever the sampler of the training.
        passes: times that the training set is read; each costs about a third of an epoch of the same pixels.
        epochs: passes over the kept features, each of seconds.
        lr: learning rate at the beginning.
        weight_decay: of AdamW.
        batches: training batches whose features make one batch here.
        head_only: whether the run ends there: the backbone stays as it was, and epoch 0, which is validated and saved,
            is the only one. It needs neither the time nor the memory of a training.

    Raises:
        InputError: a bad argument, a model that is not :class:`StartsHead`, or more than one rank.
    """

    priority = 'LOWEST'  # after RatingScalesHook, and after the hook that keeps the best has been set up

    def __init__(
        self,
        pipeline: Sequence[Mapping[str, Any]] | None = None,
        passes: int = 1,
        epochs: int = 40,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        batches: int = 16,
        head_only: bool = False,
    ) -> None:
        if min(passes, epochs, batches) < 1 or not 0 < lr < math.inf or not 0 <= weight_decay < math.inf:
            raise InputError(
                'HeadStartHook needs passes, epochs and batches >= 1, lr > 0 and weight_decay >= 0, got '
                f'{passes}, {epochs}, {batches}, {lr} and {weight_decay}'
            )
        self.pipeline = None if pipeline is None else [dict(step) for step in pipeline]
        self.passes = passes
        self.epochs = epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.batches = batches
        self.head_only = head_only

    def before_train(self, runner: Runner) -> None:
        """Only at the beginning of a run."""
        if runner.iter > 0:
            return
        model = bare_model(runner)
        if not isinstance(model, StartsHead):
            raise InputError(
                f'HeadStartHook needs a model with a head, such as IQARegressor, not {type(model).__name__}'
            )
        if get_world_size() > 1:
            raise InputError('HeadStartHook runs on one rank; start the head in a run of its own, then load_from it')
        kept = self._features(runner, model)
        first, last = self._fit(model, kept)
        runner.logger.info(
            f'head start: {sum(len(features.photos) for features, _ in kept)} crops, loss {first:.4f} in the first of '
            f'{self.epochs} epochs over their features, {last:.4f} in the last'
        )
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):  # its average began before, at the random head
                hook.ema_model.module.load_state_dict(bare_model(runner).state_dict())
        if runner.val_loop is not None:
            runner.val_loop.run()
        if self.head_only:
            runner.save_checkpoint(runner.work_dir, 'epoch_0.pth', save_optimizer=False, save_param_scheduler=False)
            runner.train_loop.stop_training = True

    @torch.no_grad()
    def _features(self, runner: Runner, model: Any) -> list[tuple[BatchFeatures, list[Any]]]:
        """Features and samples of every training batch; the ladders' images are let go."""
        model.eval()
        kept = []
        loader = self._loader(runner)
        for number in range(self.passes):
            if hasattr(loader.sampler, 'set_epoch'):
                loader.sampler.set_epoch(runner.max_epochs + number)  # draws that no epoch of the training will repeat
            for batch in tqdm(loader, desc='head start', unit='batch', mininterval=1):
                batch = model.data_preprocessor(batch, True)
                inputs, samples = batch['inputs'], batch['data_samples']
                if self.pipeline is not None and inputs[0].dim() == 3:
                    inputs = list(inputs)  # whole photos, also where all have one size
                features = model.batch_features(inputs, samples)
                for sample in samples:
                    sample.pop('ladder', None)
                kept.append((features, samples))
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(runner.epoch)
        if not kept:
            raise InputError('HeadStartHook: the training set gives no batch')
        return kept

    def _loader(self, runner: Runner) -> Any:
        """Of the training set as it is trained on, or of its photos with the hook's own pipeline."""
        if self.pipeline is None:
            return runner.train_dataloader
        given = runner.train_dataloader
        config = copy.deepcopy(runner.cfg.train_dataloader.dataset)
        config.pipeline = self.pipeline
        dataset = DATASETS.build(config)
        return DataLoader(
            dataset,
            sampler=SeededSampler(dataset, seed=runner.seed),
            batch_size=given.batch_size,
            num_workers=given.num_workers,
            collate_fn=pseudo_collate,
            worker_init_fn=given.worker_init_fn,
        )

    def _fit(self, model: Any, kept: list[tuple[BatchFeatures, list[Any]]]) -> tuple[float, float]:
        """Mean losses of the first and the last epoch."""
        for layer in model.head.modules():
            if isinstance(layer, Standardise):
                layer.measure(torch.cat([features.photos for features, _ in kept]))
        learned = [*model.head.parameters(), *(p for p in _maps(model) if p.requires_grad)]
        optimizer = torch.optim.AdamW(learned, lr=self.lr, weight_decay=self.weight_decay)
        steps = self.epochs * math.ceil(len(kept) / self.batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        model.train()
        means = []
        for _ in range(self.epochs):
            order = torch.randperm(len(kept)).tolist()
            losses = []
            for start in range(0, len(order), self.batches):
                chosen = [kept[place] for place in order[start : start + self.batches]]
                ladders = [features.ladder for features, _ in chosen if features.ladder is not None]
                features = BatchFeatures(
                    torch.cat([features.photos for features, _ in chosen]), torch.cat(ladders) if ladders else None
                )
                samples = [sample for _, part in chosen for sample in part]
                loss = torch.stack(list(model.losses_of(features, samples).values())).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                losses.append(loss.item())
            means.append(sum(losses) / len(losses))
        return means[0], means[-1]


def _maps(model: Any) -> list[nn.Parameter]:
    """The parameters of the maps of rating scales, where the model has any."""
    scales = getattr(model, 'scales', None)
    return [] if scales is None else list(scales.parameters())
