"""Scores by onnxruntime, from an exported ONNX file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.torch_settings import default_settings
from mmqpt.core.view import View
from mmqpt.metric.onnx_file import INPUT, OUTPUT, import_onnxruntime, open_session, read_onnx
from mmqpt.metric.scorer import Scorer
from mmqpt.metric.weights import find_weights


class OnnxScorer(Scorer):
    """Scores photos by onnxruntime. There is no ``net``, and no gradient. It is pickled with the bytes of its file.

    Args:
        weights: path of a file that ``mmqpt export --onnx`` wrote, or the name of such a file.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where onnxruntime has one.
        threads: of onnxruntime on the CPU; as many as torch has by default.

    Raises:
        FileNotFoundError: no such file.
        InputError: a file or a device that can't be used; onnxruntime is missing.
    """

    def __init__(
        self, weights: str | os.PathLike[str], device: str | torch.device | None = None, threads: int | None = None
    ) -> None:
        if threads is not None and threads < 1:
            raise InputError(f'threads must be >= 1, got {threads}')
        self.device, provider = _provider(device)
        self._file = read_onnx(find_weights(weights))
        self.spec = self._file.spec
        self.view = View(**(self.spec.view or {}))
        self._size = self._file.size
        self._provider, self._threads = provider, threads or torch.get_num_threads()
        self._session = open_session(self._file, self._provider, self._threads)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != '_session'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._session = open_session(self._file, self._provider, self._threads)

    @default_settings()
    def score_batch(self, batch: Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_batch`.

        Raises:
            InputError: another size than the one that the network takes, where it takes one only.
        """
        images = batch.detach().cpu()
        images = images.float().div_(255) if images.dtype == torch.uint8 else images.float()
        return np.mean([self.score_view(view) for view in self.view.crops(images)], axis=0)

    def score_view(self, images: Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_view`.

        Raises:
            InputError: another size than the one that the network takes, where it takes one only.
        """
        size = tuple(images.shape[-2:])
        if self._size not in (None, size):
            raise InputError(f'this network takes {self._size} px (height, width) only, got {size}')
        found: np.ndarray = self._session.run([OUTPUT], {INPUT: images.detach().cpu().contiguous().numpy()})[0]
        return found.astype(np.float64)


def _provider(device: str | torch.device | None) -> tuple[torch.device, Any]:
    """The device, and what onnxruntime calls it."""
    gpu = 'CUDAExecutionProvider' in import_onnxruntime().get_available_providers()
    try:
        found = torch.device(('cuda' if gpu else 'cpu') if device is None else device)
    except RuntimeError as error:
        raise InputError(f'device {str(device)!r} is not available here ({first_line(error)})') from error
    if found.type == 'cpu':
        return found, 'CPUExecutionProvider'
    if found.type == 'cuda' and gpu:
        return found, ('CUDAExecutionProvider', {'device_id': found.index or 0})
    raise InputError(f'device {str(device)!r} is not available to onnxruntime here (for a GPU: onnxruntime-gpu)')
