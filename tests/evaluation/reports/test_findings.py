"""What the results say in sentences."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.findings import (
    facts,
    headlines,
    labels,
    meaning,
    notes,
    number,
    read_results,
    split_differences,
    with_interval,
)
from mmqpt.evaluation.statistics.groups import MACRO


def test_headlines_are_the_verdicts_on_all_photos(results):
    verdict = '<script>alert(1)</script> is better than ImageNet .'
    assert headlines(results) == [f'With 100 % of the labels: {verdict}', f'With 10 % of the labels: {verdict}']
    results['comparisons'] = [{**row, 'metric': 'PLCC', 'verdict': 'no'} for row in results['comparisons'][:1]] + [
        row for row in results['comparisons'] if row['fraction'] == 1
    ]
    assert headlines(results) == [verdict]


def test_headlines_begin_with_means_within_subsets(results):
    results['comparisons'] = [row for row in results['comparisons'] if row['fraction'] == 1]
    results['comparisons'].append({**results['comparisons'][0], 'subset': MACRO, 'verdict': 'no.'})
    words = [f'{MACRO[:1].upper()}{MACRO[1:]}: no.', 'All photos: <script>alert(1)</script> is better than ImageNet .']
    assert headlines(results) == words
    assert headlines({**results, 'leading': MACRO}) == words[:1]


def test_a_verdict_says_why_the_medians_differ_the_other_way(results):
    results['comparisons'] = [row for row in results['comparisons'] if row['fraction'] == 1 and not row['subset']]
    assert 'the other way' not in headlines(results)[0]
    for row in results['summary']:
        row['metrics']['SRCC']['median'] = 0.7 if row['method'] == 'ImageNet' else 0.65
    assert headlines(results)[0].endswith(
        '(The medians, 0.650 and 0.700, differ the other way: each may be of another split. '
        'The verdict compares within splits.)'
    )


def test_differences_of_each_split(results):
    row = next(row for row in results['comparisons'] if row['subset'] == 'indoor')
    found = {
        (cell['method'], cell['split']): cell['subsets']['indoor']['SRCC']
        for cell in results['cells']
        if cell['fraction'] == row['fraction']
    }
    splits = list(results['splits'])
    expected = [found[row['a'], split] - found[row['b'], split] for split in splits]
    assert split_differences(results, row) == pytest.approx(expected)
    results['cells'] = [cell for cell in results['cells'] if (cell['method'], cell['split']) != (row['a'], splits[0])]
    assert split_differences(results, row) == pytest.approx(expected[1:])


def test_headlines_without_comparisons(results):
    results['comparisons'] = []
    results['summary'] = results['summary'][:1]
    results['summary'][0]['metrics']['SRCC'] = {'median': 0.8, 'low': 0.7, 'high': 0.85}
    results['summary'][0]['metrics']['PLCC'] = {'median': 0.9}
    assert headlines(results) == [
        'ImageNet: SRCC 0.800 [0.700, 0.850], PLCC 0.900 (median over 2 splits, 10 % of the labels).'
    ]
    results['summary'][0] |= {'metrics': {}, 'splits': 1}
    assert headlines(results) == ['ImageNet: no figure could be computed (one split, 10 % of the labels).']


def test_facts_name_both_sets_of_a_cross_set_test(results):
    assert ('data', 'tiny, 200 photos, MOS 0 to 1. A. B., 2020, https://example.org/set') in facts(results)
    results['train_set'] = {'name': 'other', 'photos': 5, 'mos_range': [1, 100]}
    found = dict(facts(results))
    assert found['trained on'] == 'other, 5 photos, MOS 1 to 100'
    assert found['tested on'].startswith('tiny, 200 photos')
    assert found['split protocol'] == 'random 80/20, seed 1 (split_01, split_02)'


def test_facts_of_many_splits_name_the_first_and_the_last(results):
    protocol = next(iter(results['splits'].values()))
    results['splits'] = {f'split_{number:03d}': protocol for number in range(1, 101)}
    assert dict(facts(results))['split protocol'] == f'{protocol} (100: split_001 to split_100)'


def test_notes_say_where(results):
    for cell in results['cells']:
        cell['notes'] = ['everywhere']
    results['cells'][0]['notes'] += ['once']
    for cell in results['cells'][:3]:
        cell['notes'] += ['often']
    assert notes(results) == [
        'All 8 runs: everywhere',
        'ImageNet, split_01, 10 %: once',
        '3 of 8 runs, the first ImageNet, split_01, 10 %: often',
    ]


def test_notes_that_differ_by_figures_alone_make_one(results):
    for i, cell in enumerate(results['cells']):
        cell['notes'] = [f'SRCC of 0.{i}5 is carried by 3 groups']
    count = len(results['cells'])
    assert count > 2
    found = notes(results)
    assert len(found) == 1
    assert found[0].startswith(
        f'{count} of {count} runs, each with its own figures; the first, ImageNet, split_01, 10 %: '
    )
    assert found[0].endswith(': SRCC of 0.05 is carried by 3 groups')


def test_notes_on_subsets_stay_apart(results):
    for cell in results['cells']:
        cell['notes'] = [f'ss0{i}: SRCC is not defined' for i in (1, 2, 3)]
    count = len(results['cells'])
    assert notes(results) == [f'All {count} runs: ss0{i}: SRCC is not defined' for i in (1, 2, 3)]


def test_labels_and_numbers(results):
    assert labels(results, 'ImageNet', 0.1) == 16
    assert labels(results, 'nobody', 0.1) is None
    assert number(-0.0001, '+') == '+0.000'
    assert with_interval({'median': float('nan')}) == '–'  # noqa: RUF001
    assert with_interval({'median': -0.5, 'low': -0.6, 'high': None}) == '-0.500'


def test_meaning_counts_the_comparisons(results):
    assert '4 comparisons at 95 % each' in meaning(results)[-1]
    assert len(meaning({**results, 'comparisons': []})) == 2


def test_read_results(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of results'):
        read_results(tmp_path)
    for text, message in (('{', 'not JSON'), ('[]', 'not results of format 1'), ('{"format": 2}', 'of format 1')):
        (tmp_path / 'results.json').write_text(text)
        with pytest.raises(InputError, match=rf'results\.json: {message}|results\.json: not results {message}'):
            read_results(tmp_path)
