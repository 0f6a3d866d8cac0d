"""The report: complete, in one file, safe against odd names, the same for the same results."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.page import write_report
from mmqpt.evaluation.statistics.predictions import Predictions, read_predictions, write_predictions


class Page(HTMLParser):
    """Collects what a page loads, its tags, and its text outside scripts."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.tags, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ('src', 'href', 'srcset', 'action', 'data')]

    def handle_data(self, data):
        self.text.append(data)


def change(folder, **changes):
    path = folder / 'results.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_report_holds_the_verdict_first_and_everything_else(results_folder, results):
    path = write_report(results_folder)
    assert path == results_folder / 'report.html'
    page = Page(path.read_text(encoding='utf-8'))
    text = ' '.join(' '.join(page.text).split())
    verdict = results['comparisons'][0]['verdict']
    places = [text.index(verdict), *(text.rindex(name) for name in ('Paired differences', 'What was run', 'By subset'))]
    assert places == sorted(places)
    for part in ('random 80/20, seed 1 (split_01, split_02)', 'python tools/x.py', 'mmqpt 0.1', 'a CPU', 'validation'):
        assert part in text
    for part in ('bootstrap intervals', 'photo not found', 'photo 1.jpg', '+0.100 [+0.050, +0.150]'):
        assert part in text
    plots = sorted(file.name for file in (results_folder / 'plots').iterdir())
    assert plots == [
        'differences_SRCC.png', 'label_efficiency.png', 'photos.png', 'residuals_1_ImageNet.png',
        'residuals_2_script_alert_1_script.png', 'scatter_1_ImageNet.png', 'scatter_2_script_alert_1_script.png',
        'subsets.png',
    ]  # fmt: skip
    assert page.tags.count('img') == 7  # the sheet is made of tiles


def test_names_are_escaped_and_nothing_is_loaded(results_folder):
    text = write_report(results_folder).read_text(encoding='utf-8')
    page = Page(text)
    assert page.tags.count('script') == 1
    assert '<script>alert(1)' not in text
    assert '&lt;script&gt;alert(1)&lt;/script&gt;' in text
    assert page.loads
    assert all(re.match(r'data:image/(png|jpeg);base64,|#', load) for load in page.loads)
    assert "default-src 'none'" in text
    assert 'url(' not in text


def test_same_results_same_page(results_folder):
    first = write_report(results_folder).read_bytes()
    assert write_report(results_folder).read_bytes() == first


def test_photos_of_the_best_method_are_shown(results_folder, photo_folder):
    mos = np.linspace(0.1, 0.9, 6)
    names = sorted(path.name for path in photo_folder.iterdir())
    errors = np.array([0.1, -0.1, 0.2, -0.2, 0, 0.01])
    for file in (results_folder / 'predictions').iterdir():
        write_predictions(file, Predictions(names, mos, mos + errors, names, [''] * 6))
    text = write_report(results_folder, photo_folder).read_text(encoding='utf-8')
    assert text.count('data:image/jpeg') == 6
    assert 'photo not found' not in text
    assert len(text) < 1_500_000


def test_plots_of_many_subsets_get_the_whole_width(results_folder):
    for file in (results_folder / 'predictions').iterdir():
        read = read_predictions(file)
        many = [f'kind {i % 20}' for i in range(40)]
        write_predictions(file, Predictions(read.names, read.mos, read.predicted, read.groups, many))
    text = write_report(results_folder).read_text(encoding='utf-8')
    assert text.count('<figure class="wide">') == 2


def test_one_method_one_split(results_folder, results):
    cell = next(c for c in results['cells'] if c['fraction'] == 1)
    row = next(r for r in results['summary'] if r['fraction'] == 1 and not r['subset'])
    change(
        results_folder, cells=[{**cell, 'subsets': {}}], summary=[{**row, 'splits': 1}], comparisons=[],
        methods=results['methods'][:1], splits={'split_01': 'official'},
    )  # fmt: skip
    text = write_report(results_folder).read_text(encoding='utf-8')
    assert 'ImageNet: SRCC 0.' in text
    assert 'one split' in text
    names = {file.name for file in (results_folder / 'plots').iterdir()}
    assert names == {'photos.png', 'residuals_1_ImageNet.png', 'scatter_1_ImageNet.png'}


def test_predictions_on_another_scale_are_mapped(results_folder, results):
    for cell in results['cells']:
        del cell['metrics']['RMSE']
        path = results_folder / cell['predictions']
        read = read_predictions(path)
        write_predictions(path, Predictions(read.names, read.mos, 100 * read.predicted, read.groups, read.subsets))
    change(results_folder, cells=results['cells'], train_set={**results['train_set'], 'name': 'other'})
    text = write_report(results_folder).read_text(encoding='utf-8')
    assert 'predictions after the 4-parameter logistic' in text
    shown = [float(x) for x in re.findall(r'MOS [\d.-]+, predicted ([\d.-]+)', text)]
    assert len(shown) == 18
    assert max(shown) < 2
    assert 'trained on' in text


def test_failed_fits_and_missing_figures_are_said(results_folder, results):
    for cell in results['cells']:
        cell['metrics'] = {}
        cell['notes'] = ['SRCC, PLCC left out: predictions are all 0.5']
        path = results_folder / cell['predictions']
        read = read_predictions(path)
        write_predictions(path, Predictions(read.names, read.mos, 0 * read.mos + 0.5, read.groups, read.subsets))
    for row in results['summary']:
        row['metrics'] = {}
    change(results_folder, cells=results['cells'], summary=results['summary'], comparisons=[])
    text = write_report(results_folder).read_text(encoding='utf-8')
    assert 'no figure could be computed' in text
    assert 'All 8 runs: SRCC, PLCC left out: predictions are all 0.5' in text
    assert 'ImageNet: no residuals and no photos, predictions are on another scale and predictions are all 0.5' in text


def test_missing_predictions_are_said(results_folder, results):
    (results_folder / results['cells'][2]['predictions']).unlink()
    text = write_report(results_folder).read_text(encoding='utf-8')
    assert 'ImageNet: no plots of the predictions, predictions/0_1.0_split_01.csv is missing' in text


def test_no_results(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of results'):
        write_report(tmp_path)
    change_to = tmp_path / 'results.json'
    change_to.write_text('{"format": 99}')
    with pytest.raises(InputError, match=r'results\.json: not results of format 1'):
        write_report(tmp_path)
