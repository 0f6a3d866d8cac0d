"""A train loop that resumes exactly, from any step."""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, barrier, get_rank, get_world_size
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmpretrain.registry import LOOPS
from torch.utils.data import DataLoader

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SeededSampler
from mmqpt.engine.log_history import shorten
from mmqpt.engine.position import DataPositionHook
from mmqpt.engine.runner_state import bare_model, batches_per_step, ends_step, single_optimizer
from mmqpt.engine.safe_checkpoints import save_now
from mmqpt.engine.schedules import fit_schedules, lengthen_schedules
from mmqpt.engine.stopping import IgnoreCtrlC, RunStopped, StopRequest, without_sigchld_handler
from mmqpt.models.logs import leave_out_frozen_parameters
from mmqpt.models.protocol import CountsSteps

SHORTENED_EVERY = 1_000
"""Steps after which the log is shortened."""


class State(IntEnum):
    """What a rank reports before a step; the largest of all ranks counts."""

    GO = 0
    STOP = 1
    LOADER_FAILED = 2


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs, with these differences:

    - A run resumes from any step: ``SeededSampler`` starts at the first photo not yet used. For other samplers the
      batches already used are loaded and thrown away. A checkpoint with another number of photos a step is refused.
    - SIGTERM and SIGINT: the step is finished, everything is saved (``stopped_iter_N.pth``), and :class:`RunStopped`
      is raised; mmqpt pretrain then exits with ``RESUME_ME``. All ranks stop at the same step.
    - A loader that fails (a dead worker, a missing shard) on any rank: everything is saved before the error is raised.
    - Each step seeds PyTorch's generators by (seed, step, rank), so that dropout too is the same after a resume.
    - A model that is :class:`CountsSteps` is told which batches end an optimiser step.
    - Schedules follow the length of the run (:func:`fit_schedules`), also of one that is resumed with more epochs.
    - The log of a long run is kept as means (:func:`shorten`), so that neither steps nor checkpoints grow with it.
    - ``max_iters`` may be given instead of ``max_epochs``: the last epoch then ends early. After a resume, MMEngine's
      loop over iterations loads everything again that was used before.

    Args:
        runner: the runner.
        dataloader: of the training photos.
        max_epochs: passes over the data.
        max_iters: steps, instead of ``max_epochs``.
        options: ``val_begin``, ``val_interval`` and ``dynamic_intervals`` of MMEngine's loop, in epochs.

    Raises:
        InputError: both or neither of ``max_epochs`` and ``max_iters``, or a number below 1; no full batch of photos.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict[str, Any],
        max_epochs: int | None = None,
        max_iters: int | None = None,
        **options: Any,
    ) -> None:
        if (max_epochs is None) == (max_iters is None):
            raise InputError(f'give max_epochs or max_iters, got {max_epochs} and {max_iters}')
        limit = max_iters if max_epochs is None else max_epochs
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise InputError(f'max_epochs or max_iters must be an integer >= 1, got {limit!r}')
        super().__init__(runner, dataloader, max_epochs=max_epochs or 1, **options)
        leave_out_frozen_parameters(runner.logger)  # the optimiser is built after the loop
        if not len(self.dataloader):
            raise InputError(
                f'{len(self.dataloader.dataset)} photos give no batch of {self.dataloader.batch_size} on '
                f'{get_world_size()} ranks'
            )
        if max_iters is not None:
            self._max_epochs = math.ceil(max_iters / len(self.dataloader))
            self._max_iters = max_iters
        runner.param_schedulers, notes = fit_schedules(
            runner.param_schedulers, self._max_iters / len(self.dataloader), self._max_iters
        )
        self.schedules = runner.param_schedulers
        for note in notes:
            runner.logger.warning(f'param_scheduler: {note}')
        self._batches: Iterator[Any] | None = None
        self.stop = StopRequest()
        self.position = DataPositionHook()
        runner.register_hook(self.position)
        self.dataloader.worker_init_fn = IgnoreCtrlC(self.dataloader.worker_init_fn)

    def run(self) -> torch.nn.Module:
        """Train to the end.

        Raises:
            RunStopped: a signal asked for it, on any rank.
            InputError: a checkpoint of other steps; an optimizer that MMEngine can't save.
        """
        self._epoch, self._done = divmod(self._iter, len(self.dataloader))
        self.position.check(self.runner)
        lengthen_schedules(self.runner, self.schedules)
        if type(single_optimizer(self.runner)).__name__ == 'ZeroRedundancyOptimizer':
            raise InputError(
                'ZeroRedundancyOptimizer can not be saved: it gathers its state from all ranks, but MMEngine saves on '
                'the first alone, which would wait for ever'
            )
        try:
            with self.stop.listening():
                return super().run()
        finally:
            self._end_workers()

    def run_epoch(self) -> None:
        """The rest of an epoch."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        self._batches = batches = self._rest_of_epoch()
        with without_sigchld_handler():
            for index in range(self._done, min(len(self.dataloader), self._done + self._max_iters - self._iter)):
                batch, error = _next(batches)
                self._agree_to_go_on(error)
                self.run_iter(index, batch)
            self._done = 0
            self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """One batch."""
        model = bare_model(self.runner)
        if isinstance(model, CountsSteps):
            model.begin_batch(ends_step(self.runner))
        seed_step(self.runner.seed, self._iter, get_rank())
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        outputs = self.runner.model.train_step(data_batch, optim_wrapper=self.runner.optim_wrapper)
        outputs = fetched(outputs)  # hooks read each value of each step
        self.runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1
        if self._iter % SHORTENED_EVERY == 0:
            for history in self.runner.message_hub.log_scalars.values():
                shorten(history)

    def _rest_of_epoch(self) -> Iterator[Any]:
        sampler = self.dataloader.sampler
        if isinstance(sampler, SeededSampler):
            sampler.seed = self.position.seed if self.position.seed is not None else sampler.seed
            sampler.start = self._done * self.dataloader.batch_size
            return iter(self.dataloader)
        if self._done:
            self.runner.logger.warning(
                f'{type(sampler).__name__} can not skip the photos already used: loads {self._done} batches and throws '
                'them away'
            )
        return itertools.islice(iter(self.dataloader), self._done, None)

    def _end_workers(self) -> None:
        """End them now: Python would wait for them at its end, and a dead one could raise at any time until then."""
        iterator: Any = getattr(self.dataloader, '_iterator', None) or self._batches
        if hasattr(iterator, '_shutdown_workers'):
            with without_sigchld_handler():
                iterator._shutdown_workers()
        self.dataloader._iterator = self._batches = None

    def _agree_to_go_on(self, error: Exception | None) -> None:
        """Raise on all ranks if one must stop, after saving. All ranks must call it before each step."""
        if error and _is_dead_worker(error):
            time.sleep(1)  # a scheduler signals all processes of a job; our signal may be on its way
        waiting = self._iter % batches_per_step(self.runner)  # batches of a step that is not complete
        mine = State.LOADER_FAILED if error else State.STOP if self.stop.signal else State.GO
        worst = State(_largest(mine))
        if worst is State.GO or (worst is State.STOP and waiting):
            return
        steps = self._iter - waiting
        path = save_now(self.runner, steps, steps // len(self.dataloader)) if steps else None
        barrier()  # no rank ends before the file is on the disk: launchers would kill the others
        saved = f'saved as {path}' if path else 'before the first step was done'
        if worst is State.LOADER_FAILED and not self.stop.signal:
            if error and not isinstance(error, (InputError, OSError)) and not _is_dead_worker(error):
                self.runner.logger.error(''.join(traceback.format_exception(error)).strip())
            raise InputError(f'after {steps} steps ({saved}) the loader failed: {_reason(error)}') from error
        raise RunStopped(f'stopped by {self.stop.signal or "a signal to another rank"} after {steps} steps, {saved}')


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed PyTorch's generators for one step of one rank; every (seed, step, rank) gives another state."""
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0]))


