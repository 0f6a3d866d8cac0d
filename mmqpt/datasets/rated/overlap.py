"""Photos that two folders share: the same file under any name, or near-duplicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmqpt.core.weights_spec import file_sha256
from mmqpt.datasets.rated.duplicates import Fingerprints, fingerprint_photos, near_duplicates


@dataclass(frozen=True)
class Overlap:
    """Which photos of one folder have a relative in another.

    Args:
        same: name -> name of the other folder's file with the same bytes.
        near: name -> name of a near-duplicate there; photos in ``same`` are left out.
        compared: photos of the other folder that could be read.
        unreadable: photos of the other folder that could not; only their bytes were compared.
    """

    same: dict[str, str]
    near: dict[str, str]
    compared: int
    unreadable: int

    @property
    def names(self) -> list[str]:
        """All photos that have a relative, sorted."""
        return sorted({*self.same, *self.near})


def find_overlap(
    root: str | Path,
    prints: Fingerprints,
    other_root: str | Path,
    other_names: Sequence[str],
    cache: str | Path | None = None,
    workers: int = 1,
    done: Callable[[int], object] | None = None,
) -> Overlap:
    """Look for photos of a folder among those of another, such as the photos that a network was trained on.

    Args:
        root: folder of the photos.
        prints: of N photos of it, named relative to it.
        other_root: the other folder.
        other_names: its photos, relative to it.
        cache: see :func:`fingerprint_photos`.
        workers: threads that decode.
        done: called with 1 after each photo of the other folder.

    Raises:
        FileNotFoundError: a photo is missing.
        InputError: as of :func:`fingerprint_photos`.
    """
    own = [Path(root) / name for name in prints.names]
    others = [Path(other_root) / name for name in other_names]
    same = _same_bytes(own, others)
    found = fingerprint_photos(other_root, other_names, cache, workers, done)
    count = len(own)
    both = Fingerprints(
        [*prints.names, *found.names],
        np.concatenate([prints.bits, found.bits]),
        np.concatenate([prints.thumbnails, found.thumbnails]),
    )
    pairs = near_duplicates(both, among=count)
    across = pairs.second >= count
    near: dict[str, str] = {}
    for i, j in zip(pairs.first[across].tolist(), pairs.second[across].tolist(), strict=True):
        near.setdefault(both.names[i], both.names[j])
    by_name = {prints.names[i]: other_names[j] for i, j in same.items()}
    return Overlap(
        by_name,
        {name: other for name, other in near.items() if name not in by_name},
        len(found.names),
        len(found.unreadable),
    )


def _same_bytes(own: Sequence[Path], others: Sequence[Path]) -> dict[int, int]:
    """Number of a photo -> that of another with the same bytes; only files of equal size are read."""
    sizes: dict[int, list[int]] = {}
    for j, path in enumerate(others):
        sizes.setdefault(path.stat().st_size, []).append(j)
    digests: dict[int, str] = {}
    found = {}
    for i, path in enumerate(own):
        candidates = sizes.get(path.stat().st_size, [])
        if not candidates:
            continue
        mine = file_sha256(path)
        for j in candidates:
            if j not in digests:
                digests[j] = file_sha256(others[j])
            if digests[j] == mine:
                found[i] = j
                break
    return found
