"""The MMEngine metric: values, units, file, subsets, two ranks, undefined figures."""

import csv
import json
import os
import socket

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.runner import Runner

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.engine.iqa_metric import IQAMetric
from mmqpt.evaluation.statistics.measures import measures
from mmqpt.models.iqa_regressor import IQARegressor

MOS = [1.0, 4.5, 2.0, 3.0, 4.0, 2.5, 5.0]
SCORES = [0.1, 0.8, 0.4, 0.3, 0.9, 0.5, 0.7]


def samples_of(scores, mos, **more):
    return [
        {'name': f'{i}.jpg', 'mos': m, 'pred_score': torch.tensor([s]), **{key: more[key][i] for key in more}}
        for i, (s, m) in enumerate(zip(scores, mos, strict=True))
    ]


def metric_of(**kwargs):
    metric = IQAMetric(**kwargs)
    metric.dataset_meta = {'mos_range': [1, 5]}
    return metric


def run(scores, mos, more=None, **kwargs):
    metric = metric_of(**kwargs)
    samples = samples_of(scores, mos, **(more or {}))
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


def test_full(rng):
    scores = rng.uniform(size=40).astype(np.float32)
    mos = 1 + 4 * scores**2 + 0.2 * rng.normal(size=40)
    expected, notes = measures(1 + 4 * scores.astype(np.float64), mos)
    assert len(expected) == 8
    assert notes == []
    found = run(scores.tolist(), mos.tolist(), full=True)
    assert found == {f'iqa/{name}': pytest.approx(value) for name, value in expected.items()}


def test_a_failed_fit_leaves_the_raw_value():
    values = run([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 5], full=True)
    assert values['iqa/PLCC4'] is None
    assert values['iqa/PLCC'] > 0.9


def test_subsets_from_the_samples():
    kinds = list('xyxyxyx')
    values = run(SCORES, MOS, more={'kind': kinds}, by='kind')
    keep = [0, 2, 4, 6]
    alone = run([SCORES[i] for i in keep], [MOS[i] for i in keep])
    assert len(values) == 4 * 3 + 3  # all, each subset, the mean of the correlations
    for name in ('SRCC', 'PLCC', 'KRCC', 'RMSE'):
        assert values[f'iqa/{name}_x'] == alone[f'iqa/{name}']
    assert values['iqa/SRCC'] == run(SCORES, MOS)['iqa/SRCC']


def test_subsets_from_the_csv(tmp_path):
    path = tmp_path / 'set.csv'
    rows = [f'{i}.jpg,{m},{"xy"[i % 2]}' for i, m in enumerate(MOS)]
    path.write_text('\n'.join(['name,mos,kind', *rows]) + '\n')
    assert run(SCORES, MOS, by='kind', ann_file=str(path)) == run(
        SCORES, MOS, more={'kind': list('xyxyxyx')}, by='kind'
    )
    with pytest.raises(InputError, match=r"set\.csv: no column 'colour'; there are: name, mos, kind"):
        metric_of(by='colour', ann_file=str(path))
    path.write_text('name,mos,kind\n0.jpg,1,x\n0.jpg,1,y\n')
    with pytest.raises(InputError, match=r"set\.csv, line 3: the photo '0\.jpg' is listed twice"):
        metric_of(by='kind', ann_file=str(path))
    with pytest.raises(InputError, match='ann_file is read for the column by'):
        metric_of(ann_file=str(path))


def test_a_photo_without_a_subset():
    with pytest.raises(InputError, match=r"by is 'kind', but '0\.jpg' has no such key"):
        run(SCORES, MOS, by='kind')


def test_a_small_subset_has_no_figures_and_no_nan():
    values = run(SCORES, MOS, more={'kind': list('xxxxxyy')}, by='kind')
    assert values['iqa/SRCC_y'] is None
    assert values['iqa/RMSE_y'] is None
    assert values['iqa/SRCC_x'] is not None


def test_constant_predictions_have_no_correlation():
    values = run([0.5, 0.5, 0.5], [1, 2, 3], full=True)
    assert {name for name, value in values.items() if value is not None} == {'iqa/RMSE'}
    assert json.loads(json.dumps(values))['iqa/SRCC'] is None  # no NaN in a file


def test_bad_predictions():
    with pytest.raises(InputError, match=r"1 of 3 predictions are not finite, the first: nan for '1\.jpg'"):
        run([0.1, float('nan'), 0.2], [1, 2, 3])
    with pytest.raises(InputError, match='at least 3 photos, got 2'):
        run([0.1, 0.2], [1, 2])


def test_photos_are_counted_not_results():
    metric = metric_of()
    samples = samples_of(SCORES, MOS)
    metric.process(None, [samples[0], *samples])  # the first one twice: MMEngine's cut would lose the last
    assert metric.evaluate(7) == run(SCORES, MOS)
    metric.process(None, samples[:6])
    with pytest.raises(InputError, match='predictions of 6 photos for a set of 7 rows'):
        metric.evaluate(7)


