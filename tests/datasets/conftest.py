"""Shards of the six photos, shared by the tests of what makes and reads them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmqpt.datasets.photos.shard_run import ShardArguments, make_shards


@pytest.fixture(scope='session')
def make_small() -> Callable[..., Path]:
    """Makes shards of 4 photos, in this process."""

    def make(photos: Path, out: Path, photos_per_shard: int = 4, **options: object) -> Path:
        make_shards(photos, out, ShardArguments(None, photos_per_shard), **{'workers': 1, **options})
        return out

    return make


@pytest.fixture(scope='session')
def shard_folder(photo_folder, make_small, tmp_path_factory) -> Path:
    """The six photos in shards of 4 and 2. Not to be written to."""
    return make_small(photo_folder, tmp_path_factory.mktemp('shards') / 'shards')
