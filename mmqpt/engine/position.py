"""Where in the data a checkpoint was saved, and whether a run may resume from there."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SeededSampler
from mmqpt.engine.resumed_settings import other_settings
from mmqpt.engine.runner_state import bare_model
from mmqpt.models.checkpoint import check_fit


@HOOKS.register_module()
class DataPositionHook(Hook):
    """Stores photos a step, steps an epoch and the sampler's seed in ``meta['position']`` of checkpoints.

    ``ResumableTrainLoop`` registers it, calls :meth:`check` before the first step and reads ``seed``.

    Attributes:
        seed: of the sampler of the run being resumed, or None.
    """

    priority = 'HIGH'

    def __init__(self) -> None:
        self.seed: int | None = None
        self.found: dict[str, int] | None = None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the position."""
        checkpoint['meta']['position'] = _position(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keeps the position of the run being resumed, and says which of its settings are kept, too.

        Raises:
            InputError: the checkpoint is of another model, or of other schedules.
        """
        if runner._resume:
            check_fit(runner._load_from or 'the checkpoint', checkpoint, bare_model(runner))
            if others := other_settings(runner, checkpoint):
                runner.logger.warning(
                    f'resumed with the settings of the checkpoint: {"; ".join(others)}. For those of the config, start '
                    'a new run from its weights (load_from without resume)'
                )
            self.found = checkpoint.get('meta', {}).get('position')
            self.seed = (self.found or {}).get('seed')

    def check(self, runner: Runner) -> None:
        """Refuse to resume where photos would be used twice or never, or steps would not mean the same.

        Raises:
            InputError: the steps of the checkpoint are not those of this run.
        """
        now = _position(runner)
        for name, what in (('photos_per_step', 'photos a step'), ('steps_per_epoch', 'steps an epoch')):
            if self.found is not None and self.found[name] != now[name]:
                raise InputError(
                    f'the checkpoint is of a run with {self.found[name]} {what}, this one has {now[name]}: steps, '
                    'learning rates and photos already used would not match. Use the same photos and the same '
                    'batch_size x ranks, or start a new run from its weights (load_from without resume)'
                )


def _position(runner: Runner) -> dict[str, int]:
    loader = runner.train_dataloader
    position = {
        'photos_per_step': loader.batch_size * get_world_size(),
        'steps_per_epoch': len(loader),
    }
    if isinstance(loader.sampler, SeededSampler):
        position['seed'] = loader.sampler.seed
    return position
