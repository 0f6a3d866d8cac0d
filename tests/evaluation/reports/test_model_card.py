"""The model card says what the file, the results and the order of levels say."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import read_weights
from mmqpt.core.weights_spec import file_sha256
from mmqpt.evaluation.reports.distortion_results import DISTORTION_FORMAT
from mmqpt.evaluation.reports.model_card import model_card
from mmqpt.evaluation.statistics.groups import MACRO
from mmqpt.export.convert import export_checkpoint

FOUND = {'median': 0.8, 'low': 0.75, 'high': 0.85}
RESULTS = {
    'title': 'koniq10k: fine-tuning',
    'command': 'mmqpt evaluate finetune',
    'methods': [{'name': 'A'}, {'name': 'B'}],
    'summary': [
        {'method': 'A', 'fraction': 1.0, 'subset': '', 'splits': 10, 'metrics': {'SRCC': FOUND, 'PLCC': FOUND}},
        {'method': 'B', 'fraction': 0.1, 'subset': 'night', 'splits': 3, 'metrics': {}},
    ],
}
ORDER = {
    'photos': ['a.jpg', 'b.jpg'],
    'operators': [
        {'operator': 'jpeg', 'kind': 'texture', 'sign': 1, 'ordered': 1.0, 'drop': [0.1] * 5},
        {'operator': 'hue', 'kind': 'colour', 'sign': -1, 'ordered': 0.5, 'drop': [0.0, 0.0, 0.0, 0.0, -0.02]},
    ],
}


def test_file(metric_weights):
    card = model_card(metric_weights, notes={'licence': 'CC-BY'})
    tensors, spec = read_weights(metric_weights)
    count = sum(v.numel() for k, v in tensors.items() if k.startswith('head.'))
    assert f'head of {count:,} |' in card
    assert f'`{file_sha256(metric_weights)}`' in card
    assert f'0 and 1 stand for {spec.mos_range[0]:g} and {spec.mos_range[1]:g}' in card
    assert '| licence | CC-BY |' in card
    assert card.count('Not measured in this card.') == 2


def test_results_and_order(metric_weights):
    card = model_card(metric_weights, RESULTS, 'A', ORDER)
    assert '| all | 100% | 10 | 0.800 [0.750, 0.850] | 0.800 [0.750, 0.850] | - |' in card
    assert 'night' not in card
    assert 'scores lower in 75% of the pairs' in card
    assert '| hue - | colour | 50% | -0.020 |' in card
    assert '| jpeg' not in card
    assert 'Frames without' not in card
    frames = {
        'blank_frames': {'black': {'lowest': 0.01, 'highest': 0.0313}, 'white': {'lowest': 0.02, 'highest': 0.04}}
    }
    card = model_card(metric_weights, order=ORDER | frames)
    assert 'Frames without a picture: black 0.010 to 0.031, white 0.020 to 0.040.' in card
    assert '| night | 10% | 3 | - | - | - |' in model_card(metric_weights, RESULTS, 'B')


def test_leads_with_how_good_and_with_the_figures_that_mean_most(metric_weights):
    card = model_card(metric_weights, RESULTS, 'A')
    assert (
        card.index('## How good') < card.index('## Intended use') < card.index('## The file') < card.index('sha256 `')
    )
    within = {**RESULTS['summary'][0], 'subset': MACRO}
    carried = RESULTS | {'summary': [*RESULTS['summary'], within], 'leading': MACRO}
    card = model_card(metric_weights, carried, 'A')
    assert card.index(f'| {MACRO} | 100%') < card.index('| all | 100%')
    assert 'differences between subsets carry the figures of all photos' in card
    assert 'differences between subsets' not in model_card(metric_weights, RESULTS, 'A')


def test_mistakes(metric_weights):
    for method in (None, 'C'):
        with pytest.raises(InputError, match=r'the results have no method .*; there are: A, B'):
            model_card(metric_weights, RESULTS, method)
    for broken in ({'operators': []}, {'photos': [], 'operators': [{}]}):
        with pytest.raises(InputError, match='order: not what the tool writes'):
            model_card(metric_weights, order=broken)


def row(measure, distortion, difference, low, high):
    return {
        'a': 'QPT', 'b': 'ImageNet', 'measure': measure, 'distortion': distortion,
        'difference': difference, 'low': low, 'high': high,
    }  # fmt: skip


KNOWN = {
    'format': DISTORTION_FORMAT,
    'command': 'mmqpt evaluate distortions',
    'cells': [{'encoder': name} for name in ('ImageNet', 'QPT', 'other')],
    'photos': {'count': 200, 'side': 256},
    'distortions': [{'name': 'JPEG'}, {'name': 'Jitter'}],
    'summary': [
        {'encoder': name, 'measure': 'level', 'distortion': '', 'value': value}
        for name, value in (('ImageNet', 0.7), ('QPT', 0.75), ('other', 0.1))
    ]
    + [{'encoder': 'QPT', 'measure': 'order', 'distortion': '', 'value': None}],
    'comparisons': [
        row('level', '', 0.05, 0.04, 0.06),
        row('level_each', 'JPEG', 0.1, 0.05, 0.15),
        row('level_each', 'Jitter', 0.02, -0.01, 0.04),
        {'a': 'QPT', 'b': 'ImageNet', 'measure': 'order', 'distortion': '', 'verdict': 'too few photos'},
        {**row('level', '', 9.0, 8.0, 10.0), 'a': 'other'},
    ],
    'blind': {'QPT': ['Jitter']},
    'warnings': ['3 photos were trained on'],
}


@pytest.fixture
def encoder(pretrained_checkpoint, tmp_path):
    path = tmp_path / 'backbone.safetensors'
    export_checkpoint(pretrained_checkpoint, path)
    return path


def test_an_encoder_leads_with_what_it_knows_better_than_its_start(encoder):
    card = model_card(encoder, KNOWN, 'QPT', notes={'licence': 'CC-BY'})
    assert '| level SRCC | 0.700 | 0.750 | +0.050 [0.040, 0.060] |' in card
    assert '| level order | - | - | - |' in card
    assert '| JPEG | - | - | +0.100 [0.050, 0.150] |' in card
    assert '| Jitter |' not in card  # its interval holds 0
    assert 'less well than ImageNet, one distortion at a time (SRCC):\n\nnone whose interval excludes 0.' in card
    assert 'Blind to the level of: Jitter.' in card
    assert '**3 photos were trained on**' in card
    assert card.index('+0.050') < card.index('## Intended use') < card.index('## The file')
    assert f'`{file_sha256(encoder)}`' in card
    assert '| licence | CC-BY |' in card
    assert 'head of' not in card
    assert 'score' not in card.split('## The file')[1]
    assert 'Not measured in this card.' in model_card(encoder)


def test_mistakes_about_an_encoder(encoder):
    with pytest.raises(InputError, match='has no scores to put in order'):
        model_card(encoder, order=ORDER)
    with pytest.raises(InputError, match='an encoder needs those of mmqpt evaluate distortions'):
        model_card(encoder, RESULTS, 'A')
    for name in (None, 'ImageNet', 'nobody'):
        with pytest.raises(InputError, match=r"no encoder .* with 'ImageNet'; there are: QPT, other"):
            model_card(encoder, KNOWN, name)
    with pytest.raises(InputError, match='results: not what the tool writes'):
        model_card(encoder, {**KNOWN, 'summary': [{}]}, 'QPT')


def test_names_of_strangers_stay_text(metric_weights):
    """A title, a subset or a note can't make a row, a link, a picture or HTML of its own."""
    name = '<img src=x onerror=y>|`a`\n# [b](http://c)'
    summary = [{**row, 'subset': name} for row in RESULTS['summary']]
    card = model_card(
        metric_weights, {**RESULTS, 'title': name, 'command': name, 'summary': summary}, 'A', None, {name: name}
    )
    lines = card.splitlines()
    assert '<img' not in card.replace("`<img src=x onerror=y>\\|'a' # [b](http://c)`", '')
    assert not [line for line in lines if line.startswith('# [b]')]
    assert '[b](http' not in card.replace("`<img src=x onerror=y>\\|'a' # [b](http://c)`", '')
    rows = [line for line in lines if '&lt;img' in line and line.startswith('|')]
    assert rows
    assert {line.replace('\\|', '').count('|') for line in rows} <= {3, 7}
