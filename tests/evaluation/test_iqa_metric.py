"""The MMEngine metric: values, units, file."""

import csv

import pytest
import torch

import mmqpt.components  # noqa: F401
from mmqpt.evaluation.iqa_metric import IQAMetric


def run(scores, mos, **kwargs):
    metric = IQAMetric(**kwargs)
    metric.dataset_meta = {'mos_range': [1, 5]}
    samples = [
        {'name': f'{i}.jpg', 'mos': m, 'pred_score': torch.tensor([s])}
        for i, (s, m) in enumerate(zip(scores, mos, strict=True))
    ]
    metric.process(None, samples[:2])
    metric.process(None, samples[2:])
    return metric.evaluate(len(samples))


def test_values_and_units():
    values = run([0.0, 0.5, 1.0], [1.0, 3.5, 5.0])
    assert values['iqa/SRCC'] == pytest.approx(1)
    assert values['iqa/RMSE'] == pytest.approx((0.5**2 / 3) ** 0.5)  # on the scale of the MOS
    assert set(values) == {'iqa/SRCC', 'iqa/PLCC', 'iqa/KRCC', 'iqa/RMSE'}


def test_predictions_are_saved(tmp_path):
    run([0.25, 0.5, 1.0], [1, 2, 3], out_file=str(tmp_path / 'new' / 'predictions.csv'))
    with (tmp_path / 'new' / 'predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [row['name'] for row in rows] == ['0.jpg', '1.jpg', '2.jpg']
    assert float(rows[0]['predicted_mos']) == 2


def test_constant_predictions_leave_the_correlations_out():
    assert set(run([0.5, 0.5, 0.5], [1, 2, 3])) == {'iqa/RMSE'}