def fetched(outputs: dict[str, Any]) -> dict[str, Any]:
    """What a step returned, its scalars as numbers: one transfer from the device instead of one for each.

    Args:
        outputs: values by name; those that are no tensors of one element stay as they are.
    """
    scalars = {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor) and value.numel() == 1}
    kinds = {(value.dtype, value.device) for value in scalars.values()}
    numbers: dict[str, Any] = {}
    for kind in kinds:
        same = {name: value for name, value in scalars.items() if (value.dtype, value.device) == kind}
        numbers |= zip(
            same, torch.stack([value.detach().flatten()[0] for value in same.values()]).tolist(), strict=True
        )
    return {name: numbers.get(name, value) for name, value in outputs.items()}


def _next(batches: Iterator[Any]) -> tuple[Any, Exception | None]:
    try:
        return next(batches), None
    except StopIteration:
        return None, InputError('it gave fewer batches than its length')
    except Exception as error:  # of any kind: workers pass on whatever they raised
        return None, error


def _is_dead_worker(error: Exception) -> bool:
    return 'exited unexpectedly' in str(error)


def _reason(error: Exception | None) -> str:
    """One sentence; an error in a worker comes with that worker's traceback, whose last line is the error."""
    if error is None:
        return 'on another rank, whose own message says why'
    reason = (str(error).strip() or type(error).__name__).splitlines()[-1].strip()
    told = isinstance(error, (InputError, OSError)) or 'Traceback (most recent call last)' in str(error)
    if not told and not _is_dead_worker(error) and reason != type(error).__name__:
        reason = f'{type(error).__name__}: {reason}'
    if _is_dead_worker(error):
        reason += ' (out of memory, or of shared memory, as in containers with a small /dev/shm?)'
    return reason


def _largest(number: int) -> int:
    """Over all ranks."""
    if get_world_size() == 1:
        return number
    found = torch.tensor(int(number))
    all_reduce(found, op='max')
    return int(found)
