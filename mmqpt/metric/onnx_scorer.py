"""Scores by onnxruntime, from an exported ONNX file. Needs no torch."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.photo_input import is_tensor
from mmqpt.core.view import View
from mmqpt.metric.onnx_file import INPUT, OUTPUT, import_onnxruntime, open_session, read_onnx
from mmqpt.metric.runtimes import choose_runtime
from mmqpt.metric.scorer import Scorer

if TYPE_CHECKING:
    from torch import Tensor


class OnnxScorer(Scorer):
    """Scores photos by onnxruntime. There is no ``net``, and no gradient. It is pickled with the bytes of its file.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``) or path of weights that have their ONNX file beside them, or path of
            a file that ``mmqpt export --onnx`` wrote.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where onnxruntime has one.
        threads: of onnxruntime on the CPU; as many as there are cores for this process by default.

    Raises:
        FileNotFoundError: no such file.
        InputError: a file or a device that can't be used; onnxruntime is missing.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | None = None,
        device: object | None = None,
        threads: int | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise InputError(f'threads must be >= 1, got {threads}')
        self.device, provider = _provider(device)
        self._file = read_onnx(choose_runtime(weights, device, 'onnx')[1])
        self.spec = self._file.spec
        self.view = View(**(self.spec.view or {}))
        self._size = self._file.size
        self._provider, self._threads = provider, threads or usable_cores()
        self._session = open_session(self._file, self._provider, self._threads)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != '_session'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._session = open_session(self._file, self._provider, self._threads)

    def score_batch(self, batch: np.ndarray | Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_batch`.

        Raises:
            InputError: another size than the one that the network takes, where it takes one only.
        """
        images = _as_array(batch)
        if images.dtype == np.uint8:
            floats = np.empty(images.shape, np.float32)
            images = np.divide(images, np.float32(255), out=floats)
        return np.mean([self.score_view(view) for view in self.view.crops(images)], axis=0)

    def score_view(self, images: np.ndarray | Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_view`.

        Raises:
            InputError: another size than the one that the network takes, where it takes one only.
        """
        size = tuple(images.shape[-2:])
        if self._size not in (None, size):
            raise InputError(f'this network takes {self._size} px (height, width) only, got {size}')
        photos = np.ascontiguousarray(_as_array(images), np.float32)
        found: np.ndarray = self._session.run([OUTPUT], {INPUT: photos})[0]
        return found.astype(np.float64)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _as_array(images: np.ndarray | Tensor) -> np.ndarray:
    return images.detach().cpu().numpy() if is_tensor(images) else np.asarray(images)


def _provider(device: object | None) -> tuple[str, Any]:
    """The device, and what onnxruntime calls it."""
    gpu = 'CUDAExecutionProvider' in import_onnxruntime().get_available_providers()
    found = ('cuda' if gpu else 'cpu') if device is None else str(device)
    kind, _, number = found.partition(':')
    if kind not in ('cpu', 'cuda') or not re.fullmatch(r'\d{0,4}', number):
        raise InputError(f"device {found!r} is not available here (for onnxruntime: 'cpu', 'cuda', 'cuda:1'...)")
    if kind == 'cpu':
        return found, 'CPUExecutionProvider'
    if gpu:
        return found, ('CUDAExecutionProvider', {'device_id': int(number or 0)})
    raise InputError(f'device {found!r} is not available to onnxruntime here (for a GPU: onnxruntime-gpu)')
