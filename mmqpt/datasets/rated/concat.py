"""Several rated sets in one run, each on rating scales of its own."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from mmpretrain.registry import DATASETS
from torch.utils.data import Dataset

from mmqpt.core.errors import InputError
from mmqpt.datasets.photos.sampler import SampleKey, sample_key
from mmqpt.datasets.rated.iqa_dataset import IQADataset
from mmqpt.datasets.rated.scales import ScaleLabels, group_labels


@DATASETS.register_module()
class ConcatRatedSets(Dataset):
    """Rated sets one after the other; every photo keeps its set's range and scale.

    MMEngine's ``ConcatDataset`` asks that all sets have the same metainfo, and does not pass on what a sample's random
    numbers are seeded with.

    Args:
        sets: configs of :class:`IQADataset`. A set without ``scale`` and ``scale_column`` is on a scale of its own,
            under its name; a scale that two sets name is shared, and must have one range.
        pipeline: transforms of all sets that have none of their own.

    Raises:
        InputError: fewer than one set, two ranges of one scale, or two sets of one name.
    """

    def __init__(self, sets: Sequence[Mapping[str, Any]], pipeline: Sequence[dict[str, Any]] | None = None) -> None:
        if not sets:
            raise InputError('sets must have at least one rated set')
        shared = {} if pipeline is None else {'pipeline': pipeline}
        self.sets = [_built({'type': 'IQADataset', **shared, **one}) for one in sets]
        names = [one.name for one in self.sets]
        if len(set(names)) < len(names):
            raise InputError(f'sets must have different names, got {", ".join(names)}; give name')
        self._ends = list(itertools.accumulate(len(one) for one in self.sets))
        self.labels()  # or say what does not fit

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} photos of {", ".join(repr(one) for one in self.sets)})'

    @property
    def scales(self) -> list[str | None]:
        """The scale of every photo."""
        return [scale for one in self.sets for scale in one.scales]

    @property
    def metainfo(self) -> dict[str, Any]:
        """What is stored with the weights about the data."""
        ranges = {one.mos_range for one in self.sets}
        return {
            'dataset': '+'.join(one.name for one in self.sets),
            'mos_range': list(ranges.pop()) if len(ranges) == 1 else [0.0, 1.0],
            'photos': len(self),
        }

    def labels(self) -> ScaleLabels:
        """For every rating scale the scores of its photos, from 0 to 1, and its ``mos_range``."""
        return group_labels(
            (scale, score, one.mos_range)
            for one in self.sets
            for scale, score in zip(one.scales, one.scores(), strict=True)
        )

    def fingerprint(self) -> str:
        """See :meth:`IQADataset.fingerprint`."""
        return ' '.join(one.fingerprint() for one in self.sets)

    def full_init(self) -> None:
        """Nothing is deferred; MMEngine calls this."""

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        index, entropy = sample_key(key, len(self))
        place = bisect.bisect_right(self._ends, index)
        first = self._ends[place - 1] if place else 0
        return self.sets[place][SampleKey(index - first, entropy)]


def _built(config: dict[str, Any]) -> IQADataset:
    found = DATASETS.build(config)
    if not isinstance(found, IQADataset):
        raise InputError(f'sets must be of IQADataset, got {type(found).__name__}')
    if all(scale is None for scale in found.scales):
        found.scales = [found.name] * len(found)
    return found
