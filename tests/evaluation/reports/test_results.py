"""The folder of results: medians, intervals and differences are those of the cells; folders join only if they fit."""

import json

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.learners import Method
from mmqpt.evaluation.protocols.run import run_tasks
from mmqpt.evaluation.protocols.tasks import open_rated_set, split_tasks
from mmqpt.evaluation.reports.findings import headlines, read_results, split_differences, summary_rows
from mmqpt.evaluation.reports.results import join_results, summarise, write_results
from mmqpt.evaluation.statistics.bootstrap import interval, paired_difference
from mmqpt.evaluation.statistics.correlation import srcc
from mmqpt.evaluation.statistics.groups import MACRO, macro
from mmqpt.evaluation.statistics.measures import measures
from mmqpt.evaluation.statistics.predictions import Predictions, read_predictions, write_predictions

SPLITS = ['ratio604_seed0_split_01', 'ratio604_seed0_split_02']
A, B = Method('A', 'a'), Method('B', 'b')


class Fake:
    """Predicts the MOS with noise that goes by the method."""

    title = 'fake'

    def key(self, method):
        return {'method': method.weights}

    def check(self, method):
        pass

    def predict(self, method, task, folder):
        mos = np.array([rating.mos for rating in task.test])
        return mos + {'a': 0.1, 'b': 2.0}[method.weights] * np.random.default_rng(1).normal(size=len(mos)), {}


@pytest.fixture
def tasks(rated_set):
    return split_tasks(open_rated_set(rated_set, rated_set.parent / 'images'), SPLITS, [1.0], 0.3, 0)


def made(out, methods, tasks, protocol='fake'):
    cells = run_tasks(out, [(method, Fake()) for method in methods], tasks)
    command = f'tool --out {out.name}'
    return write_results(out, 'tiny: fake', protocol, command, methods, tasks, cells, {'seed': 0}, replicates=100)


def test_summary_and_comparisons(tasks, tmp_path):
    results = made(tmp_path, [A, B], tasks)
    assert json.loads((tmp_path / 'results.json').read_text()) == results == read_results(tmp_path)
    parts = {
        name: [read_predictions(tmp_path / c['predictions']) for c in results['cells'] if c['method'] == name]
        for name in 'AB'
    }
    values = [srcc(part.predicted, part.mos) for part in parts['B']]
    row = next(r for r in results['summary'] if r['method'] == 'B' and r['subset'] == '')
    assert (row['splits'], row['labels'], row['fraction']) == (2, 18, 1.0)
    assert row['metrics']['SRCC']['median'] == pytest.approx(np.median(values))
    assert row['metrics']['SRCC']['std'] == pytest.approx(np.std(values, ddof=1))
    assert (row['metrics']['SRCC']['min'], row['metrics']['SRCC']['max']) == (min(values), max(values))
    assert (row['metrics']['SRCC']['low'], row['metrics']['SRCC']['high']) == interval(parts['B'], srcc, replicates=100)
    found = next(r for r in results['comparisons'] if r['metric'] == 'SRCC' and r['subset'] == '')
    expected = paired_difference(parts['B'], parts['A'], srcc, replicates=100)
    assert (found['a'], found['b']) == ('B', 'A')
    assert (found['difference'], found['low'], found['high']) == (expected.difference, expected.low, expected.high)
    assert found['verdict'].startswith('B is worse than A in SRCC by ')
    assert {r['subset'] for r in results['summary']} == {'', MACRO, 'light', 'heavy'}


@pytest.fixture
def in_subsets(tmp_path, rng):
    """Cells of two methods on one split: 80 photos, of which those of subset ``good`` are better."""
    subsets = ['good', 'poor'] * 40
    mos = np.array([2.0 * (name == 'good') for name in subsets]) + rng.normal(size=80)
    names = [str(i) for i in range(80)]
    cells = []
    for method, noise in (('A', 0.3), ('B', 1.5)):
        part = Predictions(names, mos, mos + noise * rng.normal(size=80), names, subsets)
        write_predictions(tmp_path / f'{method}.csv', part)
        values = {name: measures(p.predicted, p.mos)[0] for name in set(subsets) for p in [part.subset(name)]}
        cell = {'method': method, 'split': 's', 'fraction': 1.0, 'labels': 100, 'predictions': f'{method}.csv'}
        cells.append({**cell, 'metrics': measures(part.predicted, part.mos)[0], 'subsets': values, 'notes': []})
    return cells


def test_means_within_subsets(in_subsets, tmp_path):
    found = summarise(tmp_path, in_subsets, replicates=100)
    part = read_predictions(tmp_path / 'B.csv')
    row = next(r for r in found['summary'] if r['method'] == 'B' and r['subset'] == MACRO)
    srcc_within = row['metrics']['SRCC']
    assert srcc_within['median'] == pytest.approx(macro(srcc, part.predicted, part.mos, part.subsets))
    assert (srcc_within['low'], srcc_within['high']) == interval([part], srcc, replicates=100, within=True)
    assert set(row['metrics']) == {'SRCC', 'PLCC', 'KRCC'}
    compared = next(c for c in found['comparisons'] if c['subset'] == MACRO and c['metric'] == 'SRCC')
    assert compared['high'] < 0
    assert compared['verdict'].startswith('B is worse than A in SRCC')


