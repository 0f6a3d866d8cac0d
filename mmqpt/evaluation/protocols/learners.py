"""Methods that a protocol compares: a ridge regression on frozen features, fine-tuning, finished metrics of pyiqa."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from mmqpt.core.errors import InputError, did_you_mean
from mmqpt.core.photo import read_photo
from mmqpt.datasets.rated.ratings import Rating, group_of
from mmqpt.datasets.rated.scales import scale_of
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.frozen import FrozenFeatures, weights_key
from mmqpt.evaluation.protocols.linear_probe import FLOOR, FOLDS, PENALTIES, cross_validated_probe
from mmqpt.evaluation.protocols.tasks import OpenedSet, Task

PYIQA = 'pyiqa:'


@dataclass(frozen=True)
class Method:
    """One line of a result table.

    Args:
        name: in the table.
        weights: that it starts from: ``'random'``, what :func:`load_pretrained` takes (a file, or
            ``'imagenet:efficientnet_lite0'``), two or more of them joined with ``+`` (features side by side; linear
            probe only), or ``'pyiqa:NAME'`` for a finished metric (``'pyiqa:NAME@FILE'`` with weights of its own).
    """

    name: str
    weights: str

    @property
    def is_pyiqa(self) -> bool:
        """Whether it is a finished metric: nothing is fitted."""
        return self.weights.startswith(PYIQA)


def parse_method(text: str) -> Method:
    """The method of ``'NAME=WEIGHTS'``, or of weights alone, which then are its name, too."""
    name, weights = text, text
    if '=' in text and not Path(text).is_file():
        name, weights = text.split('=', 1)
    method = Method(name.strip(), weights.strip())
    if not method.name or not method.weights:
        raise InputError(f'--weights takes WEIGHTS or NAME=WEIGHTS, got {text!r}')
    return method


def joined_weights(method: Method) -> list[str]:
    """The weights whose features are joined; a file with ``+`` in its name is one."""
    return [method.weights] if Path(method.weights).is_file() else method.weights.split('+')


class Learner(Protocol):
    """Fits to a task's training and validation photos, chooses by them alone, predicts its test photos."""

    title: str

    def key(self, method: Method) -> dict[str, Any]:
        """All that a result depends on except the task; JSON-able."""

    def check(self, method: Method) -> None:
        """Refuse weights that do not fit, before the first task."""

    def predict(self, method: Method, task: Task, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """Predictions for ``task.test``, higher is better, and what was chosen.

        ``folder`` belongs to this task alone; files of an interrupted run in it are used.
        """


class LinearProbe:
    """Ridge regression on frozen features.

    Args:
        features: of the photos; see :class:`FrozenFeatures`.
    """

    title = 'linear probe'

    def __init__(self, features: FrozenFeatures) -> None:
        self.features = features

    def key(self, method: Method) -> dict[str, Any]:
        """See :class:`Learner`."""
        return {
            'learner': self.title,
            'features': [self.features.key(weights) for weights in joined_weights(method)],
            'penalties': list(PENALTIES),
            'folds': FOLDS,
            'floor': FLOOR,
        }

    def check(self, method: Method) -> None:
        """See :class:`Learner`."""
        for weights in joined_weights(method):
            self.features.check(weights)

    def predict(self, method: Method, task: Task, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`Learner`."""
        labelled = [*task.train, *task.val]
        rows = [(task.train_set, rating) for rating in labelled]
        rows += [(task.test_set, rating) for rating in task.test]
        features = np.concatenate([self._features(weights, rows) for weights in joined_weights(method)], axis=1)
        info = task.train_set.info
        predicted, penalty = cross_validated_probe(
            features[: task.labels],
            _mos(labelled),
            features[task.labels :],
            [scale_of(rating, info.scale_column) for rating in labelled] if info.scale_column else None,
            [group_of(rating, info.group_column) for rating in labelled],
        )
        return predicted, {'penalty': penalty}

    def _features(self, weights: str, rows: Sequence[tuple[OpenedSet, Rating]]) -> np.ndarray:
        """Features of the rows; those of the whole sets are computed at once, for other splits."""
        parts = {id(part): part for part, _ in rows}.values()
        everything = dict.fromkeys(part.path(rating) for part in parts for rating in part.data.ratings)
        paths = [path for path in everything if path.is_file()]
        found = self.features.of_photos(weights, paths)
        number = {path: i for i, path in enumerate(paths)}
        return found[[number[part.path(rating)] for part, rating in rows]]


class PyiqaMetric:
    """A finished metric of pyiqa; nothing is fitted, and scores of lower-is-better metrics are negated.

    Photos are read as everywhere in mmqpt (with EXIF orientation applied), not by pyiqa's own loader.

    Args:
        store: where scores are kept.
        device: where they are computed.
    """

    title = 'finished metric'

    def __init__(self, store: FeatureStore, device: str = 'cpu') -> None:
        self.store = store
        self.device = device

    def key(self, method: Method) -> dict[str, Any]:
        """See :class:`Learner`."""
        from importlib.metadata import version

        name, file = _metric_name(method)
        return {'learner': self.title, 'metric': name, 'pyiqa': version('pyiqa'), 'weights': file and weights_key(file)}

    def check(self, method: Method) -> None:
        """See :class:`Learner`. The metric itself is built with the first task: that may download its weights."""
        import pyiqa

        name, _ = _metric_name(method)
        if name not in pyiqa.list_models():
            raise InputError(f'pyiqa has no metric {name!r}{did_you_mean(name, pyiqa.list_models())}')
        if name not in pyiqa.list_models('NR'):
            raise InputError(f'pyiqa:{name} needs a reference photo; only no-reference metrics can be compared')

    def predict(self, method: Method, task: Task, folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
        """See :class:`Learner`."""
        name, file = _metric_name(method)

        @torch.no_grad()
        def compute(paths: Sequence[Path], done: Callable[[int], object]) -> np.ndarray:
            import pyiqa

            metric = pyiqa.create_metric(
                name, device=torch.device(self.device), **({'pretrained_model_path': file} if file else {})
            )
            if metric.metric_mode != 'NR':
                raise InputError(f'pyiqa:{name} needs a reference photo; only no-reference metrics can be compared')
            sign = -1 if metric.lower_better else 1
            scores = []
            for path in paths:
                photo = torch.from_numpy(read_photo(path)).permute(2, 0, 1)[None].float() / 255
                scores.append([sign * float(metric(photo.to(self.device)))])
                done(1)
            return np.array(scores)

        paths = [task.test_set.path(rating) for rating in task.test]
        return self.store.get(self.key(method), paths, compute, f'scores of {name}')[:, 0], {}


def _metric_name(method: Method) -> tuple[str, str | None]:
    name, _, file = method.weights.removeprefix(PYIQA).partition('@')
    return name, file or None


def _mos(rows: Sequence[Rating]) -> np.ndarray:
    return np.array([rating.mos for rating in rows], np.float64)
