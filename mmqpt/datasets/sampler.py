"""A sampler that gives every sample its own seed, so that augmentations never repeat and a resume goes on exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import NamedTuple

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmpretrain.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from mmqpt.core.errors import InputError


class SampleKey(NamedTuple):
    """What the sampler hands to the dataset.

    Args:
        index: which photo.
        entropy: seeds the sample's random generator; (seed, epoch, position in the epoch), all >= 0.
    """

    index: int
    entropy: tuple[int, ...]


def sample_key(key: SampleKey | int, length: int) -> SampleKey:
    """What to load for ``dataset[key]``: plain indices, as browsing tools use, get a seed of their own.

    Raises:
        IndexError: outside 0 to ``length - 1``.
    """
    found = key if isinstance(key, SampleKey) else SampleKey(int(key), (0, 0, max(0, int(key))))
    if not 0 <= found.index < length:
        raise IndexError(f'photo {found.index} of {length}')
    return found


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Like MMEngine's DefaultSampler, but yields :class:`SampleKey` for datasets that draw per sample.

    A sample's randomness is a function of (seed, epoch, position), not of the worker that loads it. So neither the
    number of workers nor of ranks changes what is drawn, epochs differ, nothing repeats with or without persistent
    workers, and a resumed run draws what the uninterrupted run would have drawn.

    Args:
        dataset: anything with a length; its ``__getitem__`` must take a :class:`SampleKey`.
        shuffle: whether to permute the photos, anew in every epoch.
        seed: by default one that all ranks agree on. MMEngine passes its ``randomness.seed``.
        round_up: repeat the first photos so that every rank gets the same number.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None, round_up: bool = True) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = int(sync_random_seed() if seed is None else seed)
        if self.seed < 0:
            raise InputError(f'seed must be >= 0, got {self.seed}')
        self.epoch = 0
        rest = self.size - self.rank
        self.num_samples = math.ceil((self.size if round_up else rest) / self.world_size)
        self.total = self.num_samples * self.world_size if round_up else self.size

    def __iter__(self) -> Iterator[SampleKey]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.size) if self.shuffle else np.arange(self.size)
        for position in range(self.rank, self.total, self.world_size):
            yield SampleKey(int(order[position % self.size]), (self.seed, self.epoch, position))

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Called by MMEngine before every epoch."""
        self.epoch = epoch
