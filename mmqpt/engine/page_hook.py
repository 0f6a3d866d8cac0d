"""Writes the page of a training run at each checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.engine.log_history import course
from mmqpt.engine.training_page import Example, training_page

PAGE = 'report.html'


@HOOKS.register_module()
class TrainingPageHook(Hook):
    """Writes ``report.html`` to the work folder whenever a checkpoint is saved; see :func:`training_page`.

    It draws what MMEngine's message hub holds, which is saved in checkpoints: the course of a resumed run goes on. A
    page that can't be written is a warning and stops nothing.

    Args:
        examples: photos of the last batch to show, of models that learn from pairs of patches.
    """

    priority = 'LOW'  # after the hooks that watch the run

    def __init__(self, examples: int = 3) -> None:
        if isinstance(examples, bool) or not isinstance(examples, int) or examples < 0:
            raise InputError(f'examples must be an integer >= 0, got {examples!r}')
        self.examples = examples
        self.batch: dict[str, Any] | None = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Keeps the batch until the next one comes."""
        self.batch = data_batch if is_main_process() else None

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Writes the page; the main process alone saves checkpoints."""
        try:
            self._write(runner, int(checkpoint['meta']['iter']))
        except (OSError, InputError) as error:
            runner.logger.warning(f'{PAGE} was not written: {error}')
        except Exception as error:  # a fault of the page: days of training must not end with it, nor may it go unseen
            runner.logger.warning(f'{PAGE} was not written: {error!r}', exc_info=True)

    def _write(self, runner: Runner, step: int) -> None:
        log = {}
        for name, history in runner.message_hub.log_scalars.items():
            part, _, key = name.partition('/')
            if part in ('train', 'val') and len(history.data[0]):
                log[key if part == 'train' else name] = course(history)
        batch = (getattr(runner.train_dataloader, 'batch_size', None) or 1) * get_world_size()
        page = training_page(
            str(runner.experiment_name), log, step, runner.max_iters, batch, _examples(self.batch, self.examples)
        )
        with replacing(Path(runner.work_dir) / PAGE) as partial:
            Path(partial).write_text(page, encoding='utf-8', errors='backslashreplace')


def _examples(batch: dict[str, Any] | None, count: int) -> list[Example]:
    """The first samples of a batch that are patches (V, P, 3, S, S) with a recipe for each version."""
    found = []
    inputs, samples = (batch or {}).get('inputs', ()), (batch or {}).get('data_samples', ())
    for patches, sample in list(zip(inputs, samples, strict=False))[:count]:
        recipes = sample.get('recipes') or ()
        if getattr(patches, 'ndim', 0) == 5 and len(recipes) == len(patches):
            pixels = np.ascontiguousarray(patches.cpu().numpy().transpose(0, 1, 3, 4, 2))
            found.append(Example(pixels, [str(recipe) for recipe in recipes]))
    return found
