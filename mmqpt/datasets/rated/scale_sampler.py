"""Batches in which every rating scale has its share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized

import numpy as np
from mmpretrain.registry import DATA_SAMPLERS

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SeededSampler


@DATA_SAMPLERS.register_module()
class ScaleSampler(SeededSampler):
    """Orders the photos of an epoch so that every batch holds each rating scale in a set share.

    Losses that compare photos do so within a scale, so a batch needs several of each. Photos of a scale come in random
    order, all of them before one comes again; a scale that has more than its share of the set is not seen whole in one
    epoch, one that has less is seen several times. An epoch has as many samples as the set has photos. Seeds, ranks and
    resumed runs are those of :class:`SeededSampler`.

    Args:
        dataset: one with ``scales``, the scale of every photo: ``IQADataset`` with a scale, or ``ConcatRatedSets``.
        batch_size: photos of one step of one rank, as of the loader.
        shares: how much of a batch each scale gets, by name, in any unit. By default the square root of its number of
            photos: between equal shares and those of the set (design choice).
        seed: by default one that all ranks agree on.

    Raises:
        InputError: a set without scales, shares that are not > 0 or name other scales, or a batch that holds fewer than
            two photos of a scale.
    """

    def __init__(
        self, dataset: Sized, batch_size: int, shares: Mapping[str, float] | None = None, seed: int | None = None
    ) -> None:
        super().__init__(dataset, shuffle=True, seed=seed)
        scales = list(getattr(dataset, 'scales', ()))
        if not scales or None in scales:
            raise InputError('ScaleSampler needs rated photos with a rating scale: give scale_column or scale')
        names = sorted(set(scales))
        photos = {name: np.flatnonzero([scale == name for scale in scales]) for name in names}
        given = dict(shares or {name: math.sqrt(len(photos[name])) for name in names})
        if set(given) != set(names) or not all(0 < share < math.inf for share in given.values()):
            raise InputError(f'shares must be > 0 for each of {", ".join(names)}, got {given}')
        self.names = names
        self.photos = [photos[name] for name in names]
        self.shares = np.array([given[name] for name in names]) / sum(given.values())
        self.group = batch_size * self.world_size
        if min(self.shares) * batch_size < 2:
            least = names[int(self.shares.argmin())]
            raise InputError(
                f'a batch of {batch_size} holds {min(self.shares) * batch_size:.2f} photos of scale {least!r} on '
                'average, fewer than 2: enlarge batch_size or the share of that scale'
            )

    def __repr__(self) -> str:
        shares = ', '.join(f'{name} {share:.0%}' for name, share in zip(self.names, self.shares, strict=True))
        return f'{super().__repr__()[:-1]}, shares {shares})'

    def _order(self) -> np.ndarray:
        rng = np.random.default_rng((self.seed, self.epoch))
        streams = [_Stream(photos, rng) for photos in self.photos]
        order = np.empty(self.size, np.int64)
        given = np.zeros(len(streams))
        for first in range(0, self.size, self.group):
            size = min(self.group, self.size - first)
            wanted = self.shares * (first + size) - given  # what each scale is behind, so that shares are met over time
            counts = np.maximum(0, np.floor(wanted)).astype(int)
            rest = size - counts.sum()
            for place in np.argsort(counts - wanted, kind='stable')[: max(0, rest)]:
                counts[place] += 1
            while counts.sum() > size:
                counts[counts.argmax()] -= 1
            given += counts
            chosen = np.concatenate([stream.take(count) for stream, count in zip(streams, counts, strict=True)])
            order[first : first + size] = rng.permutation(chosen)
        return order


class _Stream:
    """Photos of one scale in random order, again and again."""

    def __init__(self, photos: np.ndarray, rng: np.random.Generator) -> None:
        self.photos, self.rng = photos, rng
        self.rest = rng.permutation(photos)

    def take(self, count: int) -> np.ndarray:
        while len(self.rest) < count:
            self.rest = np.concatenate([self.rest, self.rng.permutation(self.photos)])
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken
