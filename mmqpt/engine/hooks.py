"""Hooks: the export spec in checkpoints, validation after a resume, a progress bar, unreadable photos, collapse."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.scales import ScaleLabels
from mmqpt.engine.runner_state import bare_model, batches_per_step
from mmqpt.engine.training_page import COLLAPSED
from mmqpt.models.protocol import Exportable, ShowsEmbeddings
from mmqpt.version import __version__


@HOOKS.register_module()
class ExportSpecHook(Hook):
    """Stores in every checkpoint what export needs (``meta['mmqpt']``), so that export never runs a config as code.

    Models that are not :class:`Exportable` are left alone.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the model's spec, the data set, the hash of the config and the version."""
        model = bare_model(runner)
        if not isinstance(model, Exportable):
            return
        checkpoint['meta']['mmqpt'] = {
            **_plain(model.export_spec()),
            'data': _plain(getattr(runner.train_dataloader.dataset, 'metainfo', {})),
            'config_sha256': hashlib.sha256(runner.cfg.pretty_text.encode()).hexdigest(),
            'iterations': checkpoint['meta']['iter'],  # runner.iter is one less where steps are counted, not epochs
            'mmqpt_version': __version__,
        }


@HOOKS.register_module()
class RatingScalesHook(Hook):
    """Begins the maps of the model's rating scales at the labels of the training set."""

    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """For models and sets with rating scales; on a resumed run as well, to the same numbers.

        Raises:
            InputError: one of them has none, or others.
        """
        model = bare_model(runner)
        labels: ScaleLabels = getattr(runner.train_dataloader.dataset, 'labels', dict)()
        if labels and hasattr(model, 'start_scales'):
            model.start_scales(labels)
        elif getattr(model, 'scales', None) is not None:
            raise InputError('the model has rating scales, but the training set has none: give scale_column or scale')


@HOOKS.register_module()
class ValidateOnResumeHook(Hook):
    """Validates the epoch that a run is resumed from, before it goes on.

    MMEngine saves an epoch's checkpoint and validates afterwards. A run stopped in between would never learn how good
    that epoch was, and might call another one the best. Epochs that an unbroken run would not validate
    (``val_interval``, ``val_begin``) are not validated here.
    """

    priority = 'LOWEST'  # after CheckpointHook, which keeps the best, has been set up

    def before_train(self, runner: Runner) -> None:
        """Only if the run was resumed at the end of an epoch."""
        whole = runner.iter == runner.epoch * len(runner.train_dataloader)
        if runner._resume and runner.epoch > 0 and whole and runner.val_loop is not None and _is_due(runner):
            runner.val_loop.run()


