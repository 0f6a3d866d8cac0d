"""Photos without labels, for pre-training: the files of a folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmpretrain.registry import DATASETS

from mmqpt.datasets.photos.base import PhotoDataset
from mmqpt.datasets.photos.listing import Packed, list_photos


@DATASETS.register_module()
class PhotoFolder(PhotoDataset):
    """All photos below a folder; what a pipeline gets, and what happens to unreadable ones: :class:`PhotoDataset`.

    Args:
        data_root: the folder.
        pipeline: transforms.
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
        self.names = Packed(os.fsencode(path) for path in list_photos(data_root, ann_file, tell=_tell))
        super().__init__(str(data_root), pipeline, max_tries)

    @property
    def paths(self) -> list[Path]:
        """All photos, in the order of their numbers; a new list at each call."""
        return [Path(os.fsdecode(name)) for name in self.names]

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Its path."""
        return os.fsdecode(self.names[index])

    def read(self, index: int) -> None:
        """Nothing: the file is read by the pipeline."""


def _tell(sentence: str) -> None:
    print_log(sentence, 'current', logging.WARNING)
