"""The report on distortions: verdicts first, all figures in the CSV, odd names, the same for the same results."""

import csv
import json
from html import escape

import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.distortion_page import (
    distortion_headlines,
    distortion_report,
    write_distortion_csv,
    write_distortion_report,
)
from mmqpt.evaluation.reports.distortion_results import write_distortion_results
from mmqpt.evaluation.reports.findings import read_results
from mmqpt.evaluation.reports.tables import markdown


@pytest.fixture
def results(distortion_folder, distortion_design, distortion_cells):
    """results.json in ``distortion_folder``."""
    return write_distortion_results(
        distortion_folder, distortion_design, distortion_cells, 'mmqpt evaluate ```', {'seed': 0}, None, ['a note'], 100
    )


def test_all_is_written(results, distortion_folder, photo_folder):
    (distortion_folder / 'examples').mkdir()
    for number in range(len(results['distortions'])):
        pixels = (photo_folder / 'coffee_0.jpg').read_bytes()
        (distortion_folder / 'examples' / f'{number:03d}.jpg').write_bytes(pixels)
    page = write_distortion_report(distortion_folder)
    text = page.read_text(encoding='utf-8')
    verdict = next(row['verdict'] for row in results['comparisons'] if row['a'] == 'B 20')
    assert text.index(escape(verdict)) < text.index('What was run') < text.rindex('Summary')
    for part in ('is blind to jpeg.', 'What encoders are blind to', 'a note', 'By distortion: type accuracy'):
        assert part in text
    assert '<script>alert' not in text
    assert {path.name for path in (distortion_folder / 'plots').iterdir()} == {
        'summary.png', 'heat_level.png', 'heat_level_each.png', 'heat_type.png', 'heat_order.png',
        'heat_difference_level_each.png', 'heat_difference_type.png', 'checkpoints_level.png',
        'checkpoints_level_each.png', 'checkpoints_type.png', 'checkpoints_order.png',
    }  # fmt: skip
    assert text.count('data:image/png') == 11
    assert text.count('data:image/jpeg') == len(results['distortions'])
    assert (distortion_folder / 'results.md').read_text(encoding='utf-8') == markdown(distortion_report(results))


def test_the_csv_holds_every_figure(results, distortion_folder):
    write_distortion_csv(results, distortion_folder / 'results.csv')
    with (distortion_folder / 'results.csv').open(newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(results['summary'])
    for row, known in zip(rows, results['summary'], strict=True):
        assert float(row['value']) == known['value']
        assert (row['encoder'], row['measure'], row['distortion']) == tuple(
            known[name] for name in ('encoder', 'measure', 'distortion')
        )
    assert {(row['run'], row['step']) for row in rows} == {('', ''), ('B', '10'), ('B', '20')}


def test_one_encoder_alone_has_its_figures_told(distortion_folder, distortion_design, distortion_cells):
    found = write_distortion_results(
        distortion_folder, distortion_design, distortion_cells[:1], 'mmqpt', {}, None, [], 100
    )
    assert found['comparisons'] == []
    told = distortion_headlines(found)
    assert told[0].startswith('<script>alert(1)</script>: level SRCC ')
    assert [table.title for table in distortion_report(found).tables][:2] == ['Summary', 'What encoders are blind to']


def test_a_warning_goes_first(results):
    assert distortion_headlines({**results, 'warnings': ['look out']})[0] == 'Warning: look out.'


@pytest.mark.parametrize(
    ('run', 'told'),
    [
        ({'best': 'B 20'}, 'B 20 reads the level best, and it is the last.'),
        (
            {'best': 'B 20', 'difference': 0.1, 'low': 0.05, 'high': 0.15},
            'and it is the last, by 0.100 over the one before (95 % interval 0.050 to 0.150, which excludes 0): longer '
            'training may still help.',
        ),
        (
            {'best': 'B 20', 'difference': 0.001, 'low': -0.05, 'high': 0.05},
            'over the one before (95 % interval -0.050 to 0.050, which includes 0: it may be chance).',
        ),
        (
            {'best': 'B 10', 'difference': 0.1, 'low': 0.05, 'high': 0.15},
            'B 10 reads the level best, by 0.100 over the last (95 % interval 0.050 to 0.150, which excludes 0).',
        ),
        ({'best': 'B 10', 'difference': 0.1, 'low': -0.05, 'high': 0.15}, 'which includes 0: it may be chance).'),
    ],
)
def test_which_checkpoint_to_take(results, run, told):
    runs = [{'run': 'B', 'checkpoints': 2, 'last': 'B 20', **run}]
    assert any(told in sentence for sentence in distortion_headlines({**results, 'runs': runs}))


def test_other_results_are_refused(results, distortion_folder):
    with pytest.raises(InputError, match='not results of format 1'):
        read_results(distortion_folder)
    path = distortion_folder / 'results.json'
    path.write_text(json.dumps({**results, 'format': 1}))
    with pytest.raises(InputError, match='not results of format distortions 1'):
        write_distortion_report(distortion_folder)
