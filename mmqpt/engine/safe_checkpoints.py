"""Checkpoints that are whole whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS

from mmqpt.core.files import replacing

ATOMIC = 'mmqpt_atomic'
"""Name of :class:`AtomicFileBackend` for ``backend_args``."""

STOPPED = 'stopped_iter_{}.pth'
"""Name of what :func:`save_now` saves."""


@register_backend(ATOMIC)
class AtomicFileBackend(LocalBackend):
    """MMEngine's local files, but written whole or not at all, and removed only when :meth:`remove_pending` is called.

    Bytes go to a hidden file beside the final one, then to the disk (fsync), and get the final name last. A process
    that is killed or a full disk leaves the old file, and no new one under its name.
    """

    def __init__(self) -> None:
        self._pending: list[str] = []

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; :func:`replacing` says how.

        Raises:
            OSError: they can't be written, as on a full disk; names the file.
        """
        folder = os.path.dirname(filepath) or '.'
        os.makedirs(folder, exist_ok=True)
        try:
            with replacing(filepath) as partial, open(partial, 'wb') as stream:
                stream.write(obj)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            reason = f'{error.strerror or error}; earlier checkpoints are kept, --resume goes on from the newest'
            raise OSError(error.errno or 0, reason, os.fspath(filepath)) from error
        _sync_folder(folder)

    def remove(self, filepath: str | Path) -> None:
        """Note a file for :meth:`remove_pending`."""
        self._pending.append(os.fspath(filepath))

    def remove_pending(self, keep: Collection[str | None] = ()) -> None:
        """Remove the files that :meth:`remove` noted, except those in ``keep``."""
        while self._pending:
            name = self._pending.pop()
            if name not in keep:
                Path(name).unlink(missing_ok=True)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, but old checkpoints are removed after the new one is on the disk, not before.

    MMEngine removes first and writes straight to the file: a run with ``max_keep_ckpts=1`` that is killed while it
    saves has no checkpoint left. Here the last good one stays until the next is whole, which takes the space of one
    more. Half-written files of a killed run are removed when the next run starts; files of :func:`save_now` once the
    next checkpoint is whole that a run can go on from, which a best one is not, since it has no optimiser. Takes the
    arguments of ``CheckpointHook``; with ``backend_args`` or an ``out_dir`` elsewhere (``s3://...``) all this is up to
    that backend.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        if options.get('backend_args') is None and '://' not in str(options.get('out_dir')):
            options['backend_args'] = {'backend': ATOMIC}
        super().__init__(*args, **options)

    def before_train(self, runner: Runner) -> None:
        """Removes half-written files of a run that was killed."""
        super().before_train(runner)
        if isinstance(self.file_backend, AtomicFileBackend) and is_main_process():
            for path in Path(self.out_dir).glob('.*.partial.pth'):
                path.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        self._remove_old([STOPPED.format('*')])

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, Any]) -> None:
        super()._save_best_checkpoint(runner, metrics)
        self._remove_old()

    def _remove_old(self, patterns: Sequence[str] = ()) -> None:
        """Removes what MMEngine meant to, and files of these names."""
        if isinstance(self.file_backend, AtomicFileBackend) and is_main_process():
            for path in (path for pattern in patterns for path in Path(self.out_dir).glob(pattern)):
                self.file_backend.remove(path)
            best = getattr(self, 'best_ckpt_path_dict', {}).values()
            self.file_backend.remove_pending(keep={self.last_ckpt, getattr(self, 'best_ckpt_path', None), *best})


def save_now(runner: Runner, steps: int, epoch: int) -> str:
    """Save a run that has to stop, between any two steps, as ``stopped_iter_N.pth`` beside its other checkpoints.

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
    """Make sure a renaming is on the disk, where the system can."""
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
