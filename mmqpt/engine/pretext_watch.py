"""A hook that says what of the pretext task is learned, and what can't be."""

from __future__ import annotations

import math
from typing import Any

from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.engine.runner_state import bare_model, batches_per_step
from mmqpt.models.key_encoder import longest_queue
from mmqpt.models.protocol import Contrast, Contrasts
from mmqpt.models.qc_loss import largest_degradation_mass

LEAST_MASS = 0.05
"""Below it, degradation-based negatives leave no trace: QC-Loss is MoCo's on degraded photos."""

_START = 'start_acc_degradation'
_MEASURED = 'start_batches'


@HOOKS.register_module()
class PretextWatchHook(Hook):
    """Logs what pre-training adds to its start, and warns of settings under which it can add nothing.

    - ``gain_degradation``: ``acc_degradation`` less that of the start. A network that never saw the task solves a part
      of it: features of ImageNet tell 60 to 80 % of the versions apart, so that accuracy alone shows nothing. The start
      is measured once, on the first batches, with the untrained encoder's pooled features.
    - A warning when degradation-based negatives can't get 5 % of the negatives' softmax mass.
    - A warning when the queue is too long for the run (:func:`longest_queue`).

    Models that are not :class:`Contrasts` are left alone.

    Args:
        batches: how many batches to measure the start on; 0 for none.
    """

    def __init__(self, batches: int = 10) -> None:
        if isinstance(batches, bool) or not isinstance(batches, int) or batches < 0:
            raise InputError(f'batches must be an integer >= 0, got {batches!r}')
        self.batches = batches
        self._model: Any = None
        self._start: nn.Module | None = None
        self._warned = False

    def before_train(self, runner: Runner) -> None:
        """Whether the model takes part; a run that was not resumed forgets what another measured."""
        model = bare_model(runner)
        self._model = model if isinstance(model, Contrasts) else None
        if self._model is not None and runner.iter == 0:
            runner.message_hub.update_info(_START, None)
            runner.message_hub.update_info(_MEASURED, 0)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None) -> None:
        """The warnings, and a part of the start's accuracy.

        A run that was stopped within these batches goes on with what it has measured.
        """
        if self._model is None or data_batch is None:
            return
        measuring = self.batches and (runner.iter == 0 or self._start is not None)
        if self._warned and not measuring:
            return
        inputs = self._model.data_preprocessor(data_batch, training=True)['inputs']
        contrast = self._model.contrast(inputs)
        if not self._warned:
            self._warned = True
            for warning in warnings_of(contrast, runner.max_iters, batches_per_step(runner)):
                runner.logger.warning(warning)
        if measuring and contrast.degradations:
            self._measure(runner, inputs)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict[str, Any] | None = None, outputs: Any = None
    ) -> None:
        """Logs the gain, once the start is known."""
        if self._model is None or self._start is not None or 'acc_degradation' not in (outputs or {}):
            return
        start = runner.message_hub.get_info(_START)
        if start is None:
            return
        runner.message_hub.update_scalar('train/gain_degradation', float(outputs['acc_degradation']) - start)

    def _measure(self, runner: Runner, inputs: Tensor) -> None:
        """Add a batch to the mean, which is kept in checkpoints."""
        if self._start is None:
            self._start = self._model.untrained_backbone(inputs)
        accuracy = self._model.feature_accuracy(inputs, self._start)
        all_reduce(accuracy, op='mean')
        hub = runner.message_hub
        before, number = hub.get_info(_START) or 0.0, hub.get_info(_MEASURED) + 1
        hub.update_info(_START, before + (float(accuracy) - before) / number)
        hub.update_info(_MEASURED, number)
        if number == self.batches:
            self._start = None
            runner.logger.info(
                f'the untrained encoder tells {hub.get_info(_START):.3f} of the versions apart ({number} batches): '
                'gain_degradation in the log is what training adds'
            )


def warnings_of(contrast: Contrast, batches: int, batches_per_step: int = 1) -> list[str]:
    """What can't work in a run, in sentences.

    Args:
        contrast: of a batch.
        batches: of the whole run, on each rank.
        batches_per_step: how many accumulate to a step.
    """
    found = []
    share, degradations, contents = contrast.degradation_share, contrast.degradations, contrast.contents
    if not degradations and not contents:
        found.append(
            'no patch has a negative: QC-Loss is 0 for any network. Give the model a queue_length, or PatchPairs more '
            'versions, or with batch_negatives more than one photo a batch'
        )
        return found
    mass = largest_degradation_mass(degradations, contents, contrast.temperature, share)
    if degradations and mass < LEAST_MASS:
        weight = degradations if share is None else contents * share / (1 - share)
        near = f'{weight:.4g} e^(1/{contrast.temperature:g})'
        found.append(
            f'degradation-based negatives can hold at most {mass:.2%} of the softmax mass of the negatives, were they '
            f'all at cosine 1 and content-based ones at 0: {near} / ({near} + {contents}) with {degradations} beside '
            f'{contents}. QC-Loss is then MoCo and feels no degradation: set degradation_share=0.5 in the QCHead'
        )
    keys = contrast.keys * get_world_size() * batches_per_step
    longest = longest_queue(max(1, batches // batches_per_step), keys, contrast.momentum)
    if contrast.queue_length > longest:
        found.append(
            f'a queue of {contrast.queue_length} keys holds {contrast.queue_length / keys:.0f} steps of {keys} keys, '
            f'but in a run of {math.ceil(batches / batches_per_step)} steps the key encoder changes so fast that old '
            f'keys are told from the positive by their age: set queue_length to {longest} or less, or 0 for none'
        )
    return found
