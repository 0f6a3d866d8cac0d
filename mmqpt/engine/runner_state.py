"""What MMEngine's runner knows but has no public answer for: the bare model, and where in an optimiser step it is."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def bare_model(runner: Runner) -> Any:
    """The model without the wrapper that spreads it over ranks."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def batches_per_step(runner: Runner) -> int:
    """How many batches' gradients make one step of the optimiser."""
    return getattr(runner.optim_wrapper, '_accumulative_counts', 1)


def begins_step(runner: Runner) -> bool:
    """Whether the next batch is the first of an optimiser step."""
    return runner.optim_wrapper.inner_count % batches_per_step(runner) == 0


def ends_step(runner: Runner) -> bool:
    """Whether the optimiser steps after the next batch."""
    return runner.optim_wrapper.should_sync()


def single_optimizer(runner: Runner) -> torch.optim.Optimizer | None:
    """The optimizer; None where an ``OptimWrapperDict`` holds several."""
    return getattr(runner.optim_wrapper, 'optimizer', None)
