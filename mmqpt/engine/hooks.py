"""Hooks: the export spec in checkpoints, validation after a resume, a progress bar, unreadable photos."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.version import __version__


@HOOKS.register_module()
class ExportSpecHook(Hook):
    """Stores in every checkpoint what export needs (``meta['mmqpt']``), so that export never runs a config as code."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the model's spec, the data set, the hash of the config and the version."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, 'export_spec'):
            return
        checkpoint['meta']['mmqpt'] = {
            **_plain(model.export_spec()),
            'data': _plain(getattr(runner.train_dataloader.dataset, 'metainfo', {})),
            'config_sha256': hashlib.sha256(runner.cfg.pretty_text.encode()).hexdigest(),
            'iterations': checkpoint['meta']['iter'],  # runner.iter is one less where steps are counted, not epochs
            'mmqpt_version': __version__,
        }


@HOOKS.register_module()
class ValidateOnResumeHook(Hook):
    """Validates the epoch that a run is resumed from, before it goes on.

    MMEngine saves an epoch's checkpoint and validates afterwards. A run that is stopped in between would never learn
    how good that epoch was, and might call another one the best.
    """

    priority = 'LOWEST'  # after CheckpointHook, which keeps the best, has been set up

    def before_train(self, runner: Runner) -> None:
        """Only where the run was resumed after whole epochs."""
        if runner._resume and runner.epoch > 0 and runner.val_loop is not None:
            runner.val_loop.run()


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
        """Starts where a resumed run goes on."""
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
        """Leaves the full bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@HOOKS.register_module()
class UnreadablePhotosHook(Hook):
    """Counts photos that :class:`PhotoFolder` skipped, warns once about each, and stops the run when they are too many.

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
        """Reads what the samples of the batch carry."""
        for sample in (data_batch or {}).get('data_samples', ()):
            for path, reason in sample.get('skipped', ()):
                if path not in self.skipped:
                    self.skipped[path] = reason
                    runner.logger.warning(f'unreadable photo skipped ({len(self.skipped)} so far): {reason}')
        total = len(runner.train_dataloader.dataset)
        if len(self.skipped) > self.max_share * total:
            raise InputError(
                f'{len(self.skipped)} of {total} photos are unreadable, more than the share of {self.max_share} that '
                f'UnreadablePhotosHook allows; the last: {next(reversed(self.skipped.values()))}'
            )

    def after_train(self, runner: Runner) -> None:
        """Says how many there were."""
        if self.skipped:
            runner.logger.warning(f'{len(self.skipped)} unreadable photos were skipped: {", ".join(self.skipped)}')


def _plain(value: Any) -> Any:
    """Configs as plain dicts, tuples as lists: what JSON would give back."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