def test_means_within_subsets_lead_where_subsets_carry_the_figure(in_subsets, tmp_path):
    methods = [{'name': 'A'}, {'name': 'B'}]
    results = {'methods': methods, 'cells': in_subsets, **summarise(tmp_path, in_subsets, replicates=100)}
    assert results['leading'] == MACRO
    assert headlines(results) == [f'Mean within subsets: {results["comparisons"][2]["verdict"]}']
    assert headlines({**results, 'comparisons': []})[0].endswith('mean within subsets).')
    assert [row['subset'] for row in summary_rows(results, subsets=False)] == [MACRO, '', MACRO, '']
    older = {key: value for key, value in results.items() if key != 'leading'}
    assert headlines(older)[1] == f'All photos: {results["comparisons"][0]["verdict"]}'
    for row in results['comparisons']:
        dots = split_differences({**results, 'splits': {'s': ''}}, row)
        assert np.median(dots) == pytest.approx(row['difference'])
    assert summary_rows(older, subsets=False) == summary_rows(results, subsets=False)


def test_a_note_says_when_subsets_carry_the_figure(tasks, tmp_path):
    """The subsets of the set are its better and its worse half."""
    results = made(tmp_path, [A], tasks)
    assert any('carried by differences between 2 groups' in note for c in results['cells'] for note in c['notes'])


def test_says_what_was_run(tasks, tmp_path):
    results = made(tmp_path, [A], tasks)
    assert results['splits'] == dict.fromkeys(SPLITS, 'random 60/40, seed 0, grouped by scene')
    assert results['train_set']['name'] == 'tiny'
    assert results['train_set']['mos_range'] == [1, 5]
    assert results['methods'] == [{'name': 'A', 'description': 'a'}]
    assert results['comparisons'] == []
    assert 'cores of' in results['machine']


def test_a_figure_that_failed_on_one_split_has_no_median(tasks, tmp_path):
    results = made(tmp_path, [A], tasks)
    cells = results['cells']
    cells[1]['metrics'].pop('PLCC4')
    row = summarise(tmp_path, cells, 100)['summary'][0]
    assert 'PLCC4' not in row['metrics']
    assert 'PLCC' in row['metrics']


def test_join(tasks, tmp_path):
    made(tmp_path / 'one', [A], tasks, 'linear probe')
    made(tmp_path / 'two', [A, B], tasks, 'fine-tuning')
    joined = join_results([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'both', 100)
    assert [m['name'] for m in joined['methods']] == ['A (linear probe)', 'A (fine-tuning)', 'B']
    assert joined['protocol'] == 'linear probe and fine-tuning'
    assert len(joined['cells']) == 6
    same = next(r for r in joined['comparisons'] if r['a'] == 'A (fine-tuning)' and r['metric'] == 'SRCC')
    assert same['difference'] == 0
    assert all((tmp_path / 'both' / cell['predictions']).is_file() for cell in joined['cells'])
    assert joined['command'] == 'tool --out one && tool --out two'


def test_only_common_splits_are_compared(tasks, tmp_path):
    made(tmp_path / 'one', [A], tasks)
    made(tmp_path / 'two', [B], tasks[1:])
    joined = join_results([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'both', 100)
    found = next(r for r in joined['comparisons'] if r['metric'] == 'SRCC' and not r['subset'])
    values = {(c['method'], c['split']): c['metrics']['SRCC'] for c in joined['cells']}
    assert found['difference'] == pytest.approx(values['B', SPLITS[1]] - values['A', SPLITS[1]])
    assert found['verdict'].endswith('On the 1 splits that both have.')
    alone = [c for c in joined['cells'] if (c['method'], c['split']) in (('A', SPLITS[0]), ('B', SPLITS[1]))]
    rows = summarise(tmp_path / 'both', alone, 100)['comparisons']
    assert rows[0]['verdict'] == "B and A can't be compared in SRCC: they have no split in common"


def test_plcc_is_not_compared_on_different_scales(tasks, tmp_path):
    cells = made(tmp_path, [A, B], tasks)['cells']
    for cell in cells[2:]:
        cell['metrics'].pop('RMSE')
    assert {row['metric'] for row in summarise(tmp_path, cells, 100)['comparisons']} == {'SRCC'}


def test_join_errors(tasks, tmp_path):
    made(tmp_path / 'one', [A], tasks)
    with pytest.raises(FileNotFoundError, match=r'no such file of results: .*none'):
        join_results([tmp_path / 'one', tmp_path / 'none'], tmp_path / 'out')
    with pytest.raises(InputError, match='two folders hold the same method of the same protocol'):
        join_results([tmp_path / 'one', tmp_path / 'one'], tmp_path / 'out')
    with pytest.raises(InputError, match='one: the joined results need a folder of their own'):
        join_results([tmp_path / 'one'], tmp_path / 'one')
    other = read_results(tmp_path / 'one')
    other['splits'] = {SPLITS[0]: 'official'}
    (tmp_path / 'split').mkdir()
    (tmp_path / 'split' / 'results.json').write_text(json.dumps(other))
    with pytest.raises(InputError, match="results of different split protocols can't be joined: official; random"):
        join_results([tmp_path / 'one', tmp_path / 'split'], tmp_path / 'out')
    other['test_set']['name'] = 'another'
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'results.json').write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"its test_set is {'name': 'another'.* they can't be joined"):
        join_results([tmp_path / 'one', tmp_path / 'other'], tmp_path / 'out')
    (tmp_path / 'other' / 'results.json').write_text('{"format": 9}')
    with pytest.raises(InputError, match='not results of format 1'):
        read_results(tmp_path / 'other')
