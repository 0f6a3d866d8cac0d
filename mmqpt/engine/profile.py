"""What holds a training run back: the figures of a profile and a sentence that sums them up. Measures nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mmqpt.core.errors import InputError

LOADING = ('read', 'decode', 'degrade', 'pack', 'collate')
"""Parts of a loader's work: finding and reading the sample, ``LoadPhoto``, all between, ``Pack...``, and the batch."""

STEP = ('wait', 'transfer', 'forward', 'backward', 'optimiser', 'rest')
"""Parts of a training step: waiting for the loader, the data preprocessor (copying to the device), losses, gradients,
update, and all else (hooks, the log)."""

WAITING = 0.7
"""A worker that loads less than this share of what a core could is said to wait. A design choice."""

REMEDIES = {
    'read': 'files on a faster disk or in shards make reading cheaper',
    'decode': 'smaller files or LoadPhoto(min_side=...) make decoding cheaper',
    'degrade': 'a smaller window or a lower order makes degrading cheaper',
    'pack': 'fewer or smaller patches make packing cheaper',
    'collate': 'fewer or smaller patches make batches cheaper',
}


@dataclass(frozen=True)
class Profile:
    """Figures of a run.

    Args:
        device: ``'cpu'`` or ``'cuda'``.
        cores: CPU cores that the process may use.
        threads: of PyTorch, with which the network computes where there is no GPU.
        workers: of the loader; 0 loads in the training process.
        batch: photos a step.
        loading_ms: ms of one core's time a photo of each of :data:`LOADING`; waiting for a disk does not count.
        loader_rate: photos/s of the loader as configured, running alone.
        network_rate: photos/s of training steps on one batch, loaded once.
        step_ms: ms a step of each of :data:`STEP`, with the loader as configured.
        peak_memory_mib: of the GPU's memory, or of the process where there is none.
        transforms_ms: the same of each transform of the pipeline, by the name of its class.

    Raises:
        InputError: parts are missing, or a rate or a sum of times is not above 0.
    """

    device: str
    cores: int
    threads: int
    workers: int
    batch: int
    loading_ms: Mapping[str, float]
    loader_rate: float
    network_rate: float
    step_ms: Mapping[str, float]
    peak_memory_mib: float
    transforms_ms: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, parts, found in (
            ('loading_ms', LOADING, self.loading_ms),
            ('step_ms', STEP, self.step_ms),
        ):
            if set(found) != set(parts) or not 0 < sum(found.values()) < math.inf or min(found.values()) < 0:
                raise InputError(f'{name} must give ms >= 0 of {", ".join(parts)}, got {dict(found)}')
        if not (0 < self.loader_rate < math.inf and 0 < self.network_rate < math.inf):
            raise InputError(f'rates must be > 0 photos/s, got {self.loader_rate} and {self.network_rate}')

    @property
    def core_rate(self) -> float:
        """Photos/s that one core loads when it never waits."""
        return 1000 / sum(self.loading_ms.values())

    @property
    def train_rate(self) -> float:
        """Photos/s of the whole training."""
        return 1000 * self.batch / sum(self.step_ms.values())

    def as_dict(self) -> dict[str, Any]:
        """All figures, shares and the verdict, as JSON takes them."""
        return {
            **asdict(self),
            'loading_shares': shares(self.loading_ms),
            'step_shares': shares(self.step_ms),
            'core_rate': self.core_rate,
            'train_rate': self.train_rate,
            'verdict': verdict(self),
        }


def shares(times: Mapping[str, float]) -> dict[str, float]:
    """Each part of the sum, 0 to 1."""
    whole = sum(times.values())
    return {name: value / whole for name, value in times.items()}


def workers_needed(rate: float, worker_rate: float) -> int:
    """How many workers that each load ``worker_rate`` photos/s give ``rate`` photos/s."""
    return math.ceil(round(rate / worker_rate, 6))


