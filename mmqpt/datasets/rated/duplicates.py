"""Near-duplicates among photos: one scene again: resized, recompressed, slightly cropped, or with another exposure.

Two photos are near-duplicates if their difference hashes differ in few bits *and* the details of their thumbnails
correlate. Hash bits say which of two neighbours is brighter; in a sky, a fog or a blank photo that means nothing, and
all such photos have nearly the same hash. So the second check looks at what is left of a thumbnail when a smooth
surface is taken away. Rotated, mirrored or strongly cropped copies are not found. docs/splits.md says how the numbers
were chosen.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmqpt.core.errors import UNREADABLE, InputError
from mmqpt.core.files import replacing
from mmqpt.core.photo import photo_stamp, read_photo

HASH_SIDE = 16
"""The difference hash has 16 x 16 bits."""

THUMBNAIL_SIDE = 16
"""Side of the grey thumbnail in px."""

THRESHOLD = 48
"""Near-duplicates differ in at most this many of the 256 bits; unrelated photos differ in about 128."""

CORRELATION = 0.8
"""Near-duplicates' thumbnails, less a smooth surface, correlate at least this much."""

MIN_DETAIL = 1.0
"""Thumbnails with less detail (standard deviation in grey levels, less a smooth surface) have nothing to correlate."""

SAME_LEVEL = 1
"""Thumbnails that differ nowhere by more grey levels are the same: copies of a photo without detail."""

MAX_PAIRS = 10_000_000
SAVE_EVERY = 1000


@dataclass(frozen=True)
class Fingerprints:
    """What near-duplicates are found by, for N photos.

    Args:
        names: of the photos that could be read.
        bits: bool (N, 256), the difference hash.
        thumbnails: uint8 (N, 16, 16), grey.
        unreadable: name -> why, for those that could not be read.
    """

    names: Sequence[str]
    bits: np.ndarray
    thumbnails: np.ndarray
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pairs:
    """Near-duplicate pairs, each once.

    Args:
        first: (P,) index of a photo.
        second: (P,) index of the other, greater than ``first``.
        distance: (P,) bits that differ.
        correlation: (P,) of the thumbnails' details; 1 for photos without detail whose thumbnails are the same.
    """

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    correlation: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


