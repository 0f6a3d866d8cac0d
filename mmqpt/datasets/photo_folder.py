"""Photos without labels, for pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmpretrain.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import Dataset

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.files import check_inside
from mmqpt.core.photo import find_photos, read_photo, swap_channels
from mmqpt.datasets.sampler import SampleKey, sample_key


@DATASETS.register_module()
class PhotoFolder(Dataset):
    """All photos below a folder.

    A photo that can't be read is skipped: the next readable one in the list takes its place in the batch, and the
    sample carries the name and the reason in ``skipped`` (a list of (path, reason)) for :class:`UnreadablePhotosHook`
    to count, warn and stop.

    Args:
        data_root: the folder.
        pipeline: transforms; the first gets ``img_path``, ``rng`` and ``skipped``.
        ann_file: text file with one photo a line, relative to ``data_root``, to use instead of all.
        max_tries: how many photos in a row may be unreadable before loading stops.

    Raises:
        FileNotFoundError: the folder or the list is missing.
        InputError: no photo in it, a listed photo is missing or outside of the folder, or every photo is smaller than
            the patch of the pipeline.
    """

    def __init__(
        self,
        data_root: str,
        pipeline: Sequence[dict[str, Any]],
        ann_file: str | None = None,
        max_tries: int = 20,
    ) -> None:
        if max_tries < 1:
            raise InputError(f'max_tries must be >= 1, got {max_tries}')
        self.data_root = str(data_root)
        self.paths = list_photos(data_root, ann_file)
        self.max_tries = max_tries
        self.pipeline = Compose([TRANSFORMS.build(step) for step in pipeline])
        for step in self.pipeline.transforms:
            if hasattr(step, 'patch_size'):
                _check_size(self.paths, step.patch_size)
        print_log(f'PhotoFolder: {len(self.paths)} photos in {data_root}', 'current')

    @property
    def metainfo(self) -> dict[str, Any]:
        """What MMEngine stores in checkpoints about the data."""
        return {'data_root': self.data_root, 'photos': len(self.paths)}

    def full_init(self) -> None:
        """Nothing is deferred; MMEngine calls this."""

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: SampleKey | int) -> dict[str, Any]:
        index, entropy = sample_key(key, len(self))
        skipped: list[tuple[str, str]] = []
        for offset in range(min(self.max_tries, len(self))):
            path = self.paths[(index + offset) % len(self)]
            try:
                return self.pipeline({'img_path': str(path), 'rng': np.random.default_rng(entropy), 'skipped': skipped})
            except (PhotoError, FileNotFoundError) as error:
                skipped.append((str(path), str(error)))
        raise InputError(f'{len(skipped)} photos in a row could not be read, the last: {skipped[-1][1]}')


@TRANSFORMS.register_module()
class LoadPhoto:
    """``img_path`` -> ``img``: uint8 (H, W, 3), BGR as in all OpenMMLab pipelines; read by :func:`read_photo`."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """Adds ``img``, ``img_shape`` and ``ori_shape``."""
        image = swap_channels(read_photo(results['img_path']))
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results


def _check_size(paths: Sequence[Path], patch_size: int) -> None:
    """Refuse a patch that no photo can hold; stops at the first photo that can."""
    largest = 0
    for path in paths:
        try:
            with Image.open(path) as image:
                largest = max(largest, min(image.size))
        except (OSError, SyntaxError, ValueError):
            continue  # named when it is loaded
        if largest >= patch_size:
            return
    if largest == 0:
        raise InputError(f'none of {len(paths)} photos can be read, the first: {paths[0]}')
    raise InputError(
        f'patch_size is {patch_size} px, but the largest of {len(paths)} photos has a short side of {largest} px'
    )


def list_photos(data_root: str | Path, ann_file: str | Path | None = None) -> list[Path]:
    """All photos below a folder, or those that a text file lists, one a line; errors as of :class:`PhotoFolder`."""
    return find_photos(data_root) if ann_file is None else _read_list(Path(data_root), Path(ann_file))


def _read_list(root: Path, ann_file: Path) -> list[Path]:
    if not root.is_dir():
        raise FileNotFoundError(f'no such folder: {root}')
    if not ann_file.is_file():
        raise FileNotFoundError(f'no such list of photos: {ann_file}')
    try:
        lines = ann_file.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f'{ann_file}: not UTF-8 text ({error})') from error
    for number, line in enumerate(lines, start=1):
        check_inside(line.strip(), f'{ann_file}, line {number}')
    paths = [root / line.strip() for line in lines if line.strip()]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f'{ann_file}: {len(missing)} of {len(paths)} photos are missing, the first: {missing[0]}')
    if not paths:
        raise InputError(f'{ann_file}: names no photos')
    return paths
