"""Measures a training run part by part: the loader, the network, and both together. Leaves nothing behind."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmqpt.core.errors import InputError
from mmqpt.engine.profile import LOADING, STEP, Profile
from mmqpt.engine.runner_state import bare_model


def profile_training(cfg: Config, steps: int = 20, warmup: int = 5) -> Profile:
    """Times the parts of a config's training, in this process and the loader's workers.

    First, photos are loaded one by one on one core; then the network trains on one batch, loaded once; then the loader
    runs alone, as fast as it can; finally both work together, as in a run. Weights are random and stay so, with a
    learning rate of 0: speed does not depend on them. Hooks run, except those that save, validate or draw a progress
    bar. Waiting for other ranks is not measured. MMEngine's ``compile`` is not used.

    Args:
        cfg: of pre-training or fine-tuning; not changed.
        steps: batches to time in each part.
        warmup: batches before them, not timed.

    Raises:
        InputError: ``steps`` < 1, ``warmup`` < 0, or the data give no batch; and errors of the config.
    """
    for name, value, least in (('steps', steps, 1), ('warmup', warmup, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f'{name} must be an integer >= {least}, got {value!r}')
    with tempfile.TemporaryDirectory() as work_dir:
        runner = quiet_runner(cfg, work_dir)
        loader = runner.train_dataloader
        device = next(runner.model.parameters()).device
        try:
            batch, loading, transforms = time_loading(loader, steps, warmup)
            network_rate, memory = time_network(runner, batch, steps, warmup)
            loader_rate = time_loader(loader, steps, warmup)
            step_ms, photos = time_steps(runner, steps, warmup)
        finally:
            loader._iterator = None  # ends persistent workers now, not with the process
    return Profile(
        device=device.type,
        cores=cores(),
        threads=torch.get_num_threads(),
        workers=loader.num_workers,
        batch=photos,
        loading_ms=loading,
        loader_rate=loader_rate,
        network_rate=network_rate,
        step_ms=step_ms,
        peak_memory_mib=memory,
        transforms_ms=transforms,
    )


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def time_loading(loader: DataLoader, steps: int, warmup: int) -> tuple[Any, dict[str, float], dict[str, float]]:
    """Loads batches in this process, on one thread.

    Returns:
        A batch; ms of processor time a photo of each of ``LOADING``, which other programs on the machine hardly
        affect; and the same of each transform.
    """
    compose: Any = getattr(loader.dataset, 'pipeline', None)
    kept = list(getattr(compose, 'transforms', ()))
    watch = Stopwatch(torch.device('cpu'), time.process_time)
    batches = (keys for epoch in itertools.count() for keys in _sampled(loader, epoch))
    photos = 0
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if kept:
            compose.transforms = [
                watch.timed(f'{number} {type(step).__name__}', step) for number, step in enumerate(kept)
            ]
        for number in range(warmup + steps):
            if number == warmup:
                watch.seconds.clear()
                photos = 0
            read = watch.timed('read', loader.dataset.__getitem__)
            samples = [read(key) for key in next(batches)]
            batch = watch.timed('collate', loader.collate_fn)(samples)
            photos += len(samples)
    finally:
        torch.set_num_threads(threads)
        if kept:
            compose.transforms = kept
    found = dict.fromkeys(LOADING, 0.0)
    transforms: dict[str, float] = {}
    for name, seconds in watch.seconds.items():
        milliseconds = 1000 * seconds / photos
        if name in found:
            found[name] += milliseconds
            continue
        name = name.split()[1]
        transforms[name] = transforms.get(name, 0) + milliseconds
        found[_part_of(name)] += milliseconds
        found['read'] -= milliseconds  # transforms work within __getitem__
    found['read'] = max(0.0, found['read'])
    return batch, found, transforms


def _part_of(transform: str) -> str:
    """Which of ``LOADING`` a transform belongs to, by the name of its class."""
    if transform.startswith('Load'):
        return 'decode'
    if transform.startswith('Pack'):
        return 'pack'
    return 'degrade'


def time_network(runner: Runner, batch: Any, steps: int, warmup: int) -> tuple[float, float]:
    """Photos/s of training steps on one batch, and the peak memory in MiB: the GPU's, or else of the process."""
    watch = Stopwatch(next(runner.model.parameters()).device)
    runner.model.train()
    for number in range(warmup + steps):
        if number == warmup:
            watch.reset()
        runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
    seconds = watch.elapsed()
    if watch.device.type == 'cuda':
        memory = torch.cuda.max_memory_allocated(watch.device) / 2**20
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == 'darwin' else 2**10)
    return steps * _photos(batch, runner.train_dataloader) / seconds, memory


def time_loader(loader: DataLoader, steps: int, warmup: int) -> float:
    """Photos/s of the loader alone, over whole rounds of its workers, which give batches in turn."""
    workers = max(1, loader.num_workers)
    before, timed = (workers * math.ceil(max(count, 1) / workers) for count in (warmup, steps))
    photos = 0
    batches = endless_batches(loader)
    for _ in range(before):
        next(batches)
    start = time.perf_counter()
    for _ in range(timed):
        photos += _photos(next(batches), loader)
    return photos / (time.perf_counter() - start)


