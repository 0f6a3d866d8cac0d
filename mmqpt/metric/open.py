"""From a file of weights to a scorer, and from a photo to its score."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import torch

from mmqpt.metric.onnx_scorer import OnnxScorer
from mmqpt.metric.scorer import Scorer
from mmqpt.metric.torch_scorer import TorchScorer
from mmqpt.metric.weights import find_weights


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


def open_scorer(
    weights: str | os.PathLike[str] | None = None, device: str | torch.device | None = None, threads: int | None = None
) -> Scorer:
    """A scorer of the class that reads the file: what :class:`Scorer` gives too, for any file and number of threads.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        threads: of onnxruntime on the CPU, for an ONNX file; as many as torch has by default.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.
    """
    path = find_weights(weights)
    if scorer_class(path) is OnnxScorer:
        return OnnxScorer(path, device, threads)
    return TorchScorer(path, device)


def scorer_class(path: Path) -> type[Scorer]:
    """The class that scores with a file."""
    return OnnxScorer if path.suffix == '.onnx' else TorchScorer


@functools.lru_cache(maxsize=4)
def _cached(path: Path, changed: int, device: str | None) -> Scorer:
    return open_scorer(path, device)
