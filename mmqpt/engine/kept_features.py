"""Features of training batches on disk, so that whoever was stopped while computing them goes on there."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmqpt.core.files import replacing
from mmqpt.models.protocol import BatchFeatures

SAVE_EVERY = 60.0
"""Seconds between two writes."""

_PLAIN = (str, int, float, bool)
_DAMAGED = (OSError, RuntimeError, EOFError, ValueError, TypeError, LookupError, AttributeError, pickle.UnpicklingError)
"""What torch.load raises for a file that is not whole, and what reading its content may."""

Batch = tuple[BatchFeatures, list[DataSample]]


class KeptFeatures:
    """Features of batches and what their samples say, in the order of a fixed sequence of batches.

    Blocks of batches are written whole or not at all, one about each :data:`SAVE_EVERY` seconds, under the key of
    whatever they depend on. Blocks of another key are removed; a damaged block, and those after it, are computed again.
    Of a sample its tensors and its plain metainfo (texts and numbers) are kept.

    Args:
        folder: of the blocks; made when needed.
        key: a text that changes when the features, the samples or their order do; None to keep nothing on disk.

    Attributes:
        batches: those known so far, in order.
    """

    def __init__(self, folder: str | Path, key: str | None) -> None:
        self.folder = Path(folder)
        self.key = key
        self.batches: list[Batch] = []
        self._blocks = 0
        self._written = 0
        self._last = time.monotonic()
        if key is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.folder.glob('block_*.pt')):
            found = self._read(path) if path == self._path(self._blocks) else None
            if found is None:
                path.unlink()
                continue
            self.batches += found
            self._blocks += 1
        self._written = len(self.batches)

    def add(self, features: BatchFeatures, samples: Sequence[DataSample]) -> None:
        """Keep the next batch; now and then those since the last time are written.

        Args:
            features: of the batch, on any device.
            samples: of its photos, with neither images nor ladders.
        """
        self.batches.append((_on(features, 'cpu'), [_plain(sample) for sample in samples]))
        if time.monotonic() - self._last >= SAVE_EVERY:
            self.write()

    def write(self) -> None:
        """Put on disk what isn't there yet."""
        if self.key is None or self._written == len(self.batches):
            return
        block = [
            {
                'photos': features.photos,
                'ladder': features.ladder,
                'samples': [
                    {'data': dict(sample.items()), 'metainfo': dict(sample.metainfo_items())} for sample in samples
                ],
            }
            for features, samples in self.batches[self._written :]
        ]
        with replacing(self._path(self._blocks)) as partial:
            torch.save({'key': self.key, 'batches': block}, partial)
        self._blocks += 1
        self._written = len(self.batches)
        self._last = time.monotonic()

    def to(self, device: torch.device | str) -> list[Batch]:
        """All batches, their features and the tensors of their samples on one device."""
        return [
            (_on(features, device), [sample.to(device) for sample in samples]) for features, samples in self.batches
        ]

    def _path(self, number: int) -> Path:
        return self.folder / f'block_{number:05d}.pt'

    def _read(self, path: Path) -> list[Batch] | None:
        """The batches of a block; None where it is damaged or of another key."""
        try:
            found = torch.load(path, map_location='cpu', weights_only=True)
            if found['key'] != self.key:
                return None
            return [
                (BatchFeatures(one['photos'], one['ladder']), [_sample(**fields) for fields in one['samples']])
                for one in found['batches']
            ]
        except _DAMAGED:
            return None


def _on(features: BatchFeatures, device: torch.device | str) -> BatchFeatures:
    ladder = None if features.ladder is None else features.ladder.to(device)
    return BatchFeatures(features.photos.to(device), ladder)


def _plain(sample: DataSample) -> DataSample:
    """A copy on the CPU with what a file may hold: tensors, and metainfo of texts and numbers."""
    return _sample(
        {name: value.cpu() for name, value in sample.items() if isinstance(value, Tensor)},
        {name: value for name, value in sample.metainfo_items() if type(value) in _PLAIN},
    )


def _sample(data: Mapping[str, Tensor], metainfo: Mapping[str, Any]) -> DataSample:
    sample = DataSample()
    for name, value in metainfo.items():
        sample.set_field(value, name, field_type='metainfo')
    for name, value in data.items():
        sample.set_field(value, name)
    return sample


def features_key(backbone: nn.Module, settings: Mapping[str, Any]) -> str:
    """A text that changes with the weights of a backbone, or with other settings that features depend on.

    Args:
        backbone: what computes the features.
        settings: JSON-able; other values count by their text.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, value in sorted(backbone.state_dict().items()):
        digest.update(name.encode())
        if isinstance(value, Tensor):
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