def fingerprint(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Difference hash, bool (256,), and thumbnail, uint8 (16, 16), of a uint8 RGB photo (H, W, 3)."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    bits = imagehash.dhash(Image.fromarray(grey), HASH_SIDE).hash.ravel()
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return bits, cv2.resize(grey, side, interpolation=cv2.INTER_AREA)


def fingerprint_photos(
    root: str | Path,
    names: Sequence[str],
    cache: str | Path | None = None,
    workers: int = 1,
    done: Callable[[int], object] | None = None,
) -> Fingerprints:
    """Fingerprints of photos, from a file where they are known.

    Args:
        root: folder of the photos.
        names: N photos, relative to it.
        cache: file (.npz) that keeps fingerprints by path, size and time of change; a changed photo is read again.
        workers: threads that decode.
        done: called with 1 after each photo.

    Raises:
        InputError: no names, no workers, a damaged cache, or no photo could be read; single unreadable ones are only
            noted.
    """
    if not names or workers < 1:
        raise InputError(f'needs at least one photo and one worker, got {len(names)} photos and {workers} workers')
    known = _read_cache(Path(cache)) if cache else {}
    new = 0
    unreadable: dict[str, str] = {}
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def one(name: str) -> tuple[str, str, tuple[np.ndarray, np.ndarray] | None]:
        try:
            stamp = photo_stamp(Path(root) / name)
            return name, stamp, known.get(stamp) or fingerprint(read_photo(Path(root) / name))
        except (InputError, OSError, cv2.error) as error:
            return name, str(error), None

    with ThreadPoolExecutor(workers) as pool:
        for name, note, prints in _in_blocks(pool, one, names):
            if prints is None:
                unreadable[name] = note
            else:
                found[name] = prints
                if note not in known:
                    new += 1
                known[note] = prints
                if cache and new and new % SAVE_EVERY == 0:
                    _write_cache(Path(cache), known)
            if done:
                done(1)
    if not found:
        reason = next(iter(unreadable.values()))
        raise InputError(f'{root}: none of {len(names)} photos could be read; the first: {reason}')
    if cache and new:
        _write_cache(Path(cache), known)
    bits, thumbnails = (np.stack([prints[i] for prints in found.values()]) for i in (0, 1))
    return Fingerprints(list(found), bits, thumbnails, unreadable)


def near_duplicates(
    prints: Fingerprints,
    threshold: int = THRESHOLD,
    correlation: float = CORRELATION,
    block: int = 512,
    among: int | None = None,
) -> Pairs:
    """All pairs of photos that are near-duplicates.

    Every pair is looked at, as products of ``block`` rows with all others: about a second for 12,000 photos, with
    memory in proportion to their number.

    Args:
        prints: of N photos.
        threshold: bits of the hash that may differ, 0 to 256.
        correlation: least correlation of the thumbnails' details, -1 to 1.
        block: photos compared with all others at a time.
        among: only pairs with one of the first so many photos; a few against very many take little time then.

    Raises:
        InputError: an argument out of range, or more pairs than :data:`MAX_PAIRS`.
    """
    size = prints.bits.shape[1]
    if not 0 <= threshold <= size:
        raise InputError(f'threshold must be from 0 to {size} bits, got {threshold}')
    if not -1 <= correlation <= 1:
        raise InputError(f'correlation must be from -1 to 1, got {correlation}')
    signs = np.where(prints.bits, np.float32(1), np.float32(-1))  # x . y = size - 2 * bits that differ, exactly
    details, rough = _details(prints.thumbnails)
    levels = prints.thumbnails.reshape(len(signs), -1).astype(np.int16)
    parts: list[tuple[np.ndarray, ...]] = []
    total = 0
    end = len(signs) if among is None else min(among, len(signs))
    for start in range(0, end, block):
        distance = (size - signs[start : min(start + block, end)] @ signs[start:].T) / 2
        first, second = np.nonzero(distance <= threshold)
        later = second > first
        first, second = first[later], second[later]
        bits = distance[first, second].astype(np.int64)
        for at in range(0, len(first), 100_000):  # where all hashes are alike, there are too many for one array
            i, j, d = (x[at : at + 100_000] for x in (first, second, bits))
            i, j = i + start, j + start
            alike = np.einsum('pd,pd->p', details[i], details[j])
            same = np.abs(levels[i] - levels[j]).max(axis=1) <= SAME_LEVEL
            alike = np.where(same, 1.0, np.where(rough[i] & rough[j], alike, -2.0))
            keep = alike >= correlation
            parts.append((i[keep], j[keep], d[keep], alike[keep]))
            total += int(keep.sum())
            if total > MAX_PAIRS:
                raise InputError(f'more than {MAX_PAIRS} pairs: threshold {threshold} is too wide for these photos')
    if not parts:
        none = np.zeros(0, np.int64)
        return Pairs(none, none, none, np.zeros(0))
    i, j, d, alike = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(i, j, d, alike)


def _details(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thumbnails less their best quadratic surface, of length 1: (N, 256); and which have any detail: bool (N,)."""
    side = thumbnails.shape[1]
    y, x = np.mgrid[:side, :side] / side
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(side * side, 6)
    basis = np.linalg.qr(surface)[0]
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    rest = flat - (flat @ basis) @ basis.T
    length = np.linalg.norm(rest, axis=1)
    rough = length / side >= MIN_DETAIL
    return (rest / np.maximum(length, 1e-9)[:, None]).astype(np.float32), rough


def clusters(names: Sequence[str], pairs: Pairs, groups: Sequence[str] | None = None) -> list[str]:
    """The cluster of each photo: all that a chain of pairs connects.

    Args:
        names: of N photos.
        pairs: near-duplicates among them.
        groups: N groups to keep together as well, such as reference images.

    Returns:
        N names: that of the cluster's first photo in alphabetical order; a photo alone is its own cluster.
    """
    first, second = [pairs.first], [pairs.second]
    if groups is not None:
        leaders: dict[str, int] = {}
        first.append(np.array([leaders.setdefault(group, i) for i, group in enumerate(groups)], np.int64))
        second.append(np.arange(len(groups)))
    i, j = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(i), np.int8), (i, j)), shape=(len(names), len(names)))
    numbers = connected_components(graph, directed=False)[1].tolist()
    least: dict[int, str] = {}
    for number, name in zip(numbers, names, strict=True):
        least[number] = min(name, least.get(number, name))
    return [least[number] for number in numbers]


def leaking(groups: Sequence[str], parts: Sequence[str]) -> list[int]:
    """Which test photos share a group with a photo that a model may learn from.

    Near-duplicates within one part are no leak: they only count twice there.

    Args:
        groups: N groups or clusters.
        parts: N values: ``train``, ``val``, ``test``; others belong to no part.

    Returns:
        Indexes of the test photos.
    """
    learned = {group for group, part in zip(groups, parts, strict=True) if part in ('train', 'val')}
    return [i for i, (group, part) in enumerate(zip(groups, parts, strict=True)) if part == 'test' and group in learned]


def _in_blocks(pool: ThreadPoolExecutor, one: Callable, names: Sequence[str], block: int = 1000) -> Iterator:
    """``pool.map`` that starts the next block only when the last one is done, so that an interrupt ends soon."""
    for start in range(0, len(names), block):
        yield from pool.map(one, names[start : start + block])


def _read_cache(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if not file.is_file():
        return {}
    try:
        with np.load(file, allow_pickle=False) as stored:
            bits = np.unpackbits(stored['bits'], axis=1).astype(bool)
            if bits.shape[1:] != (HASH_SIDE**2,) or stored['thumbnails'].shape[1:] != (THUMBNAIL_SIDE,) * 2:
                raise ValueError(f'hashes of {bits.shape[1]} bits')
            return dict(zip(stored['stamps'].tolist(), zip(bits, stored['thumbnails'], strict=True), strict=True))
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f'{file}: not a cache of fingerprints, or a damaged one ({error}); delete the file') from error


def _write_cache(file: Path, known: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    bits, thumbnails = (np.stack([prints[i] for prints in known.values()]) for i in (0, 1))
    with replacing(file) as partial, open(partial, 'wb') as stream:
        np.savez(stream, stamps=np.array(list(known)), bits=np.packbits(bits, axis=1), thumbnails=thumbnails)
