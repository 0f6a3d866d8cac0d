"""Scores of photos of any kind, without pyiqa."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError, first_line
from mmqpt.core.photo_input import prepare_photo
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.fold import fold_batch_norm
from mmqpt.metric.weights import DEFAULT, find_weights


class Scorer:
    """Scores photos with one set of weights.

    ``net`` is the :class:`MMQPT` for inference only: its BatchNorm is folded into the convolutions.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``) or path of a safetensors file.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where there is one.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None, device: str | torch.device | None = None) -> None:
        self.device = find_device(device)
        net = MMQPT(DEFAULT if weights is None else weights).eval().requires_grad_(False)
        net.backbone = fold_batch_norm(net.backbone, net.spec.backbone_args.get('img_size', 64))
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.net = net.to(self.device)
        self.spec = net.spec
        self.view = net.view

    def prepare(self, photo: Any, name: str | None = None) -> Tensor:
        """What the network is given: see :func:`prepare_photo`. Runs on the CPU, in any thread or process."""
        return prepare_photo(photo, self.view, name)

    @torch.inference_mode()
    def score_batch(self, batch: Tensor) -> np.ndarray:
        """Score prepared photos of one size.

        Args:
            batch: (N, 3, H, W), uint8 or float in [0, 1], within the bounds of the size rule.

        Returns:
            float64 (N,), in (0, 1), higher is better; NaN where the weights give no number.

        Raises:
            InputError: another type of numbers.
        """
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
    def score_view(self, images: Tensor) -> np.ndarray:
        """Scores without the size rule: (N, 3, H, W) float in [0, 1] -> float64 (N,)."""
        return self.net.score_view(images.to(self.device)).double().cpu().numpy()

    def score(self, photo: Any) -> float:
        """The score of one photo, in (0, 1), higher is better.

        Args:
            photo: path, bytes of a file, PIL image, array (H, W, 3) or tensor (3, H, W).

        Raises:
            FileNotFoundError: no such file.
            PhotoError: a photo that can't be read; the message names it.
            InputError: the weights give no finite score.
        """
        found = float(self.score_batch(self.prepare(photo)[None])[0])
        if not math.isfinite(found):
            raise InputError(f'the network gave no finite score ({found}): are these the right weights?')
        return found


def score(photo: Any, weights: str | os.PathLike[str] | None = None, device: str | torch.device | None = None) -> float:
    """The quality of a photo, from 0 to 1, higher is better. The weights are kept for the next call.

    Args:
        photo: path (``str`` or ``Path``), bytes of a file, PIL image, array (H, W, 3) of uint8 or float in [0, 1],
            or tensor (3, H, W) or (1, 3, H, W); also grey and with transparency, see docs/photos.md.
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.

    Raises:
        FileNotFoundError: no such file.
        InputError: a photo, weights or a device that can't be used; the message names them.
    """
    path = find_weights(weights).resolve()
    return _cached(path, path.stat().st_mtime_ns, None if device is None else str(device)).score(photo)


def find_device(device: str | torch.device | None = None) -> torch.device:
    """The device of that name, or a GPU where there is one, else the CPU.

    Raises:
        InputError: no such device here.
    """
    if device is None:
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f'device {str(device)!r} is not available here ({first_line(error)})') from error
    return found


@functools.lru_cache(maxsize=4)
def _cached(path: Path, changed: int, device: str | None) -> Scorer:
    return open_scorer(path, device)


def open_scorer(
    weights: str | os.PathLike[str] | None = None, device: str | torch.device | None = None, threads: int | None = None
) -> Scorer:
    """A scorer by the kind of file: an :class:`OnnxScorer` for ``.onnx``, else a :class:`Scorer`.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        threads: of onnxruntime on the CPU, for an ONNX file; as many as torch has by default.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.
    """
    path = find_weights(weights)
    if path.suffix != '.onnx':
        return Scorer(path, device)
    from mmqpt.metric.onnx_scorer import OnnxScorer

    return OnnxScorer(path, device, threads)