def _is_due(runner: Runner) -> bool:
    """Whether MMEngine's loop over epochs validates at the end of the epoch that the run has come to."""
    loop = runner.train_loop
    loop._decide_current_val_interval()  # as after every epoch
    last = runner.epoch == runner.max_epochs
    return runner.epoch >= loop.val_begin and (runner.epoch % loop.val_interval == 0 or last)


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """A progress bar over the steps of a run, with the last figures of the validation part.

    Args:
        figures: which of the validation's figures to show.
    """

    def __init__(self, figures: Sequence[str] = ('iqa/SRCC',)) -> None:
        self.figures = tuple(figures)
        self.bar: tqdm | None = None
        self.shown: dict[str, str] = {}

    def before_train(self, runner: Runner) -> None:
        """Starts at the step that a resumed run starts from."""
        if is_main_process():
            self.bar = tqdm(total=runner.max_iters, initial=runner.iter, desc='train', unit='step', mininterval=1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """One step on."""
        if self.bar is not None:
            self.bar.update()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Shows the figures of this epoch."""
        for name in self.figures:
            value = (metrics or {}).get(name)
            if value is not None:
                self.shown[name.split('/')[-1]] = f'{value:.3f}'
        if self.bar is not None:
            self.bar.set_postfix(self.shown)

    def after_train(self, runner: Runner) -> None:
        """Leaves the finished bar on the screen."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@HOOKS.register_module()
class UnreadablePhotosHook(Hook):
    """Counts photos that :class:`PhotoFolder` skipped, warns once about each, and stops the run when they are too many.

    Ranks see different photos: at the end of each epoch they tell each other, and the first, whose log is the only one
    that is kept, names those of the others. A resumed run counts anew.

    Args:
        max_share: share of the photos that may be unreadable, 0 to 1.
    """

    def __init__(self, max_share: float = 0.05) -> None:
        if not 0 <= max_share <= 1:
            raise InputError(f'max_share must be a share from 0 to 1, got {max_share}')
        self.max_share = max_share
        self.skipped: dict[str, str] = {}

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Reads which photos the samples of the batch stand in for."""
        for sample in (data_batch or {}).get('data_samples', ()):
            self._note(runner, dict(sample.get('skipped', ())))
        self._check(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        """What all ranks have met."""
        for skipped in all_gather_object(self.skipped):
            self._note(runner, skipped)
        self._check(runner)

    def after_train(self, runner: Runner) -> None:
        """Says how many there were."""
        if self.skipped:
            runner.logger.warning(f'{len(self.skipped)} unreadable photos were skipped: {", ".join(self.skipped)}')

    def _note(self, runner: Runner, skipped: dict[str, str]) -> None:
        for path, reason in skipped.items():
            if path not in self.skipped:
                self.skipped[path] = reason
                runner.logger.warning(f'unreadable photo skipped ({len(self.skipped)} so far): {reason}')

    def _check(self, runner: Runner) -> None:
        total = len(runner.train_dataloader.dataset)
        if len(self.skipped) > self.max_share * total:
            raise InputError(
                f'{len(self.skipped)} of {total} photos are unreadable, more than the share of {self.max_share} that '
                f'UnreadablePhotosHook allows; the last: {next(reversed(self.skipped.values()))}'
            )


@HOOKS.register_module()
class CollapseWatchHook(Hook):
    """Warns when the embeddings of pre-training shrink to one point or a few directions.

    Contrastive learning that has collapsed looks healthy for hours: the loss stays near ``chance_level``. Every
    ``interval`` steps the log gets:

    - ``embedding_rank``: how many directions the step's queries use, 1 to their number or length: the exponential of
      the entropy of their normalised singular values (RankMe, Garrido et al., ICML 2023).
    - ``embedding_similarity``: mean cosine of two queries of a step; 1 when all are the same.
    - ``queue_age``: mean age of the keys in the queue, in steps, for models with a queue.

    Models that do not :class:`ShowsEmbeddings` are left alone.

    Args:
        interval: steps between two looks.
        max_similarity: above it the embeddings count as collapsed.
        patience: looks in a row at collapsed embeddings before the first warning, and between two.
    """

    def __init__(self, interval: int = 50, max_similarity: float = COLLAPSED, patience: int = 2) -> None:
        if interval < 1 or patience < 1 or not 0 < max_similarity <= 1:
            raise InputError(
                'CollapseWatchHook needs interval >= 1, patience >= 1 and 0 < max_similarity <= 1, got '
                f'{interval}, {patience} and {max_similarity}'
            )
        self.interval = interval
        self.max_similarity = max_similarity
        self.patience = patience
        self.looks = 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Looks at the embeddings of the batch."""
        model = bare_model(runner)
        if not isinstance(model, ShowsEmbeddings) or not self.every_n_train_iters(runner, self.interval):
            return
        embeddings = model.last_embeddings()
        if embeddings is None:
            return
        vectors = embeddings.queries.float()
        if not vectors.isfinite().all():
            runner.logger.warning(f'COLLAPSE: step {runner.iter + 1}: embeddings are not finite; the weights are lost')
            return
        rank, similarity = effective_rank(vectors), mean_similarity(vectors)
        runner.message_hub.update_scalar('train/embedding_rank', rank)
        runner.message_hub.update_scalar('train/embedding_similarity', similarity)
        if embeddings.queued is not None:
            keys = len(vectors) * get_world_size() * batches_per_step(runner)  # that a step adds
            runner.message_hub.update_scalar('train/queue_age', (float(embeddings.queued) / keys + 1) / 2)
        self.looks = self.looks + 1 if similarity > self.max_similarity else 0
        if self.looks and self.looks % self.patience == 0:
            runner.logger.warning(
                f'COLLAPSE: step {runner.iter + 1}: embeddings of different patches have a mean cosine of '
                f'{similarity:.3f} and use {rank:.1f} directions; the network no longer tells them apart. From random '
                'weights, use a neck with BatchNorm (NonLinearNeck); otherwise lower the learning rate or enlarge the '
                'batch (docs/experiments.md, section 4)'
            )


def effective_rank(vectors: Tensor) -> float:
    """Exponential of the entropy of the normalised singular values of (M, E); 1 to min(M, E)."""
    values = torch.linalg.svdvals(vectors)
    shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    return float(torch.special.entr(shares).sum().exp())


def mean_similarity(vectors: Tensor) -> float:
    """Mean cosine of two different rows of M >= 2 unit vectors (M, E)."""
    count = len(vectors)
    return float((vectors.sum(dim=0).square().sum() - count) / (count * (count - 1)))


def _plain(value: Any) -> Any:
    """Configs as plain dicts, tuples as lists: what JSON would give back."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
