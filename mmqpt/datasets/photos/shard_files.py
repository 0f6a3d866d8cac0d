"""The files beside the shards: ``manifest.json`` once all are written, and a hidden folder that tracks progress."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmqpt.core.errors import InputError
from mmqpt.core.files import reading, replacing
from mmqpt.datasets.photos.tar_index import index_path

MANIFEST = 'manifest.json'
STATE = '.make_shards'
"""Folder that holds the plan of the shards, and one file for each finished shard."""


def shard_name(number: int) -> str:
    """``photos-000012``, without a suffix."""
    return f'photos-{number:06d}'


def tars_of(folder: Path) -> list[Path]:
    """All ``*.tar`` of a folder, sorted; hidden ones, such as half-written shards, are left out."""
    return sorted(path for path in folder.glob('*.tar') if not path.name.startswith('.'))


def check_finished(folder: Path, tars: set[str]) -> None:
    """Check that all shards of a folder are there; a folder that make_shards.py did not write passes.

    Args:
        folder: of shards.
        tars: names of the tars in it.

    Raises:
        FileNotFoundError: a tar is missing that the manifest names, or that has an index.
        InputError: the manifest can't be read, there are more tars than it names, or the shards are not finished.
    """
    if (folder / MANIFEST).is_file():
        named = {shard['name'] for shard in read_manifest(folder)['shards']}
        if tars - named:
            raise InputError(f'{folder / min(tars - named)}: not in the manifest of its folder')
    elif (folder / STATE).is_dir():
        raise InputError(f'{folder}: mmqpt make-shards has not finished here; run the same command again to resume')
    else:
        indices = {path.name.removesuffix('.index.npy') + '.tar' for path in folder.glob('*.index.npy')}
        named = indices | tars
    if named - tars:
        raise FileNotFoundError(f'no such shard: {folder / min(named - tars)} ({len(named - tars)} missing)')


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``mmqpt make-shards`` says about the shards it made.

    Raises:
        FileNotFoundError: there is none.
        InputError: not the JSON of a manifest.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f'no such manifest: {path}; shards have one when mmqpt make-shards has finished')
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not isinstance(manifest.get('shards'), list):
        raise InputError(f'{path}: not a manifest of shards')
    with reading(path):
        for shard in manifest['shards']:
            for key in ('name', 'sha256', 'index_sha256', 'csv_sha256'):
                if not isinstance(shard[key], str):
                    raise InputError(f'{path}: {key} of a shard must be a text, got {shard[key]!r:.100}')
            if Path(shard['name']).name != shard['name'] or int(shard['bytes']) < 0:
                raise InputError(f'{path}: a shard must have a name in its folder and a size, got {shard!r:.200}')
    return manifest


def read_json(path: Path) -> Any:
    """The content of a JSON file; InputError names a file that is not JSON."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path}: not JSON that can be read ({error})') from error


def write_whole(path: Path, data: bytes) -> str:
    """Write a file whole or not at all, and sync it to disk; returns its SHA-256."""
    with replacing(path) as partial, open(partial, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def write_json_synced(path: Path, value: Any) -> None:
    """Write JSON like :func:`write_whole`; names that are not UTF-8 are read back unchanged."""
    write_whole(path, (json.dumps(value, indent=1) + '\n').encode())


def verify_shards(folder: Path, workers: int = 2, progress: Callable[[int], object] = lambda done: None) -> list[str]:
    """Compare every file of a folder of shards with its manifest, by SHA-256.

    Args:
        folder: of shards.
        workers: threads.
        progress: gets the bytes of each shard that was read.

    Returns:
        What is wrong, a sentence each; nothing if all is well.

    Raises:
        FileNotFoundError: no manifest.
        InputError: not a manifest, or ``workers`` below 1.
    """
    if workers < 1:
        raise InputError(f'workers must be >= 1, got {workers}')
    shards = read_manifest(folder)['shards']

    def check(shard: dict[str, Any]) -> list[str]:
        tar = folder / shard['name']
        files = [(tar, 'sha256'), (index_path(tar), 'index_sha256'), (tar.with_suffix('.csv'), 'csv_sha256')]
        wrong = [_compare(path, shard[key]) for path, key in files]
        progress(shard['bytes'])
        return [sentence for sentence in wrong if sentence]

    with ThreadPoolExecutor(workers) as pool:
        wrong = [sentence for found in pool.map(check, shards) for sentence in found]
    named = {shard['name'] for shard in shards}
    wrong += [f'{path}: not in the manifest' for path in tars_of(folder) if path.name not in named]
    return wrong


def _compare(path: Path, sha256: str) -> str | None:
    if not path.is_file():
        return f'{path}: missing'
    digest = hashlib.sha256()
    try:
        with path.open('rb') as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        return f"{path}: can't be read ({error.strerror})"
    found = digest.hexdigest()
    return None if found == sha256 else f'{path}: differs from what was written (SHA-256 {found}, not {sha256})'
