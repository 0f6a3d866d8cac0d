"""Sets that a method was trained on: by pyiqa's names, and by what files say."""

import pytest

from mmqpt.evaluation.protocols.learners import Method
from mmqpt.evaluation.protocols.trained_on import SETS_OF_METRICS, sets_trained_on, warning_of


@pytest.mark.parametrize(
    ('weights', 'sets'),
    [
        ('pyiqa:musiq', {'koniq10k'}), ('pyiqa:musiq-spaq', {'spaq'}), ('pyiqa:topiq_nr-flive', {'flive'}),
        ('pyiqa:arniqa-clive', {'clive'}), ('pyiqa:brisque', {'live'}), ('pyiqa:piqe', set()), ('random', set()),
        ('imagenet:efficientnet_lite0', set()), ('qpt:efficientnet_lite0_side', set()), ('nowhere.pth', set()),
    ],
)  # fmt: skip
def test_sets(weights, sets):
    assert sets_trained_on(Method('a', weights)) == sets


def test_files_name_their_set(metric_weights, finetuned_checkpoint, pretrained_checkpoint):
    assert sets_trained_on(Method('a', str(metric_weights))) == {'rated'}
    assert sets_trained_on(Method('a', f'random+{finetuned_checkpoint}')) == {'rated'}
    assert sets_trained_on(Method('a', str(pretrained_checkpoint))) == set()
    assert 'a was trained on rated, from which the test photos come' in warning_of(
        Method('a', str(metric_weights)), 'Rated'
    )


def test_warning():
    assert warning_of(Method('MUSIQ', 'pyiqa:musiq'), 'KonIQ-10k').startswith(
        'MUSIQ was trained on koniq10k, from which'
    )
    assert warning_of(Method('MUSIQ', 'pyiqa:musiq'), 'spaq') == ''


def test_names_are_those_of_pyiqa():
    import pyiqa

    assert set(SETS_OF_METRICS) <= set(pyiqa.list_models('NR'))
