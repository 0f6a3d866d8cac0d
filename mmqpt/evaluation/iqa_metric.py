"""SRCC, PLCC, KRCC and RMSE in MMEngine's loops."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmpretrain.registry import METRICS

from mmqpt.core.errors import InputError
from mmqpt.evaluation.correlation import krcc, plcc, rmse, srcc


@METRICS.register_module()
class IQAMetric(BaseMetric):
    """Correlation of predicted and opinion scores; RMSE in the units of the set's MOS.

    Args:
        out_file: CSV to write the predictions to (name, mos, score in [0, 1], predicted MOS), or None.
        collect_device: see MMEngine.
        prefix: see MMEngine.
    """

    default_prefix = 'iqa'

    def __init__(self, out_file: str | None = None, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """One result per photo."""
        for sample in data_samples:
            self.results.append((sample['name'], float(sample['mos']), float(sample['pred_score'])))

    def compute_metrics(self, results: list[tuple[str, float, float]]) -> dict[str, float]:
        """Over all photos of all ranks."""
        low, high = self.dataset_meta['mos_range']  # type: ignore[index]
        names, mos, scores = zip(*results, strict=True)
        predicted = [low + score * (high - low) for score in scores]
        if self.out_file:
            path = Path(self.out_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open('w', newline='', encoding='utf-8') as file:
                writer = csv.writer(file)
                writer.writerow(['name', 'mos', 'score', 'predicted_mos'])
                writer.writerows(zip(names, mos, scores, predicted, strict=True))
            print_log(f'predictions of {len(names)} photos written to {path}', 'current')
        values = {'RMSE': rmse(predicted, mos)}
        for name, function in (('SRCC', srcc), ('PLCC', plcc), ('KRCC', krcc)):
            try:
                values[name] = function(predicted, mos)
            except InputError as error:
                print_log(f'{name} left out: {error}', 'current', level=30)
        return values
