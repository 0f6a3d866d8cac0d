"""Fine-tuning in two steps: the head alone on features computed once, then everything."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
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
from mmqpt.engine.kept_features import Batch, KeptFeatures, features_key
from mmqpt.engine.runner_state import bare_model
from mmqpt.engine.stopping import RunStopped, StopRequest
from mmqpt.models.protocol import BatchFeatures, StartsHead
from mmqpt.version import __version__


@HOOKS.register_module()
class HeadStartHook(Hook):
    """Fits the head on the features of the pre-trained backbone before training begins.

    A random head sends random gradients into a backbone that knows something, and the first epochs are spent on
    repairing what they did (Kumar et al., "Fine-tuning can distort pretrained features", ICLR 2022). So the training
    set is read ``passes`` times without gradients, features are kept, and the model's own losses are minimised over the
    head, and over the maps of rating scales, with AdamW and a cosine schedule. A head with ``standardise`` takes mean
    and deviation from the same features. Then the model is validated, as epoch 0: it may be the best there is. Runs
    that are resumed from a later step skip it.

    Features are kept in ``head_start`` of the work dir until the first epoch has ended. A run that was stopped before
    then and begins anew, with the same backbone, photos, labels and settings, computes only those that it lacks; so it
    does after SIGTERM and Ctrl-C under :class:`ResumableTrainLoop`, which write all of them. For that the sampler of
    the training set must be a :class:`SeededSampler`; with others nothing is kept.

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
        RunStopped: a signal asked for it, while features were computed.
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
        with torch.no_grad():
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
            self._forget(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """A checkpoint knows the head now."""
        self._forget(runner)

    @staticmethod
    def _forget(runner: Runner) -> None:
        shutil.rmtree(_folder(runner), ignore_errors=True)

    def _features(self, runner: Runner, model: Any) -> list[Batch]:
        """Features and samples of every training batch; the ladders' images are let go."""
        model.eval()
        loader = self._loader(runner)
        sampler = loader.sampler
        kept = KeptFeatures(_folder(runner), self._key(runner, model, loader))
        done, total = len(kept.batches), self.passes * len(loader)
        if done:
            runner.logger.info(f'head start: the features of {done} of {total} batches are in {kept.folder}')
        with tqdm(total=total, initial=done, desc='head start', unit='batch', mininterval=1) as bar:
            for number in range(self.passes):
                if done >= (number + 1) * len(loader):
                    torch.empty((), dtype=torch.int64).random_()  # as a loader does that begins; the fit draws after it
                    continue
                self._begin(runner, sampler, number)
                if done:  # of a SeededSampler, or nothing would have been kept
                    sampler.start = (done - number * len(loader)) * loader.batch_size
                    done = 0
                for batch in loader:
                    batch = model.data_preprocessor(batch, True)
                    inputs, samples = batch['inputs'], batch['data_samples']
                    if self.pipeline is not None and inputs[0].dim() == 3:
                        inputs = list(inputs)  # whole photos, also where all have one size
                    features = model.batch_features(inputs, samples)
                    for sample in samples:
                        sample.pop('ladder', None)
                    kept.add(features, samples)
                    bar.update()
                    _stop_if_asked(runner, kept, total)
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(runner.epoch)
        if not kept.batches:
            raise InputError('HeadStartHook: the training set gives no batch')
        kept.write()
        return kept.to(next(model.parameters()).device)

    def _key(self, runner: Runner, model: Any, loader: Any) -> str | None:
        """Of the features; None where they can't be kept."""
        fingerprint = getattr(loader.dataset, 'fingerprint', None)
        if not isinstance(loader.sampler, SeededSampler) or fingerprint is None:
            return None
        settings = {
            'version': __version__,
            'data': fingerprint(),
            'dataset': repr(loader.dataset),
            'model': runner.cfg.get('model'),
            'batch_size': loader.batch_size,
            'orders': [list(self._begin(runner, loader.sampler, number)) for number in range(self.passes)],
        }
        return features_key(getattr(model, 'backbone', model), settings)

    @staticmethod
    def _begin(runner: Runner, sampler: Any, number: int) -> Any:
        """The sampler, before a pass: at draws that no epoch of the training will repeat."""
        if hasattr(sampler, 'set_epoch'):
            sampler.set_epoch(runner.max_epochs + number)
        return sampler

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

    def _fit(self, model: Any, kept: list[Batch]) -> tuple[float, float]:
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


def _folder(runner: Runner) -> Path:
    return Path(runner.work_dir) / 'head_start'


def _stop_if_asked(runner: Runner, kept: KeptFeatures, total: int) -> None:
    stop = getattr(runner.train_loop, 'stop', None)  # of ResumableTrainLoop
    if not isinstance(stop, StopRequest) or stop.signal is None:
        return
    kept.write()
    where = 'nothing of it could be kept' if kept.key is None else f'kept in {kept.folder}'
    raise RunStopped(
        f'stopped by {stop.signal} in the head start, after {len(kept.batches)} of {total} batches, {where}'
    )
