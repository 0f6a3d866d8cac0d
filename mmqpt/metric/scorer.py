"""What a scorer promises, whatever computes its scores."""

from __future__ import annotations

import math
import os
import pkgutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.core.photo_flags import photo_flags
from mmqpt.core.photo_input import fit_photo, photo_pixels, prepare_photo
from mmqpt.core.view import View
from mmqpt.core.weights_spec import WeightsSpec

if TYPE_CHECKING:
    from torch import Tensor

_CLASS_OF = 'mmqpt.metric.open:scorer_class'
"""Chooses the subclass; a string that ``Scorer(...)`` resolves, as subclasses import this module."""


class Scorer:
    """Scores photos with one set of weights.

    ``Scorer(weights, device)`` makes one of the class of the runtime that :func:`choose_runtime` names, as
    ``pathlib.Path`` does for the system it is on: an :class:`OnnxScorer` or a :class:`TorchScorer`. A subclass sets the
    attributes, and scores batches.

    Args:
        weights: name (``qpt``, ``qpt-<dataset>``), or path of a safetensors or ONNX file.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``...; a GPU by default where there is one.
        args, options: further ones of the class, as ``threads`` of an :class:`OnnxScorer`.

    Raises:
        FileNotFoundError: no such file.
        InputError: weights or a device that can't be used.
    """

    spec: WeightsSpec
    """What the weights say about themselves."""

    view: View
    """Their size rule."""

    device: str
    """Where the network runs: ``'cpu'``, ``'cuda'``, ``'cuda:1'``..."""

    def __new__(
        cls,
        weights: str | os.PathLike[str] | None = None,
        device: object | None = None,
        *args: Any,
        **options: Any,
    ) -> Scorer:
        kind = pkgutil.resolve_name(_CLASS_OF)(weights, device) if cls is Scorer else cls
        return super().__new__(kind)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.spec}; {self.device})'

    def prepare(self, photo: Any, name: str | None = None) -> np.ndarray:
        """What the network is given: see :func:`prepare_photo`. Runs on the CPU, in any thread or process."""
        return prepare_photo(photo, self.view, name)

    def examine(self, photo: Any, name: str | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
        """What the network is given, as :meth:`prepare` does, and the photo's :data:`FLAGS`."""
        pixels = photo_pixels(photo, name)
        stored = pixels if pixels.dtype == np.uint8 else (pixels * 255).round().astype(np.uint8)
        return fit_photo(pixels, self.view, photo, name), photo_flags(stored.transpose(1, 2, 0))

    def stack(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared photos of one size and type as a batch, in memory that suits the device."""
        return np.stack(prepared)

    def score_batch(self, batch: np.ndarray | Tensor) -> np.ndarray:
        """Score prepared photos of one size.

        Args:
            batch: (N, 3, H, W), uint8 or float in [0, 1], within the bounds of the size rule.

        Returns:
            float64 (N,), in (0, 1), higher is better; NaN where the weights give no number.
        """
        raise NotImplementedError

    def score_view(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Scores without the size rule: (N, 3, H, W) float in [0, 1] -> float64 (N,)."""
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
