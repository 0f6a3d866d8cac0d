"""Encoders to compare: weights with a name, and the checkpoints of a run in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.learners import joined_weights, parse_method
from mmqpt.models.checkpoint import NUMBERED, load_checkpoint_file


@dataclass(frozen=True)
class Encoder:
    """A network without its head, by its weights.

    Args:
        name: in tables.
        weights: what :class:`Method` takes, but for pyiqa's metrics.
        run: of which run it is a checkpoint; ``''`` for weights on their own.
        step: optimiser steps of that run; None on its own.
    """

    name: str
    weights: str
    run: str = ''
    step: int | None = None

    @property
    def parts(self) -> list[str]:
        """The weights whose features are joined."""
        return joined_weights(parse_method(self.weights))


def find_encoders(texts: Sequence[str], most: int = 8) -> list[Encoder]:
    """The encoders that ``--weights`` names, checkpoints of a run by their steps.

    Args:
        texts: each ``WEIGHTS`` or ``NAME=WEIGHTS``. A folder stands for the checkpoints in it; two or more checkpoints
            of one folder, given by themselves, are a run, too.
        most: checkpoints of a folder, evenly spaced with the last among them.

    Raises:
        InputError: a folder without checkpoints, a metric of pyiqa, two encoders of one name, or ``most`` below 1.
    """
    if most < 1:
        raise InputError(f'checkpoints of a run must be >= 1, got {most}')
    found: list[Encoder] = []
    for text in texts:
        method = parse_method(text)
        if method.is_pyiqa:
            raise InputError(f'{method.weights}: distortions are read from features, and a metric of pyiqa has none')
        path = Path(method.weights)
        if path.is_dir():
            name = method.name if method.name != method.weights else path.resolve().name
            found += _checkpoints(path, name, most)
        elif NUMBERED.fullmatch(path.name) and path.is_file():
            found.append(Encoder(method.name, method.weights, str(path.parent), _steps(path)))
        else:
            found.append(Encoder(method.name, method.weights))
    runs = Counter(encoder.run for encoder in found)
    found = [e if runs[e.run] > 1 else replace(e, run='', step=None) for e in found]
    names = [encoder.name for encoder in found]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f'two encoders have one name: {twice}; give each its own with NAME=WEIGHTS')
    return found


def _checkpoints(folder: Path, name: str, most: int) -> list[Encoder]:
    paths = [path for path in sorted(folder.glob('*.pth')) if NUMBERED.fullmatch(path.name)]
    if not paths:
        raise InputError(f'{folder}: no checkpoints of a run in this folder (epoch_N.pth or iter_N.pth)')
    by_step = {_steps(path): path for path in paths}  # one that was stopped and one that was due may be the same
    steps = sorted(by_step)
    kept = sorted({steps[i] for i in np.linspace(len(steps) - 1, 0, min(most, len(steps))).round().astype(int)})
    return [Encoder(f'{name} {step}', str(by_step[step]), name, step) for step in kept]


def _steps(path: Path) -> int:
    """Steps of a checkpoint; by its name where the file does not say."""
    steps = load_checkpoint_file(path).get('meta', {}).get('iter')
    if isinstance(steps, int):
        return steps
    number = NUMBERED.fullmatch(path.name)
    return int(number[2]) if number else 0
