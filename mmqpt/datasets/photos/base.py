"""What all data sets of photos without labels share: the pipeline, and what happens to photos that can't be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpretrain.registry import TRANSFORMS
from torch.utils.data import Dataset

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import photo_header
from mmqpt.datasets.photos.sampler import SampleKey, sample_key
from mmqpt.datasets.transforms import load_photo  # noqa: F401 (registers LoadPhoto)

LOOKED_AT = 1000
"""How many photos are looked at, at most, to tell whether a patch fits into any."""


class PhotoDataset(Dataset):
    """Photos without labels, wherever they are stored: the base of folder, shards, table and LMDB.

    A subclass defines ``__len__``, :meth:`name` and :meth:`read`, and calls this constructor at the end of its own.

    The first transform gets a dict of

    - ``img_path``: the result of :meth:`name`;
    - ``img_bytes``: the photo as stored, unless it is a file of its own;
    - ``rng``: the sample's own generator;
    - ``skipped``: a list of (name, reason), see below;
    - ``sample_key``: (number of the photo, entropy of ``rng`` as a list of int), from which
      ``dataset[SampleKey(number, tuple(entropy))]`` makes the same sample again.

    A photo that can't be read is skipped: the next readable one takes its place in the batch, and the sample carries
    the name and the reason in ``skipped``; :class:`UnreadablePhotosHook` counts them, warns, and stops the run.

    Args:
        data_root: where the photos are, for logs and checkpoints.
        pipeline: transforms.
        max_tries: how many photos in a row may be unreadable before loading stops.

    Raises:
        InputError: ``max_tries`` below 1, or every photo that was looked at (at most :data:`LOOKED_AT`, spread evenly)
            is smaller than the patch of the pipeline.
    """

    def __init__(self, data_root: str, pipeline: Sequence[dict[str, Any]], max_tries: int) -> None:
        if max_tries < 1:
            raise InputError(f'max_tries must be >= 1, got {max_tries}')
        self.data_root = data_root
        self.max_tries = max_tries
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        for step in self.pipeline.transforms:
            if hasattr(step, 'patch_size'):
                self._check_size(step.patch_size)
        print_log(f'{type(self).__name__}: {len(self)} photos in {data_root}', 'current')

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self)} photos in {self.data_root}, pipeline {self.pipeline})'

    @property
    def metainfo(self) -> dict[str, Any]:
        """What MMEngine stores in checkpoints about the data."""
        return {'data_root': self.data_root, 'photos': len(self)}

    def full_init(self) -> None:
        """Nothing is deferred; MMEngine calls this."""

    def __len__(self) -> int:
        raise NotImplementedError

    def name(self, index: int) -> str:
        """The name of a photo in logs, even of one that can't be read."""
        raise NotImplementedError

    def read(self, index: int) -> bytes | None:
        """A photo as stored, not decoded; None where :meth:`name` is the path of a file.

        Raises:
            PhotoError: this photo can't be read; it is skipped.
            InputError: nothing can be read where it is stored; the run stops.
        """
        raise NotImplementedError

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        index, entropy = sample_key(key, len(self))
        skipped: list[tuple[str, str]] = []
        for offset in range(min(self.max_tries, len(self))):
            number = (index + offset) % len(self)
            try:
                data = self.read(number)  # before the name: where that is stored beside the photo, it is read with it
                results = {
                    'img_path': self.name(number),
                    'rng': np.random.default_rng(entropy),
                    'skipped': skipped,
                    'sample_key': (int(index), [int(part) for part in entropy]),
                }
                return self.pipeline(results if data is None else {**results, 'img_bytes': data})
            except (PhotoError, FileNotFoundError) as error:
                skipped.append((self.name(number), str(error)))
        raise InputError(f'{len(skipped)} photos in a row could not be read, the last: {skipped[-1][1]}')

    def _check_size(self, patch_size: int) -> None:
        """Raise InputError if no photo is large enough for a patch; stops at the first that is."""
        largest, total = 0, len(self)
        looked = min(total, LOOKED_AT)
        for number in range(looked):
            try:
                index = number * total // looked
                data = self.read(index)
                width, height, _ = photo_header(self.name(index) if data is None else data)
            except (PhotoError, OSError):
                continue  # named when it is loaded
            largest = max(largest, min(width, height))
            if largest >= patch_size:
                return
        of = f'{total}' if looked == total else f'{looked} (spread evenly over all {total})'
        if largest == 0:
            raise InputError(f'none of {of} photos can be read, the first: {self.name(0)}')
        raise InputError(
            f'patch_size is {patch_size} px, but the largest of {of} photos has a short side of {largest} px'
        )
