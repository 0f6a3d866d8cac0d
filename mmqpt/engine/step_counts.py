"""What one step of a training asks of a GPU, counted on a CPU: kernels to launch, and waits for its results."""

from __future__ import annotations

import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmqpt.core.errors import InputError
from mmqpt.engine.profile_run import endless_batches, quiet_runner, timed_parts

_WAITING_KERNELS = ('_local_scalar_dense', 'equal', 'is_nonzero', 'masked_select', 'nonzero', 'unique')
_WAITING_METHODS = ('cpu', 'numpy', 'tolist')
_NO_KERNEL = ('detach', 'empty', 'empty_like', 'empty_strided', 'lift_fresh', 'new_empty')
_PACKAGES = ('mmqpt', 'mmengine', 'mmpretrain')


@dataclass
class StepCounts:
    """Of one step.

    Args:
        kernels: calls that compute or copy, by part of the step: ``transfer``, ``forward`` with the loss, ``backward``,
            ``optimiser`` and ``rest`` (hooks). Views and empty tensors cost no kernel. A ``_foreach`` call counts once;
            a GPU runs it as one kernel for some dozens of tensors.
        syncs: the places, as ``file.py:line name``, where Python waits for a result of the device, and how often.
    """

    kernels: Counter[str] = field(default_factory=Counter)
    syncs: Counter[str] = field(default_factory=Counter)


def count_step(cfg: Config, warmup: int = 10) -> StepCounts:
    """Counts one step of a config's training, with its hooks, in this process and on the CPU.

    Weights are random and stay so, as in :func:`profile_training`. The optimiser works in ``_foreach`` calls, as it
    does on a GPU by itself. Tensors that would be on the CPU beside a GPU count as well, so this is an upper bound.

    Args:
        cfg: of pre-training or fine-tuning; not changed.
        warmup: steps before it; :class:`PretextWatchHook` works on the first ten.

    Raises:
        InputError: ``warmup`` is no integer >= 0; and errors of the config.
    """
    if isinstance(warmup, bool) or not isinstance(warmup, int) or warmup < 0:
        raise InputError(f'warmup must be an integer >= 0, got {warmup!r}')
    counts = StepCounts()
    with tempfile.TemporaryDirectory() as work_dir:
        runner = quiet_runner(cfg, work_dir)
        for moment in ('before_run', 'before_train', 'before_train_epoch'):
            runner.call_hook(moment)
        runner.model.train()
        for group in runner.optim_wrapper.param_groups:
            group['foreach'] = group.get('foreach', True) is not False
        batches = endless_batches(runner.train_dataloader)
        loop: Any = runner.train_loop
        for number in range(warmup):
            loop.run_iter(number, next(batches))
        batch = next(batches)
        part = _Part()
        with timed_parts(runner, part), _Kernels(counts, part), _Methods(counts):
            loop.run_iter(warmup, batch)
    return counts


class _Part:
    """Which part of a step runs; stands where a stopwatch would."""

    name = 'rest'

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, during which the part has this name."""

        def run(*args: Any, **options: Any) -> Any:
            before, self.name = self.name, name
            try:
                return call(*args, **options)
            finally:
                self.name = before

        return run


class _Kernels(TorchDispatchMode):
    """Counts what reaches the device."""

    def __init__(self, counts: StepCounts, part: _Part) -> None:
        super().__init__()
        self.counts, self.part = counts, part

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in _WAITING_KERNELS:
            self.counts.syncs[_caller()] += 1
        elif not func.is_view and name not in _NO_KERNEL:
            self.counts.kernels[self.part.name] += 1
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    """Counts methods that copy to the CPU, where a tensor that is there already reaches no kernel."""

    def __init__(self, counts: StepCounts) -> None:
        super().__init__()
        self.counts = counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, '__name__', '') in _WAITING_METHODS:
            self.counts.syncs[_caller()] += 1
        return func(*args, **(kwargs or {}))


def _caller() -> str:
    """The innermost line of a package that trains."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if frame.filename != __file__ and any(package in path.parts for package in _PACKAGES):
            return f'{path.name}:{frame.lineno} {frame.name}'
    return 'elsewhere'