def time_steps(runner: Runner, steps: int, warmup: int) -> tuple[dict[str, float], int]:
    """Ms a step of each of ``STEP`` in real training steps, and the photos of a step."""
    watch = Stopwatch(next(runner.model.parameters()).device)
    for moment in ('before_run', 'before_train', 'before_train_epoch'):
        runner.call_hook(moment)
    runner.model.train()
    batches = endless_batches(runner.train_dataloader)
    wait = watch.timed('wait', lambda: next(batches))
    with timed_parts(runner, watch):
        for number in range(warmup + steps):
            if number == warmup:
                watch.reset()
            batch = wait()
            runner.call_hook('before_train_iter', batch_idx=number, data_batch=batch)
            outputs = runner.model.train_step(batch, optim_wrapper=runner.optim_wrapper)
            runner.call_hook('after_train_iter', batch_idx=number, data_batch=batch, outputs=outputs)
        whole = watch.elapsed()
    found = {name: 1000 * watch.seconds.get(name, 0.0) / steps for name in STEP}
    found['rest'] = max(0.0, 1000 * whole / steps - sum(found.values()))
    return found, _photos(batch, runner.train_dataloader)


class Stopwatch:
    """Adds up seconds by name; waits for the device before it reads the clock.

    Args:
        device: to wait for.
        clock: gives seconds.
    """

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> None:
        self.device = device
        self.clock = clock
        self.seconds: dict[str, float] = {}
        self.reset()

    def reset(self) -> None:
        """Start again, with the peak memory of a GPU too."""
        self.seconds.clear()
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        self.start = self.now()

    def now(self) -> float:
        """Seconds, once the device has finished its work."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        return self.clock()

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.now() - self.start

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, with its time added to ``seconds[name]``."""

        @functools.wraps(call, updated=('__dict__',) if inspect.isroutine(call) else ())
        def run(*args: Any, **options: Any) -> Any:
            start = self.now()
            try:
                return call(*args, **options)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start

        return run


@contextmanager
def timed_parts(runner: Runner, watch: Any) -> Iterator[None]:
    """Inside, the parts of ``train_step`` run within ``watch.timed``, as a :class:`Stopwatch` has it."""
    model = bare_model(runner)
    places = (
        (model.data_preprocessor, 'forward', 'transfer'),
        (runner.model, '_run_forward', 'forward'),
        (runner.optim_wrapper, 'backward', 'backward'),
        (runner.optim_wrapper, 'step', 'optimiser'),
        (runner.optim_wrapper, 'zero_grad', 'optimiser'),
    )
    before = [vars(owner).get(method) for owner, method, _ in places]  # a scheduler may have wrapped one to count steps
    for owner, method, name in places:
        setattr(owner, method, watch.timed(name, getattr(owner, method)))
    try:
        yield
    finally:
        for (owner, method, _), kept in zip(places, before, strict=True):
            delattr(owner, method)
            if kept is not None:
                setattr(owner, method, kept)


def quiet_runner(cfg: Config, work_dir: str) -> Runner:
    """A runner with loader, model, optimiser and schedulers, whose files all go to ``work_dir``."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    for name in ('val', 'test'):
        for part in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'{name}_{part}'] = None
    cfg.merge_from_dict({'work_dir': work_dir, 'load_from': None, 'resume': False, 'log_level': 'ERROR'})
    cfg.experiment_name = Path(work_dir).name
    cfg.default_hooks = {**cfg.get('default_hooks', {}), 'checkpoint': None}
    hooks = cfg.get('custom_hooks') or []
    cfg.custom_hooks = [hook for hook in hooks if hook['type'] not in ('ProgressBarHook', 'ValidateOnResumeHook')]
    runner = Runner.from_cfg(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    if not len(runner.train_dataloader):
        raise InputError(
            f'{len(runner.train_dataloader.dataset)} photos give no batch of {cfg.train_dataloader.batch_size}'
        )
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    for group in runner.optim_wrapper.param_groups:
        group['lr'] = 0.0
    if runner.param_schedulers is not None:
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.optim_wrapper.initialize_count_status(runner.model, 0, runner.max_iters)
    return runner


def _sampled(loader: DataLoader, epoch: int) -> Iterator[list[Any]]:
    """The keys of the batches of an epoch."""
    if hasattr(loader.sampler, 'set_epoch'):
        loader.sampler.set_epoch(epoch)
    yield from loader.batch_sampler or ()


def endless_batches(loader: DataLoader) -> Iterator[Any]:
    """Endless batches, epoch after epoch."""
    for epoch in itertools.count():
        if hasattr(loader.sampler, 'set_epoch'):
            loader.sampler.set_epoch(epoch)
        yield from loader


def _photos(batch: Any, loader: DataLoader) -> int:
    samples = batch.get('data_samples') if isinstance(batch, dict) else None
    return len(samples) if samples else loader.batch_size or 1
