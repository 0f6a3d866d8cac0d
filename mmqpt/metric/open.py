"""From a file of weights to a scorer, and from a photo to its score."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, overload

from mmqpt.core.errors import InputError
from mmqpt.core.photo import find_photos
from mmqpt.metric.runtimes import choose_runtime
from mmqpt.metric.score_many import Scored, score_many
from mmqpt.metric.scorer import Scorer
from mmqpt.metric.weights import find_weights


@overload
def score(
    photo: list[Any] | tuple[Any, ...],
    weights: str | os.PathLike[str] | None = None,
    device: object | None = None,
    runtime: str | None = None,
) -> list[float]: ...
@overload
def score(
    photo: Any,
    weights: str | os.PathLike[str] | None = None,
    device: object | None = None,
    runtime: str | None = None,
) -> float: ...
def score(
    photo: Any,
    weights: str | os.PathLike[str] | None = None,
    device: object | None = None,
    runtime: str | None = None,
) -> float | list[float]:
    """The quality of a photo, from 0 to 1, higher is better. The weights are kept for the next call.

    Args:
        photo: path (``str`` or ``Path``), bytes of a file, PIL image, array (H, W, 3) of uint8 or float in [0, 1],
            or tensor (3, H, W) or (1, 3, H, W); also grey and with transparency, see docs/photos.md. A list or tuple
            of N of them gives a list of N scores, by all cores.
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        runtime: ``'onnx'`` or ``'torch'``; see :func:`choose_runtime` for what is chosen by default. Their scores are
            the same to 1e-4.

    Raises:
        FileNotFoundError: no such file.
        InputError: a photo, weights, a device or a runtime that can't be used; the message names them. For the photos
            of a folder, and to go on past bad ones, see :func:`score_folder`.
    """
    scorer = _kept(weights, device, runtime)
    if not isinstance(photo, (list, tuple)):
        if isinstance(photo, (str, os.PathLike)) and os.path.isdir(photo):
            raise InputError(f'{os.fspath(photo)} is a folder: mmqpt.score_folder scores the photos in it')
        return scorer.score(photo)
    found = []
    for row in score_many(scorer, photo):
        if row.score is None:
            raise InputError(row.error or row.name)
        found.append(row.score)
    return found


def score_folder(
    folder: str | os.PathLike[str],
    recursive: bool = True,
    weights: str | os.PathLike[str] | None = None,
    device: object | None = None,
    runtime: str | None = None,
) -> list[Scored]:
    """The photos of a folder, each with its path, score and flags; those that can't be read have an error instead.

    Args:
        folder: where photos are; files that are not called like photos, and hidden ones, are left out.
        recursive: whether its subfolders count.
        weights: as of :func:`score`.
        device: likewise.
        runtime: likewise.

    Returns:
        One result a photo, sorted by path.

    Raises:
        FileNotFoundError: no such folder, or file of weights.
        InputError: no photos in it, or weights, a device or a runtime that can't be used.
    """
    return list(score_many(_kept(weights, device, runtime), find_photos(folder, recursive)))


def open_scorer(
    weights: str | os.PathLike[str] | None = None,
    device: object | None = None,
    threads: int | None = None,
    runtime: str | None = None,
) -> Scorer:
    """A scorer of the chosen runtime: what :class:`Scorer` gives too, for any runtime and number of threads.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``...; a GPU by default where there is one.
        threads: of onnxruntime on the CPU; as many as there are cores for this process by default.
        runtime: ``'onnx'`` or ``'torch'``; see :func:`choose_runtime` for what is chosen by default.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights, a device or a runtime that can't be used.
    """
    chosen, path = choose_runtime(weights, device, runtime)
    if chosen == 'onnx':
        from mmqpt.metric.onnx_scorer import OnnxScorer

        return OnnxScorer(path, device, threads)
    return _torch_scorer()(path, device)


def scorer_class(weights: str | os.PathLike[str] | None = None, device: object | None = None) -> type[Scorer]:
    """The class of the runtime that is chosen for weights; see :func:`choose_runtime`."""
    if choose_runtime(weights, device)[0] == 'onnx':
        from mmqpt.metric.onnx_scorer import OnnxScorer

        return OnnxScorer
    return _torch_scorer()


def _torch_scorer() -> Any:
    from mmqpt.core.extras import name_extra

    try:
        from mmqpt.metric.torch_scorer import TorchScorer
    except ModuleNotFoundError as error:
        raise name_extra(error, 'the runtime torch') from error
    return TorchScorer


def _kept(weights: str | os.PathLike[str] | None, device: object | None, runtime: str | None) -> Scorer:
    path = find_weights(weights).resolve()
    return _cached(path, path.stat().st_mtime_ns, None if device is None else str(device), runtime)


@functools.lru_cache(maxsize=4)
def _cached(path: Path, changed: int, device: str | None, runtime: str | None) -> Scorer:
    return open_scorer(path, device, None, runtime)
