"""Scores by PyTorch, from a safetensors file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError, first_line
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.scorer import Scorer
from mmqpt.metric.weights import DEFAULT


class TorchScorer(Scorer):
    """Scores photos by PyTorch.

    ``net`` is the :class:`MMQPT` for inference only: its BatchNorm is folded into the convolutions.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``) or path of a safetensors file.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where there is one.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None, device: object | None = None) -> None:
        self.device = str(find_device(device))
        net = MMQPT(DEFAULT if weights is None else weights)
        net.fold()
        self.net = net.to(self.device)
        self.spec = net.spec
        self.view = net.view

    def stack(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """See :meth:`Scorer.stack`: in pinned memory for a GPU."""
        if not self.device.startswith('cuda'):
            return super().stack(prepared)
        first = torch.from_numpy(np.empty(0, prepared[0].dtype))
        found = torch.empty(
            (len(prepared), *prepared[0].shape), dtype=first.dtype, device='cpu', pin_memory=True
        ).numpy()
        return np.stack(prepared, out=found)

    @torch.inference_mode()
    def score_batch(self, batch: np.ndarray | Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_batch`.

        Raises:
            InputError: another type of numbers.
        """
        batch = _as_tensor(batch)
        if batch.dtype != torch.uint8 and not batch.is_floating_point():
            raise InputError(f'photos must be uint8 or floating point, got {batch.dtype}')
        images = batch.to(self.device, non_blocking=True).float()
        if batch.dtype == torch.uint8:
            images = images.div_(255)
        # These settings are global, and on a CPU several threads may be here.
        settings = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        with settings if images.is_cuda else contextlib.nullcontext():
            return self.net(images)[:, 0].double().cpu().numpy()

    @torch.inference_mode()
    def score_view(self, images: np.ndarray | Tensor) -> np.ndarray:
        """See :meth:`Scorer.score_view`."""
        return self.net.score_view(_as_tensor(images).to(self.device)).double().cpu().numpy()


def find_device(device: object | None = None) -> torch.device:
    """The device of that name, or a GPU where there is one, else the CPU.

    Raises:
        InputError: no such device here.
    """
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(str(device))
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f'device {str(device)!r} is not available here ({first_line(error)})') from error
    return found


def _as_tensor(images: np.ndarray | Tensor) -> Tensor:
    """Shares the memory where torch can: it takes neither negative strides nor arrays that must not be written to."""
    if isinstance(images, Tensor):
        return images
    return torch.from_numpy(images if images.flags.writeable and min(images.strides) >= 0 else images.copy())