def _one_rank(rank, port, folder):
    os.chdir(folder)  # MMEngine gathers through a folder in the current one
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.distributed.init_process_group('gloo')
    samples = samples_of(SCORES, MOS, kind=list('xyxyxyx'))
    found = []
    orders = {
        'in order': list(DefaultSampler(samples, shuffle=False)),
        'shuffled': list(DefaultSampler(samples, shuffle=True, seed=3)),
        'in two runs': ([0, 1, 2, 0], [3, 4, 5, 6])[rank],
        'not padded': list(DefaultSampler(samples, shuffle=False, round_up=False)),
    }
    for order in orders.values():
        metric = metric_of(by='kind')
        for index in order:
            metric.process(None, [samples[index]])
        found.append(metric.evaluate(len(samples)))
    with open(f'rank{rank}.json', 'w') as file:
        json.dump([{name: len(order) for name, order in orders.items()}, found], file)
    torch.distributed.destroy_process_group()


def test_two_ranks_and_seven_photos(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    # Forked, as DataLoader's workers are: a spawned process imports everything anew, half a minute for two.
    torch.multiprocessing.start_processes(_one_rank, (port, str(tmp_path)), nprocs=2, start_method='fork')
    expected = run(SCORES, MOS, more={'kind': list('xyxyxyx')}, by='kind')
    for rank in (0, 1):
        lengths, found = json.loads((tmp_path / f'rank{rank}.json').read_text())
        assert lengths == {'in order': 4, 'shuffled': 4, 'in two runs': 4, 'not padded': 4 - rank}
        for values in found:
            assert values == pytest.approx(expected)


def test_an_epoch_with_constant_predictions(tiny_finetune, tmp_path, monkeypatch):
    """``save_best`` passes over it, the log shows no value of an earlier epoch, and the run goes on."""
    calls = iter(range(1000))
    photos = 6

    def predict(self, images):
        call = next(calls)
        return torch.tensor([0.5 if call // photos == 1 else 0.1 * ((call + 4) % photos)])  # the CSV's order

    monkeypatch.setattr(IQARegressor, 'predict_photo', predict)
    changes = {
        'train_cfg.max_epochs': 3,
        'default_hooks.checkpoint.save_best': 'iqa/SRCC',
        'default_hooks.checkpoint.rule': 'greater',
        'val_dataloader.dataset.where': {'split': 'test'},
        'log_level': 'WARNING',
    }
    runner = Runner.from_cfg(tiny_finetune(tmp_path, **changes))
    runner.train()
    lines = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    epochs = [line.get('iqa/SRCC') for line in lines if 'iqa/RMSE' in line]
    assert epochs == [pytest.approx(1), None, pytest.approx(1)]
    assert [path.name for path in tmp_path.glob('best*')] == ['best_iqa_SRCC_epoch_1.pth']
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'SRCC left out: predictions are all 3.0: a correlation is not defined' in log


def test_macro_is_the_mean_within_groups():
    """Groups of their own level: the pooled figure rewards knowing the group."""
    scores = [0.1, 0.2, 0.15, 0.7, 0.9, 0.8, 0.75]
    mos = [2.0, 1.0, 1.5, 4.0, 5.0, 4.5, 4.2]
    values = run(scores, mos, {'scale': [*'aaa', *'bbbb']}, by='scale')
    assert values['iqa/SRCC_a'] == pytest.approx(-1)
    assert values['iqa/SRCC_b'] == pytest.approx(1)
    assert values['iqa/SRCC_macro'] == pytest.approx(0)
    assert values['iqa/SRCC'] > 0.7
    assert 'iqa/RMSE_macro' not in values


def test_predictions_on_the_scale_of_the_photo(tmp_path):
    more = {'scale': [*'aaabbb'], 'mos_range': [(1, 5)] * 3 + [(0, 100)] * 3}
    more['pred_on_scale'] = [0.0, 0.25, 0.5, 0.1, 0.2, 0.3]
    out = tmp_path / 'p.csv'
    values = run([0.1, 0.2, 0.3, 0.1, 0.2, 0.3], [1.0, 2.0, 3.0, 10.0, 20.0, 30.0], more, by='scale', out_file=str(out))
    assert values['iqa/RMSE_a'] == pytest.approx(0)
    assert values['iqa/RMSE_b'] == pytest.approx(0)
    with out.open() as file:
        assert [float(row['predicted_mos']) for row in csv.DictReader(file)] == pytest.approx([1, 2, 3, 10, 20, 30])


def test_a_group_too_small_for_a_correlation_has_no_part_in_the_mean():
    values = run([0.1, 0.2, 0.3, 0.7, 0.9], [1.0, 2.0, 3.0, 4.0, 5.0], {'scale': [*'aaabb']}, by='scale')
    assert values['iqa/SRCC_b'] is None
    assert values['iqa/SRCC_macro'] == values['iqa/SRCC_a'] == pytest.approx(1)


def test_photos_of_two_sets_may_have_the_same_name(tmp_path):
    path = tmp_path / 'predictions.csv'
    samples = [
        {**sample, 'img_path': f'{folder}/{sample["name"]}', 'scale': folder}
        for folder in ('one', 'two')
        for sample in samples_of(SCORES, MOS)
    ]
    metric = metric_of(out_file=str(path))
    metric.process(None, [*samples, samples[0]])
    values = metric.evaluate(len(samples))
    assert values['iqa/SRCC'] == pytest.approx(run(SCORES, MOS)['iqa/SRCC'], abs=0.02)
    with path.open() as file:
        assert len(list(csv.DictReader(file))) == len(samples)
