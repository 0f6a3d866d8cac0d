"""A sampler that gives every sample its own seed, so that augmentations never repeat and a run resumes exactly."""

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
    """Which photo to load, and the seed of its sample; the sampler passes it to the dataset.

    Args:
        index: which photo.
        entropy: seeds the sample's random generator; (seed, epoch, position in the epoch), all >= 0, and with
            ``recipe_group`` the number of the group.
    """

    index: int  # type: ignore[assignment]  # tuples have a method of that name
    entropy: tuple[int, ...]


def sample_key(key: SampleKey | int, length: int) -> SampleKey:
    """The key for ``dataset[key]``; a plain index, as browsing tools use it, gets a seed of its own.

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
    workers, and a resumed run draws what the uninterrupted run would have drawn, also from the middle of an epoch
    (``start``).

    Args:
        dataset: anything with a length; its ``__getitem__`` must take a :class:`SampleKey`.
        shuffle: whether to permute the photos, differently in every epoch.
        seed: by default one that all ranks agree on. MMEngine passes its ``randomness.seed``.
        round_up: repeat the first photos so that every rank gets the same number.
        mix_blocks: for a dataset with ``block_sizes`` (photos in every shard): permute the shards and then the photos
            of so many neighbouring shards together, instead of all photos. Files are then read nearly in order, which
            disks and network drives reward; at any time so many shards are being read.
        recipe_group: how many samples in a row of a rank form a group, whose number their entropy holds: for
            ``PatchPairs(group_recipes=True)``. A batch must hold whole groups.

    Attributes:
        start: samples of this rank to leave out at the beginning of the next pass, since they have been used;
            ``set_epoch`` puts it back to 0.

    Raises:
        InputError: a negative seed, a ``recipe_group`` below 1, or ``mix_blocks`` that is no number >= 1, without
            shuffling or for a dataset without blocks.
    """

    def __init__(
        self,
        dataset: Sized,
        shuffle: bool = True,
        seed: int | None = None,
        round_up: bool = True,
        mix_blocks: int | None = None,
        recipe_group: int = 1,
    ) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        self.shuffle = shuffle
        self.seed = int(sync_random_seed() if seed is None else seed)
        if self.seed < 0:
            raise InputError(f'seed must be >= 0, got {self.seed}')
        if isinstance(recipe_group, bool) or not isinstance(recipe_group, int) or recipe_group < 1:
            raise InputError(f'recipe_group must be an integer >= 1, got {recipe_group!r}')
        self.recipe_group = recipe_group
        self.mix_blocks = mix_blocks
        self.block_sizes: list[int] = list(getattr(dataset, 'block_sizes', ()))
        if mix_blocks is not None:
            self._check_blocks(dataset)
        self.epoch = 0
        self.start = 0
        rest = self.size - self.rank
        self.num_samples = math.ceil((self.size if round_up else rest) / self.world_size)
        self.total = self.num_samples * self.world_size if round_up else self.size

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self.num_samples} of {self.size} photos a pass, rank {self.rank} of '
            f'{self.world_size}, shuffle={self.shuffle}, seed={self.seed}, mix_blocks={self.mix_blocks}, '
            f'recipe_group={self.recipe_group})'
        )

    def __iter__(self) -> Iterator[SampleKey]:
        order = self._order()
        for position in range(self.rank + self.start * self.world_size, self.total, self.world_size):
            entropy: tuple[int, ...] = (self.seed, self.epoch, position)
            if self.recipe_group > 1:
                group = position // self.world_size // self.recipe_group  # of this rank
                entropy = (*entropy, group * self.world_size + self.rank)
            yield SampleKey(int(order[position % self.size]), entropy)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Called by MMEngine before every epoch, which then begins with its first sample."""
        self.epoch = epoch
        self.start = 0

    def _order(self) -> np.ndarray:
        """Which photo comes at every position of this epoch, the same on all ranks."""
        rng = np.random.default_rng((self.seed, self.epoch))
        if not self.shuffle:
            return np.arange(self.size)
        if self.mix_blocks is None:
            return rng.permutation(self.size)
        ends = np.cumsum(self.block_sizes)
        blocks = rng.permutation(len(ends))
        groups = [blocks[first : first + self.mix_blocks] for first in range(0, len(blocks), self.mix_blocks)]
        return np.concatenate(
            [
                rng.permutation(np.concatenate([np.arange(ends[i] - self.block_sizes[i], ends[i]) for i in group]))
                for group in groups
            ]
        )

    def _check_blocks(self, dataset: Sized) -> None:
        if isinstance(self.mix_blocks, bool) or not isinstance(self.mix_blocks, int) or self.mix_blocks < 1:
            raise InputError(f'mix_blocks must be an integer >= 1, got {self.mix_blocks!r}')
        if not self.shuffle:
            raise InputError('mix_blocks is a way to shuffle, but shuffle is False')
        if sum(self.block_sizes) != self.size:
            raise InputError(f'mix_blocks needs a dataset in shards, {type(dataset).__name__} has none')
