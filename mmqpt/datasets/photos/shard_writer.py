"""One shard of photos: a tar of the original files, its index and its CSV."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.files import replacing
from mmqpt.core.limits import MAX_BYTES
from mmqpt.core.photo import FIRST_FORMATS, MORE_FORMATS, open_regular, read_photo
from mmqpt.datasets.photos.shard_files import STATE, shard_name, write_json_synced, write_whole
from mmqpt.datasets.photos.tar_index import index_path, scan_tar, write_index

MEMBER_SUFFIX = {
    'JPEG': '.jpg', 'MPO': '.jpg', 'PNG': '.png', 'GIF': '.gif', 'BMP': '.bmp', 'PPM': '.ppm', 'WEBP': '.webp',
    'TIFF': '.tif', 'AVIF': '.avif', 'JPEG2000': '.jp2',
}  # fmt: skip
"""By Pillow's name of the format; readable photos that Pillow does not know are HEIC."""

COLUMNS = ('member', 'name', 'width', 'height', 'bytes', 'sha256')
FEW_UNOPENED = 10
"""Photos of a shard that may fail to open, however large their share is."""


@dataclass(frozen=True)
class ShardJob:
    """The contents of a shard.

    Args:
        out: folder of the shards.
        number: of the shard.
        photo_root: folder of the photos.
        names: of the photos in it, in the order in which they go into the shard.
        first: number of the first one among the photos of all shards.
        max_unopened: share of the photos that may fail to open.
    """

    out: str
    number: int
    photo_root: str
    names: tuple[str, ...]
    first: int
    max_unopened: float


@dataclass
class ShardRecord:
    """A finished shard; ``unreadable`` holds (name, reason)."""

    name: str
    photos: int = 0
    bytes: int = 0
    sha256: str = ''
    index_sha256: str = ''
    csv_sha256: str = ''
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def state_path(out: Path, number: int) -> Path:
    """The file that marks a shard as finished."""
    return out / STATE / f'{shard_name(number)}.json'


def write_shard(job: ShardJob, progress: Callable[[int], object] = lambda done: None) -> ShardRecord:
    """Write a tar, then its index, its CSV, and last the file that marks the shard as finished.

    The bytes depend on the photos and their order alone. Members are called by the number of the photo among all
    shards, which leaves gaps where photos are unreadable; their suffix follows from their content. Every photo is
    decoded before it is taken, and stored unchanged.

    Args:
        job: its contents.
        progress: gets the number of photos that are done.

    Raises:
        InputError: a file can't be written, or so many photos can't be opened that the disk must be at fault; nothing
            of the shard is left then.
    """
    tar_path = Path(job.out) / f'{shard_name(job.number)}.tar'
    record = ShardRecord(tar_path.name)
    rows: list[tuple[object, ...]] = []
    try:
        with replacing(tar_path) as partial:
            with open(partial, 'wb') as raw:
                file = _Hashed(raw)
                with tarfile.open(fileobj=file, mode='w:', format=tarfile.USTAR_FORMAT) as tar:  # type: ignore[call-overload]
                    _add_photos(tar, job, rows, record, progress)
                raw.flush()
                os.fsync(raw.fileno())
            places = scan_tar(Path(partial))
        record.photos, record.bytes, record.sha256 = len(rows), tar_path.stat().st_size, file.digest.hexdigest()
        write_index(tar_path, places)
        record.index_sha256 = hashlib.sha256(index_path(tar_path).read_bytes()).hexdigest()
        record.csv_sha256 = write_whole(tar_path.with_suffix('.csv'), _csv(COLUMNS, rows))
        write_json_synced(state_path(Path(job.out), job.number), asdict(record))
    except OSError as error:
        raise InputError(
            f"{tar_path}: can't be written ({error.strerror or error}); run the same command again to resume"
        ) from error
    return record


def write_unreadable(path: Path, unreadable: list[tuple[str, str]]) -> None:
    """A CSV with the name and the reason of each photo that was left out."""
    write_whole(path, _csv(('name', 'reason'), unreadable))


def _add_photos(
    tar: tarfile.TarFile,
    job: ShardJob,
    rows: list[tuple[object, ...]],
    record: ShardRecord,
    progress: Callable[[int], object],
) -> None:
    unopened = 0
    for number, name in enumerate(job.names):
        progress(number)
        try:
            data = _read(Path(job.photo_root) / name)
            height, width = read_photo(data, name).shape[:2]
        except PhotoError as error:
            record.unreadable.append((name, str(error)))
            continue
        except OSError as error:
            record.unreadable.append((name, f"{name}: can't be opened ({error.strerror or error})"))
            unopened += 1
            continue
        member = tarfile.TarInfo(f'{job.first + number:09d}{photo_suffix(data)}')
        member.size, member.mode = len(data), 0o444
        tar.addfile(member, io.BytesIO(data))
        rows.append((member.name, name, width, height, len(data), hashlib.sha256(data).hexdigest()))
    if unopened > max(FEW_UNOPENED, job.max_unopened * len(job.names)):
        raise InputError(
            f"{record.name}: {unopened} of its {len(job.names)} photos can't be opened "
            f'(is {job.photo_root} still there?), the last: {record.unreadable[-1][1]}; '
            'run the same command again to resume'
        )
    progress(len(job.names))


def _read(path: Path) -> bytes:
    """The bytes of a file; OSError if it can't be opened, PhotoError if it is too large, or no regular file."""
    with open_regular(path, path.name) as file:
        return file.read(MAX_BYTES)


def photo_suffix(data: bytes) -> str:
    """The suffix of a photo, by its content; for photos that :func:`read_photo` reads."""
    try:
        with Image.open(io.BytesIO(data), formats=FIRST_FORMATS + MORE_FORMATS) as image:
            return MEMBER_SUFFIX[str(image.format)]
    except UnidentifiedImageError:
        return '.heic'


def _csv(header: tuple[str, ...], rows: list[tuple[object, ...]] | list[tuple[str, str]]) -> bytes:
    """A CSV as bytes; names that are not UTF-8 keep the bytes that they have on disk."""
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode('utf-8', 'surrogateescape')


class _Hashed:
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def tell(self) -> int:
        return self.file.tell()
