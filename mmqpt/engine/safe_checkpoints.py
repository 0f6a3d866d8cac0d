"""Checkpoints that survive whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmqpt.core.files import replacing

WHOLE = 'whole_or_not_at_all'
"""Name of :class:`WholeFileBackend` for ``backend_args``."""

STOPPED = 'stopped_iter_{}.pth'
"""Name of what :func:`save_now` saves."""


@register_backend(WHOLE)
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

    def remove_doomed(self, keep: Collection[str | None] = ()) -> None:
        """Remove what :meth:`remove` was told, but for files that have been written anew since."""
        while self.doomed:
            name = self.doomed.pop()
            if name not in keep:
                Path(name).unlink(missing_ok=True)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, whose old checkpoints are removed after the new one is on the disk, not before.

    MMEngine removes first and writes straight to the file: a run with ``max_keep_ckpts=1`` that is killed while it
    saves has no checkpoint left. Here the last good one stays until the next is whole. It takes one checkpoint's space
    more, and what a killed run left half written is removed when the next one starts; so is, once the next checkpoint
    is whole, what :func:`save_now` saved. Takes the arguments of ``CheckpointHook``; with ``backend_args`` or an
    ``out_dir`` elsewhere (``s3://...``) all this is that backend's own affair.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get('backend_args') is None and '://' not in str(options.get('out_dir')):
            options['backend_args'] = {'backend': WHOLE}
        super().__init__(*args, **options)

    def before_train(self, runner: Runner) -> None:
        """Removes what a run that was killed left half written."""
        super().before_train(runner)
        if isinstance(self.file_backend, WholeFileBackend) and is_main_process():
            for path in Path(self.out_dir).glob('.*.partial.pth'):
                path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_doomed()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_doomed()

    def _remove_doomed(self) -> None:
        if isinstance(self.file_backend, WholeFileBackend) and is_main_process():
            self.file_backend.doomed.extend(map(str, Path(self.out_dir).glob(STOPPED.format('*'))))
            best = getattr(self, 'best_ckpt_path_dict', {}).values()
            self.file_backend.remove_doomed(keep={self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best})


def save_now(runner: Runner, steps: int, epoch: int) -> str:
    """Save a run that has to stop, wherever it is, as ``stopped_iter_N.pth`` beside its other checkpoints.

    Args:
        runner: the runner; called on all ranks, written by the first.
        steps: N, batches whose gradients have been used.
        epoch: whole epochs among them.

    Returns:
        The path.
    """
    hook = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
    folder = getattr(hook, 'out_dir', None) or runner.work_dir
    options = {'save_optimizer': True, 'save_param_scheduler': True, 'by_epoch': False}
    backend = getattr(hook, 'backend_args', None)
    name = STOPPED.format(steps)
    runner.save_checkpoint(folder, name, backend_args=backend, meta={'iter': steps, 'epoch': epoch}, **options)
    return os.path.join(folder, name)


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
