"""Steps whose loss or gradients are not finite: skipped, counted, and written down for a replay."""

from __future__ import annotations

import json
import math
import shlex
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.core.networks import batch_norms
from mmqpt.engine.runner_state import bare_model, begins_step, single_optimizer
from mmqpt.engine.safe_checkpoints import ATOMIC

FOLDER = 'bad_steps'


@HOOKS.register_module()
class FiniteStepHook(Hook):
    """A step with a NaN or infinite loss or gradient changes nothing: no weight, no average of BatchNorm, no momentum.

    Gradients are checked just before the optimiser uses them, after they were averaged over the ranks, so that all
    ranks skip the same steps. Under AMP, gradients that overflow while the loss is finite are left to the loss scaler,
    which skips them too and lowers its scale; they are not counted.

    Each rank writes ``bad_steps/step_N_rank_R.json`` in the work dir: names, sample keys and recipes of its batch,
    which mmqpt replay-batch loads again. Beside it the first rank keeps the weights of the latest row of bad steps,
    as they were at its first (``bad_steps/step_N.pth``). ``skipped_steps`` in the log counts them. Under gradient
    accumulation a bad batch spoils its whole step, which counts once.

    Args:
        max_in_a_row: the run stops at this many bad steps in a row; earlier checkpoints stay.
        max_files: each rank writes at most this many files.

    Raises:
        InputError: an argument below 1; too many bad steps in a row.
    """

    priority = 'VERY_HIGH'  # before the hooks that log and save

    def __init__(self, max_in_a_row: int = 10, max_files: int = 100) -> None:
        for name, value in (('max_in_a_row', max_in_a_row), ('max_files', max_files)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f'{name} must be an integer >= 1, got {value!r}')
        self.max_in_a_row = max_in_a_row
        self.max_files = max_files
        self.skipped = 0
        self.in_a_row = 0
        self.written = 0
        self.bad_gradients = False  # in this batch's optimiser step
        self.step_counted = False  # an earlier batch of this step was bad already
        self.weights_file: Path | None = None
        self._kept: list[tuple[Tensor, Tensor]] = []  # BatchNorm averages, and their values before the step

    def before_train(self, runner: Runner) -> None:
        """Checks gradients from now on."""
        self.skipped = int(runner.message_hub.runtime_info.get('skipped_steps', 0))
        optimizer = single_optimizer(runner)
        if optimizer is None:
            raise InputError('FiniteStepHook needs a single optimizer; leave it out of custom_hooks')
        optimizer.register_step_pre_hook(self._check_gradients)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keeps what the forward pass changes."""
        self.bad_gradients = False
        if begins_step(runner):
            self.step_counted = False
        layers = [layer for layer in batch_norms(bare_model(runner)) if layer.training and layer.track_running_stats]
        live = [value for layer in layers for value in layer.buffers(recurse=False)]
        if len(live) == len(self._kept):
            if live:
                torch._foreach_copy_([kept for _, kept in self._kept], live)
        else:
            self._kept = [(value, value.clone()) for value in live]

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Counts, writes down and, if there were too many, stops."""
        loss = (outputs or {}).get('loss')
        if self.skipped:
            runner.message_hub.update_scalar('train/skipped_steps', self.skipped)
        finite_loss = loss is None or math.isfinite(_float(loss))
        if finite_loss and self.step_counted:
            return
        if finite_loss and not self.bad_gradients:
            self.in_a_row = 0
            return
        for value, kept in self._kept:
            value.copy_(kept)
        if not self.step_counted:
            self.skipped += 1
            self.in_a_row += 1
        runner.message_hub.update_info('skipped_steps', self.skipped)
        where = self._write(runner, data_batch, outputs)
        self.step_counted = True
        shown = 'none' if loss is None else _float(loss)
        runner.logger.warning(
            f'step {runner.iter + 1}: the loss ({shown}) or a gradient is not finite; the step was skipped '
            f'({self.skipped} so far). Look at it: mmqpt replay-batch {shlex.quote(str(where))}'
        )
        if self.in_a_row >= self.max_in_a_row:
            raise InputError(
                f'{self.in_a_row} steps in a row had a loss or gradients that are not finite, the last is step '
                f'{runner.iter + 1}; earlier checkpoints are kept, the batches are in {where.parent}'
            )

    def after_train(self, runner: Runner) -> None:
        """Says how many there were."""
        if self.skipped:
            runner.logger.warning(f'{self.skipped} steps were skipped: a loss or gradients were not finite')

    def _check_gradients(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Called by PyTorch before a step. Without gradients it does nothing, not even weight decay."""
        weights = [weight for group in optimizer.param_groups for weight in group['params'] if weight.grad is not None]
        if not weights:
            return
        sizes = torch._foreach_norm([weight.grad for weight in weights])
        if not bool(torch.stack([size.float() for size in sizes]).isfinite().all()):
            self.bad_gradients = True
            for weight in weights:
                weight.grad = None

    def _write(self, runner: Runner, batch: Any, outputs: dict[str, Any] | None) -> Path:
        """The batch of this rank as JSON, and the weights once per row of bad steps."""
        folder = Path(runner.work_dir) / FOLDER
        path = folder / f'step_{runner.iter + 1}_rank_{get_rank()}.json'
        if self.written >= self.max_files:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        samples = (batch or {}).get('data_samples', ()) if isinstance(batch, dict) else ()
        first = self.in_a_row == 1 and not self.step_counted  # of a row of bad steps
        weights = folder / f'step_{runner.iter + 1}.pth' if first else self.weights_file
        content = {
            'step': runner.iter + 1,
            'epoch': runner.epoch,
            'rank': get_rank(),
            'seed': runner.seed,
            'outputs': {key: _number(value) for key, value in (outputs or {}).items()},
            'config': runner.cfg.pretty_text,
            'weights': weights.name if weights else None,
            'samples': [describe_sample(sample) for sample in samples],
        }
        with replacing(path) as partial:
            Path(partial).write_text(json.dumps(content, indent=1), encoding='utf-8')
        self.written += 1
        if first and weights is not None:
            self._keep_weights(runner, weights)
        return path

    def _keep_weights(self, runner: Runner, path: Path) -> None:
        """Save the weights that met the batch; the step changed none of them."""
        options = {'save_optimizer': False, 'save_param_scheduler': False, 'backend_args': {'backend': ATOMIC}}
        runner.save_checkpoint(str(path.parent), path.name, **options)
        if self.weights_file is not None and is_main_process():
            self.weights_file.unlink(missing_ok=True)
        self.weights_file = path


def describe_sample(sample: Any) -> dict[str, Any]:
    """Name, sample key, recipes as JSON and places of the patches: what loads a sample again, and what to compare."""
    known: dict[str, Any] = {'name': sample.get('img_path')}
    key = sample.get('sample_key')
    if key is not None:
        known |= {'index': int(key[0]), 'entropy': [int(part) for part in key[1]]}
    if sample.get('recipes') is not None:
        known['recipes'] = [json.loads(recipe.to_json()) for recipe in sample.get('recipes')]
    if sample.get('positions') is not None:
        known['positions'] = sample.get('positions').tolist()
    if sample.get('skipped'):
        known['skipped'] = [list(item) for item in sample.get('skipped')]
    return known


def _number(value: Any) -> float | str:
    """As JSON takes it: NaN and infinity as text."""
    number = _float(value)
    return number if math.isfinite(number) else str(number)


def _float(value: Any) -> float:
    return float(value.detach() if hasattr(value, 'detach') else value)
