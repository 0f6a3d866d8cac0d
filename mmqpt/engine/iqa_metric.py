"""SRCC, PLCC, KRCC and RMSE in MMEngine's loops."""

from __future__ import annotations

import csv
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub, print_log
from mmpretrain.registry import METRICS

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import check_columns, read_ratings
from mmqpt.evaluation.statistics.measures import RAW, measures

FIGURES = ('SRCC', 'PLCC', 'KRCC', 'RMSE')
FEWEST = 3
"""Photos that correlations need."""

ALL_FIGURES = (*FIGURES, 'PLCC4', 'RMSE4', 'PLCC5', 'RMSE5')


@dataclass(frozen=True)
class _Result:  # MMEngine turns named tuples into plain ones
    name: str
    photo: tuple[str, ...]  # file and rating scale: sets in one run may use the same names
    mos: float
    score: float
    subset: str
    on_scale: float  # what raters of the photo's own scale would say, from 0 to 1
    mos_range: tuple[float, float] | None


@METRICS.register_module()
class IQAMetric(BaseMetric):
    """Correlation of predicted and opinion scores; RMSE in the units of the set's MOS.

    For a model with rating scales the pooled figures are those of the common score, and the figures within a scale
    those of what its own raters would say; so is the predicted MOS in ``out_file``.

    A figure that is not defined, such as SRCC of constant predictions, is None, and a warning says why. MMEngine's
    ``save_best`` passes over such an epoch, and its logs show no value for it.

    On several ranks, a photo that the sampler repeats to give every rank the same number counts once.

    Args:
        out_file: CSV to write the predictions to (name, mos, score in [0, 1], predicted MOS), or None.
        full: also PLCC and RMSE after the 4- and 5-parameter logistic fits, see :func:`measures`.
        by: also report every figure for each value of this key of the samples or column of ``ann_file``, such as
            ``'scale'``: ``SRCC_ss01``; and the mean of the correlations within them, ``SRCC_macro``, which says how
            well photos of one group are told apart, where the pooled figure also rewards knowing the group. Groups in
            which it is not defined, as of two photos, have no part in it.
        ann_file: CSV of the set, where ``by`` is one of its columns.
        collect_device: see MMEngine.
        prefix: see MMEngine.

    Raises:
        InputError: predictions that are not finite, fewer than 3 photos, other photos than the set holds, or no value
            for ``by``.
    """

    default_prefix = 'iqa'

    def __init__(
        self,
        out_file: str | None = None,
        full: bool = False,
        by: str | None = None,
        ann_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if ann_file and not by:
            raise InputError(f'ann_file is read for the column by; got {ann_file} and no by')
        self.out_file = out_file
        self.figures = ALL_FIGURES if full else FIGURES
        self.by = by
        self.subsets = _read_column(ann_file, by) if ann_file and by else {}
        self._size = 0

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """One result per photo."""
        for sample in data_samples:
            score = float(sample['pred_score'])
            on_scale = float(sample.get('pred_on_scale', score))
            self.results.append(
                _Result(
                    name=sample['name'],
                    photo=(sample.get('img_path') or sample['name'], str(sample.get('scale'))),
                    mos=float(sample['mos']),
                    score=score,
                    subset=self._subset(sample),
                    on_scale=on_scale,
                    mos_range=sample.get('mos_range'),
                )
            )

    def _subset(self, sample: dict[str, Any]) -> str:
        if not self.by:
            return ''
        subset = sample.get(self.by, self.subsets.get(sample['name']))
        if subset is None:
            raise InputError(
                f'by is {self.by!r}, but {sample["name"]!r} has no such key in its sample and no such column in an '
                f'ann_file of IQAMetric'
            )
        return str(subset)

    def evaluate(self, size: int) -> dict[str, Any]:
        """MMEngine cuts the results to ``size``, which fits its own order of photos only; here photos are counted."""
        self._size = size
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list[_Result]) -> dict[str, float | None]:
        """Over all photos of all ranks."""
        low, high = self.dataset_meta['mos_range']  # type: ignore[index]
        results = self._once(results)
        predicted = np.array([low + result.score * (high - low) for result in results])
        own = np.array([_own_units(result, (low, high)) for result in results])
        mos = np.array([result.mos for result in results])
        if self.out_file:
            self._write(results, own)
        bad = [result for result in results if not np.isfinite(result.score)]
        if bad:
            raise InputError(
                f'{len(bad)} of {len(results)} predictions are not finite, the first: {bad[0].score} for '
                f'{bad[0].name!r}; if this is in training, it has diverged: lower the learning rate'
            )
        if len(results) < FEWEST:
            raise InputError(f'SRCC and the like need at least {FEWEST} photos, got {len(results)}')
        values = self._figures(predicted, mos, '')
        subsets = sorted({result.subset for result in results} if self.by else set())
        for subset in subsets:
            keep = [i for i, result in enumerate(results) if result.subset == subset]
            values |= self._figures(own[keep], mos[keep], f'_{subset}')
        if self.by:
            for figure in ('SRCC', 'PLCC', 'KRCC'):
                within = [found for subset in subsets if (found := values[f'{figure}_{subset}']) is not None]
                values[f'{figure}_macro'] = float(np.mean(within)) if within else None
        self._forget(values)
        return values

    def _once(self, results: Sequence[_Result]) -> list[_Result]:
        """Each photo once."""
        found = {result.photo: result for result in reversed(results)}
        unique = [found[photo] for photo in dict.fromkeys(result.photo for result in results)]
        if len(unique) != self._size:
            raise InputError(
                f'predictions of {len(unique)} photos for a set of {self._size} rows: its CSV has a row twice, '
                f'or the sampler leaves photos out'
            )
        return unique

    def _figures(self, predicted: np.ndarray, mos: np.ndarray, suffix: str) -> dict[str, float | None]:
        if len(self.figures) > len(FIGURES):
            found, notes = measures(predicted, mos)
        else:
            found, notes = {}, []
            for figure in FIGURES:
                try:
                    found[figure] = RAW[figure](predicted, mos)
                except InputError as error:
                    notes.append(f'{figure} left out: {error}')
        for note in notes:
            print_log(f'{suffix[1:]}: {note}' if suffix else note, 'current', level=logging.WARNING)
        return {f'{figure}{suffix}': found.get(figure) for figure in self.figures}

    def _forget(self, values: dict[str, float | None]) -> None:
        """Else MMEngine's log would show the value of an earlier epoch for an undefined figure."""
        hub = MessageHub.get_current_instance()
        for name, value in values.items():
            key = f'val/{self.prefix}/{name}'
            hub.pop_info(key)
            if value is None:
                hub.log_scalars.pop(key, None)

    def _write(self, results: Sequence[_Result], predicted: np.ndarray) -> None:
        path = Path(self.out_file or '')
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['name', 'mos', 'score', 'predicted_mos'])
            writer.writerows(
                (result.name, result.mos, result.score, float(value))
                for result, value in zip(results, predicted, strict=True)
            )
        print_log(f'predictions of {len(results)} photos written to {path}', 'current')


def _own_units(result: _Result, usual: tuple[float, float]) -> float:
    """A prediction in the units of the photo's own scale."""
    low, high = result.mos_range or usual
    return low + result.on_scale * (high - low)


def _read_column(ann_file: str, column: str) -> dict[str, str]:
    ratings = read_ratings(ann_file, (-float('inf'), float('inf')))
    check_columns(ratings, [column], ann_file)
    return {rating.name: rating.row[column] for rating in ratings}
