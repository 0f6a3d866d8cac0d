"""Checkpoints that survive whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmqpt.core.files import replacing


@register_backend('whole_or_not_at_all')
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, but a file is written whole or not at all, and what is removed goes when a hook says so.

    Bytes go to a hidden name beside the file, to the disk (fsync), and get the file's name last. A process that is
    killed or a disk that is full leaves the old file, and no new one under its name.
    """

    def __init__(self) -> None:
        self.doomed: list[str] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; :func:`replacing` says how."""
        folder = os.path.dirname(filepath) or '.'
        os.makedirs(folder, exist_ok=True)
        with replacing(filepath) as partial, open(partial, 'wb') as stream:
            stream.write(obj)
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(folder)

    def remove(self, filepath: str | Path) -> None:
        """Note what is to go; :meth:`remove_doomed` removes it."""
        self.doomed.append(os.fspath(filepath))

    def remove_doomed(self) -> None:
        """Remove what :meth:`remove` was told."""
        while self.doomed:
            Path(self.doomed.pop()).unlink(missing_ok=True)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, whose old checkpoints are removed after the new one is on the disk, not before.

    MMEngine removes first and writes straight to the file: a run with ``max_keep_ckpts=1`` that is killed while it
    saves has no checkpoint left. Here the last good one stays until the next is whole. It takes one checkpoint's space
    more. Takes the arguments of ``CheckpointHook``; with ``backend_args`` or ``out_dir`` elsewhere (Petrel, Ceph) it is
    that backend's own affair.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get('backend_args') is None and options.get('out_dir') is None:
            options['backend_args'] = {'backend': 'whole_or_not_at_all'}
        super().__init__(*args, **options)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_doomed()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_doomed()

    def _remove_doomed(self) -> None:
        if isinstance(self.file_backend, WholeFileBackend):
            self.file_backend.remove_doomed()


def _sync_folder(folder: str) -> None:
    """Bring a renaming to the disk, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    except OSError:  # some network file systems can't
        pass
    finally:
        os.close(handle)
