"""What a scorer promises, whichever library runs its network."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.core.photo_input import prepare_photo
from mmqpt.core.view import View
from mmqpt.core.weights_file import WeightsSpec
from mmqpt.metric.weights import find_weights


class Scorer:
    """Scores photos with one set of weights.

    ``Scorer(weights, device)`` gives the scorer for the kind of file, as ``pathlib.Path`` gives that for the system: an
    :class:`OnnxScorer` for ``.onnx``, else a :class:`TorchScorer`.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where there is one.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.

    Attributes:
        spec: what the file says about its weights.
        view: the size rule.
        device: where the network runs.
    """

    suffix: ClassVar[str] = ''
    """Of the files that a class is for; ``''`` for those that no other class is for."""

    _classes: ClassVar[dict[str, type[Scorer]]] = {}

    spec: WeightsSpec
    view: View
    device: torch.device

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Scorer._classes.setdefault(cls.suffix, cls)

    def __new__(cls, weights: str | os.PathLike[str] | None = None, *_: Any, **__: Any) -> Scorer:
        if cls is Scorer:
            cls = Scorer.class_for(find_weights(weights))
        return super().__new__(cls)

    @staticmethod
    def class_for(path: Path) -> type[Scorer]:
        """The class for a file, by its suffix."""
        return Scorer._classes.get(path.suffix, Scorer._classes[''])

    def prepare(self, photo: Any, name: str | None = None) -> Tensor:
        """What the network is given: see :func:`prepare_photo`. Runs on the CPU, in any thread or process."""
        return prepare_photo(photo, self.view, name)

    def score_batch(self, batch: Tensor) -> np.ndarray:
        """Score prepared photos of one size.

        Args:
            batch: (N, 3, H, W), uint8 or float in [0, 1], within the bounds of the size rule.

        Returns:
            float64 (N,), in (0, 1), higher is better; NaN where the weights give no number.

        Raises:
            InputError: another type of numbers, or a size that the network does not take.
        """
        raise NotImplementedError

    def score_view(self, images: Tensor) -> np.ndarray:
        """Scores without the size rule: (N, 3, H, W) float in [0, 1] -> float64 (N,).

        Raises:
            InputError: a size that the network does not take.
        """
        raise NotImplementedError

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