def verdict(profile: Profile) -> str:
    """One sentence: what holds the run back, with figures, and what would help."""
    loads = shares(profile.loading_ms)
    slowest = max(loads, key=lambda name: loads[name])
    most = f'{slowest} is {loads[slowest]:.0%} of the time of loading'
    if profile.device == 'cpu':
        return _verdict_on_cpu(profile, most, slowest)
    workers = f'{profile.workers} workers' if profile.workers != 1 else '1 worker'
    a_worker = profile.loader_rate / max(1, profile.workers)
    needed = workers_needed(profile.network_rate, a_worker)
    waits = ''
    if a_worker < WAITING * profile.core_rate:
        waits = f'; a core alone would load {_short(profile.core_rate)}, so they wait for the disk or for a core'
    loader = f'{_short(profile.loader_rate)} photos/s ({workers}, {_short(a_worker)} each{waits})'
    if profile.workers == 0:
        return (
            f'held back by the loader: num_workers is 0, so the network, which takes {_short(profile.network_rate)} '
            f'photos/s, waits while the training process loads {_short(profile.loader_rate)} photos/s; '
            f'num_workers={needed}, a core each ({profile.cores} here), would feed it; {most}: {REMEDIES[slowest]}'
        )
    if profile.loader_rate < profile.network_rate:
        return (
            f'held back by the loader: it gives {loader}, the network takes {_short(profile.network_rate)}; '
            f'{needed - profile.workers} more workers, a core each ({profile.cores} cores here), would feed it; '
            f'{most}: {REMEDIES[slowest]}'
        )
    parts = {name: value for name, value in profile.step_ms.items() if name != 'wait'}
    part = max(parts, key=lambda name: parts[name])
    share = shares(profile.step_ms)
    return (
        f'held back by the network: it takes {_short(profile.network_rate)} photos/s, the loader gives {loader}; '
        f'{part} is {share[part]:.0%} of a step, waiting for the loader {share["wait"]:.0%}; {_network_remedy(part)}, '
        f'and {needed} workers would do'
    )


def _network_remedy(part: str) -> str:
    if part == 'transfer':
        return 'degrading in the workers (PatchPairs) instead of on the device would help'
    if part == 'rest':
        return 'fewer hooks or a longer interval of the log would help'
    return '--amp, smaller or fewer patches, or more GPUs would help'


def _verdict_on_cpu(profile: Profile, most: str, slowest: str) -> str:
    """Without a GPU the loader and the network share the cores: what counts is the work a photo, not who waits."""
    loading = 1000 / profile.core_rate
    network = 1000 * profile.threads / profile.network_rate
    part = loading / (loading + network)
    costs = (
        f'on {profile.cores} CPU cores, which both share: a photo costs {_short(loading)} ms of a core to load and '
        f'{_short(network)} ms to train on ({part:.0%} is loading)'
    )
    if loading > network:
        return f'held back by the loader, {costs}; {most}: {REMEDIES[slowest]}; more cores help both'
    parts = {name: value for name, value in profile.step_ms.items() if name != 'wait'}
    longest = max(parts, key=lambda name: parts[name])
    return (
        f'held back by the network, {costs}; {longest} is {shares(profile.step_ms)[longest]:.0%} of a step; a smaller '
        'network, smaller or fewer patches, more cores or a GPU would help'
    )


def _short(value: float) -> str:
    """Three digits that count, without an exponent."""
    return f'{float(f"{value:.3g}"):.12g}'


def table(profile: Profile) -> str:
    """The figures as plain text, several lines; the last is the verdict."""
    lines = [f'{"loading, on one core":32} ms a photo    share']
    lines += _rows(profile.loading_ms)
    if profile.transforms_ms:
        lines.append('  transforms: ' + ', '.join(f'{name} {ms:.2f}' for name, ms in profile.transforms_ms.items()))
    lines += ['', f'{f"training step of {profile.batch} photos":32}         ms    share', *_rows(profile.step_ms), '']
    memory = 'of the GPU' if profile.device != 'cpu' else 'of the process'
    for name, rate in (
        ('loading on one core', profile.core_rate),
        (f'loader with {profile.workers} workers', profile.loader_rate),
        ('network on one kept batch', profile.network_rate),
        ('training', profile.train_rate),
    ):
        lines.append(f'{name:32} {rate:10.1f} photos/s')
    return '\n'.join(
        [*lines, f'{f"peak memory {memory}":32} {profile.peak_memory_mib:10.0f} MiB', '', verdict(profile)]
    )


def _rows(times: Mapping[str, float]) -> list[str]:
    parts = shares(times)
    return [f'  {name:30} {times[name]:10.2f} {parts[name]:8.1%}' for name in times]
