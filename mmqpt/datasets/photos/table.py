"""Photos without labels, for pre-training: a column of a Hugging Face data set, or of Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmpretrain.registry import DATASETS

from mmqpt.core.errors import InputError, PhotoError, first_line
from mmqpt.core.limits import MAX_BYTES
from mmqpt.datasets.photos.base import PhotoDataset


@DATASETS.register_module()
class PhotoTable(PhotoDataset):
    """Photos in a column of a table; rows are memory-mapped, and each photo is decoded by :func:`read_photo` alone.

    The column holds the bytes of the photos: an image feature, or plain binary. What a pipeline gets, and what happens
    to unreadable photos: :class:`PhotoDataset`. Photos are called ``DATA_ROOT row 12``.

    Args:
        data_root: a folder that ``save_to_disk`` wrote; a Parquet file, a glob or a list of them, which ``datasets``
            copies once to its cache; or whatever else ``datasets.load_dataset`` takes, such as a name on the Hugging
            Face Hub, which is downloaded unless it is in the cache.
        pipeline: transforms.
        column: which holds the photos.
        split: which part.
        name: the configuration, for data sets that have several.
        max_tries: how many photos in a row may be unreadable before loading stops.

    Raises:
        FileNotFoundError: a file is missing.
        InputError: ``datasets`` is not installed, the table can't be read, or has no such split or column, no photo, or
            paths of photos instead of photos.
    """

    def __init__(
        self,
        data_root: str | Sequence[str],
        pipeline: Sequence[dict[str, Any]],
        column: str = 'image',
        split: str = 'train',
        name: str | None = None,
        max_tries: int = 20,
    ) -> None:
        try:
            import datasets
        except ImportError as error:
            raise InputError('PhotoTable needs a further package: pip install datasets') from error
        where = str(data_root)
        try:
            if not isinstance(data_root, (str, Path)) or where.endswith('.parquet'):
                files = [where] if isinstance(data_root, (str, Path)) else list(data_root)
                table = datasets.load_dataset('parquet', data_files=files, split=split)
            elif any((Path(where) / file).is_file() for file in ('state.json', 'dataset_dict.json')):
                table = datasets.load_from_disk(where)
                if isinstance(table, datasets.DatasetDict):
                    if split not in table:
                        raise InputError(f'{where}: no split {split!r}; there are: {", ".join(table)}')
                    table = table[split]
            else:
                table = datasets.load_dataset(where, name, split=split)
        except (InputError, FileNotFoundError):
            raise
        except Exception as error:
            raise InputError(f"{where}: can't be loaded as a table of photos ({first_line(error)})") from error
        if column not in table.column_names:
            raise InputError(f'{where}: no column {column!r}; there are: {", ".join(table.column_names)}')
        if not len(table):
            raise InputError(f'{where}: no rows')
        self.column = column
        try:
            self.table = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
            first = self.table[0][column]
        except Exception as error:
            raise InputError(f'{where}: column {column!r} holds no photos ({first_line(error)})') from error
        if first and not first['bytes'] and first['path']:
            raise InputError(
                f'{where}: column {column!r} holds the paths of photos, not the photos; use PhotoFolder for files'
            )
        super().__init__(where, pipeline, max_tries)

    def __len__(self) -> int:
        return len(self.table)

    def name(self, index: int) -> str:
        """The table and the row."""
        return f'{self.data_root} row {index}'

    def read(self, index: int) -> bytes:
        """The photo as stored.

        Raises:
            PhotoError: an empty row, or the file of the table can't be read here.
        """
        try:
            found = self.table[index][self.column]
        except Exception as error:  # Arrow and the disk under it
            raise PhotoError(f"{self.name(index)}: can't be read ({first_line(error)})") from error
        data = (found or {}).get('bytes')
        if data is None:
            raise PhotoError(f'{self.name(index)}: no photo in this row')
        if len(data) > MAX_BYTES:
            raise PhotoError(f'{self.name(index)}: refused, the photo has more than {MAX_BYTES} bytes')
        return data
