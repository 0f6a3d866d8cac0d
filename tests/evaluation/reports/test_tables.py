"""Tables: every row complete, nothing breaks the Markdown, the CSV holds every digit."""

import csv
import re

import pytest

from mmqpt.evaluation.reports.tables import markdown, report_of, tables, write_csv, write_markdown
from mmqpt.evaluation.statistics.groups import MACRO


def markdown_rows(text):
    """Groups of neighbouring table lines, each split at the bars that are not escaped."""
    groups = [[]]
    for line in text.splitlines():
        if line.startswith('|'):
            groups[-1].append([cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]])
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def test_tables_of_a_run(results):
    found = {table.title: table for table in tables(results)}
    assert list(found) == ['Summary', 'By subset', 'Comparisons', 'All figures, median over the splits', 'Each split']
    assert [len(table.rows) for table in found.values()] == [4, 8, 4, 4, 8]
    for table in found.values():
        assert {len(row) for row in table.rows} == {len(table.columns)} == {len(table.align)}
    first = results['summary'][0]['metrics']['SRCC']
    expected = f'{first["median"]:.3f} [{first["low"]:.3f}, {first["high"]:.3f}]'
    assert found['Summary'].rows[0][:5] == ['ImageNet', '16 (10 %)', '2', expected, f'{first["std"]:.3f}']
    assert found['Comparisons'].rows[0][-2:] == ['+0.100 [+0.050, +0.150]', results['comparisons'][2]['verdict']]
    assert 'penalty 10' in found['Each split'].rows[0]


def test_the_summary_has_the_differences_that_the_verdicts_are_on(results):
    summary = tables(results)[0]
    column = summary.columns.index('SRCC less ImageNet, within splits [95 %]')
    assert [row[column] for row in summary.rows] == ['–'] * 2 + ['+0.100 [+0.050, +0.150]'] * 2  # noqa: RUF001
    results['comparisons'] = []
    assert not any('less' in column for table in tables(results) for column in table.columns)


def test_comparisons_count_the_splits(results):
    found = next(table for table in tables(results) if table.title == 'Comparisons')
    own = {
        c['split']: c['metrics']['SRCC'] for c in results['cells'] if (c['fraction'], c['method']) == (1, 'ImageNet')
    }
    other = {
        c['split']: c['metrics']['SRCC'] for c in results['cells'] if c['fraction'] == 1 and c['method'] != 'ImageNet'
    }
    count = sum(other[split] > own[split] for split in own)
    assert found.rows[0][found.columns.index('a above b')] == f'{count} of 2 splits'


def test_means_within_subsets_come_first(results):
    macro = [{**row, 'subset': MACRO} for row in results['summary'] if not row['subset']]
    results['summary'] += macro
    results['comparisons'].append({**results['comparisons'][0], 'subset': MACRO})
    found = {table.title: table for table in tables(results)}
    assert [row[1] for row in found['Summary'].rows[:2]] == [MACRO, 'all photos']
    assert next(row[3] for row in found['Comparisons'].rows if row[2] == '10 %') == MACRO


def test_methods_stand_together_in_the_subset_table(results):
    rows = next(table.rows for table in tables(results) if table.title == 'By subset')
    assert [row[:2] for row in rows[:3]] == [
        ['ImageNet', 'a | b'],
        ['<script>alert(1)</script>', 'a | b'],
        ['ImageNet', 'indoor'],
    ]


def test_markdown_tables_have_as_many_cells_in_each_row(results):
    text = markdown(report_of(results))
    groups = markdown_rows(text)
    assert len(groups) == 7  # facts, five tables, settings
    for group in groups:
        assert {len(row) for row in group} == {len(group[0])}
        assert all(re.fullmatch('-+:?', cell) for cell in group[1])
        lengths = {len(line) for line in text.splitlines() if line.startswith(f'| {group[0][0]} ')}
        assert len(lengths) <= 1 or group[0][0] in ('', 'method', 'setting')
    assert '<script' not in text
    assert '````\npython tools/x.py ```\n````' in text
    assert text.index('is better than') < text.index('## Summary')
    assert 'random 80/20, seed 1 (split_01, split_02)' in text


@pytest.mark.parametrize(
    ('title', 'shown'),
    [
        ('a|b', r'# a\|b'),
        ('two\nlines', '# two lines'),
        ('split_01 and __x__', r'# split_01 and \_\_x\_\_'),
        ('0.5 [0.4, 0.6]', '# 0.5 [0.4, 0.6]'),
        ('[x](http://a)', r'# \[x\](http://a)'),
        ('`a` *b* <i>', r'# \`a\` \*b\* &lt;i&gt;'),
    ],
)
def test_markdown_shows_text_as_it_is(results, title, shown):
    assert markdown(report_of({**results, 'title': title})).splitlines()[0] == shown


def test_missing_figures_leave_a_dash(results):
    for cell in results['cells'][:4]:
        del cell['metrics']['PLCC4']
    del results['summary'][0]['metrics']['SRCC']
    del results['summary'][3]['metrics']['SRCC']['low']
    results['comparisons'][2] = {
        **{k: v for k, v in results['comparisons'][2].items() if k not in ('difference', 'low', 'high')},
        'verdict': "They can't be compared.",
    }
    found = {table.title: table for table in tables(results)}
    summary = found['Summary'].rows
    assert summary[0][3:5] == ['–', '–']  # noqa: RUF001
    assert summary[1][3] == f'{results["summary"][3]["metrics"]["SRCC"]["median"]:.3f}'
    assert found['Each split'].rows[0][found['Each split'].columns.index('PLCC4')] == '–'  # noqa: RUF001
    assert found['Comparisons'].rows[0][-2:] == ['–', "They can't be compared."]  # noqa: RUF001


def test_one_split_has_no_spread(results):
    for row in results['summary']:
        row['splits'] = 1
    assert tables(results)[0].rows[0][4] == '–'  # noqa: RUF001


def test_csv_round_trip(results, tmp_path):
    results['cells'][0]['subsets']['indoor'] = {'SRCC': float('nan')}
    results['cells'][1]['metrics']['Another'] = 0.5
    write_csv(results, tmp_path / 'r.csv')
    with (tmp_path / 'r.csv').open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 3
    assert [row['subset'] for row in rows[:3]] == ['', 'indoor', 'a | b']
    for row, cell in zip(rows[::3], results['cells'], strict=True):
        assert (row['method'], row['split'], float(row['fraction'])) == (
            cell['method'],
            cell['split'],
            cell['fraction'],
        )
        assert float(row['SRCC']) == cell['metrics']['SRCC']
        assert (row['labels'], row['test']) == (str(cell['labels']), '40')
    assert float(rows[2]['PLCC']) == results['cells'][0]['subsets']['a | b']['PLCC']
    assert (rows[1]['SRCC'], rows[1]['PLCC'], rows[1]['test']) == ('', '', '')
    assert (rows[3]['Another'], rows[0]['Another']) == ('0.5', '')
    assert rows[0]['chosen'] == '{"penalty": 10.0}'


def test_write_markdown(results, tmp_path):
    write_markdown(results, tmp_path / 'r.md')
    assert (tmp_path / 'r.md').read_text(encoding='utf-8') == markdown(report_of(results))
