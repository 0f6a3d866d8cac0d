"""Pooled features of whole photos and of images made from them, stored under a key of all that they depend on."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock, Timeout
from torch import Tensor
from tqdm import tqdm

from mmqpt.core.errors import InputError
from mmqpt.core.files import replacing
from mmqpt.core.photo import photo_stamp, read_photo
from mmqpt.core.view import View

SAVE_EVERY = 500
"""Photos between two writes to the store."""

Item = TypeVar('Item')
Found = TypeVar('Found')

_UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, MemoryError, SyntaxError, BadZipFile,
    zlib.error,
)  # fmt: skip
"""What NumPy raises for a damaged file of arrays."""


def photo_features(
    extract: Callable[[Tensor], Tensor],
    paths: Sequence[Path],
    scales: Sequence[float] = (1.0,),
    view: View | None = None,
    device: str = 'cpu',
    workers: int = 1,
    done: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Pooled features of whole photos, one photo at a time, so that no photo's features depend on another's.

    Args:
        extract: takes (1, 3, H, W) RGB in [0, 1], returns (1, C); such as ``IQARegressor.extract_features`` of a model
            in eval mode.
        paths: the photos.
        scales: sizes relative to the photo; features of all scales are joined.
        view: the size rule before scaling; the features of its crops, if any, are averaged.
        device: where ``extract`` wants its input.
        workers: threads that decode photos ahead.
        done: called with 1 after each photo.

    Returns:
        float32 (photos, scales x C).
    """
    return image_features(extract, ahead(read_photo, paths, workers), scales, view, device, done)


@torch.no_grad()
def image_features(
    extract: Callable[[Tensor], Tensor],
    images: Iterable[np.ndarray],
    scales: Sequence[float] = (1.0,),
    view: View | None = None,
    device: str = 'cpu',
    done: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Pooled features of images, one at a time; arguments and result as of :func:`photo_features`.

    Args:
        images: uint8 RGB (H, W, 3) each.
    """
    view = view or View()
    if not scales or min(scales) <= 0:
        raise InputError(f'scales must be > 0, got {tuple(scales)}')

    def one(images: Tensor, scale: float) -> Tensor:
        if scale != 1:
            images = F.interpolate(
                images, scale_factor=scale, mode='bicubic', antialias=True, align_corners=False
            ).clamp(0, 1)
        return extract(images)[0]

    rows = []
    for image in images:
        photo = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255
        crops = view.crops(photo)
        rows.append(
            torch.cat([torch.stack([one(crop, scale) for crop in crops]).mean(dim=0) for scale in scales]).cpu()
        )
        if done:
            done(1)
    return torch.stack(rows).numpy()


def ahead(make: Callable[[Item], Found], items: Sequence[Item], workers: int) -> Iterator[Found]:
    """``make`` of every item, in order, by threads; at most ``4 * workers`` results are in memory."""
    block = 4 * workers
    with ThreadPoolExecutor(workers) as pool:
        waiting = [pool.submit(make, item) for item in items[:block]]
        for number in range(len(items)):
            yield waiting.pop(0).result()
            if number + block < len(items):
                waiting.append(pool.submit(make, items[number + block]))


class FeatureStore:
    """Features on disk: computed once for each network, rule and photo, whatever protocol asks for them.

    A file of the store holds the features of one key; a photo is found in it by its path, size and time of change, so
    that a changed photo is computed again. Files are written to a temporary name and renamed, every
    :data:`SAVE_EVERY` photos: a stopped run resumes there.

    Args:
        folder: of the store; made when needed.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def get(
        self,
        key: dict[str, Any],
        paths: Sequence[Path],
        compute: Callable[[Sequence[Path], Callable[[int], object]], np.ndarray],
        title: str = 'features',
    ) -> np.ndarray:
        """Features of photos, from the store or computed.

        Args:
            key: all that features depend on except the photos: weights (a hash of them), network, normalisation,
                scales, size rule. It must be JSON-able.
            paths: N photos.
            compute: called with the missing photos and a function that counts finished ones; returns (n, C).
            title: for the progress bar.

        Returns:
            float32 (N, C).
        """
        stamps = [photo_stamp(path) for path in paths]
        return self.get_stamped(
            key, stamps, lambda missing, done: compute([paths[i] for i in missing], done), title, 'photo'
        )

    def get_stamped(
        self,
        key: dict[str, Any],
        stamps: Sequence[str],
        compute: Callable[[Sequence[int], Callable[[int], object]], np.ndarray],
        title: str = 'features',
        unit: str = 'image',
    ) -> np.ndarray:
        """Features of images that no file holds, from the store or computed.

        Args:
            key: as of :meth:`get`.
            stamps: of N images: a text each that tells it from all others, and changes when it does.
            compute: called with the numbers of missing images, 0 to N - 1, and a function that counts finished ones;
                returns (n, C).
            title: for the progress bar.
            unit: what the bar counts.

        Returns:
            float32 (N, C).
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f'{digest_of(key)}.npz'
        lock = FileLock(file.with_suffix('.lock'))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f'{title}: another process computes them ({file}); waiting for it', flush=True)
            lock.acquire()
        try:
            known = self._read(file)
            missing = [i for i, stamp in enumerate(stamps) if stamp not in known]
            if missing:
                with tqdm(total=len(missing), desc=title, unit=unit, mininterval=1) as bar:
                    for start in range(0, len(missing), SAVE_EVERY):
                        block = missing[start : start + SAVE_EVERY]
                        features = compute(block, bar.update).astype(np.float32)
                        known.update({stamps[i]: row for i, row in zip(block, features, strict=True)})
                        self._write(file, known, key)
            return np.stack([known[stamp] for stamp in stamps])
        finally:
            lock.release()

    def _read(self, file: Path) -> dict[str, np.ndarray]:
        if not file.is_file():
            return {}
        try:
            with np.load(file, allow_pickle=False) as stored:
                return dict(zip(stored['stamps'].tolist(), stored['features'], strict=True))
        except _UNREADABLE as error:
            raise InputError(f'{file}: a damaged store of features ({error}); delete the file') from error

    def _write(self, file: Path, known: dict[str, np.ndarray], key: dict[str, Any]) -> None:
        with replacing(file) as partial, open(partial, 'wb') as stream:
            np.savez(
                stream,
                stamps=np.array(list(known)),
                features=np.stack(list(known.values())),
                key=np.array(json.dumps(key, sort_keys=True)),
            )


def digest_of(key: Any) -> str:
    """First 16 digits of the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]
