"""``mmqpt pyiqa``: pyiqa's command line with our names."""

import sys

import pytest

import mmqpt as package


def test_scores_a_photo(mmqpt, photo_folder, metric_weights):
    photo = photo_folder / 'coffee_0.jpg'
    own = sys.argv
    result = mmqpt('pyiqa', 'qpt', '-t', photo, '--device', 'cpu')
    assert result.exit_code == 0, result.output
    assert sys.argv is own
    score = float(result.stdout.split('np.float64(')[1].split(')')[0])
    assert score == pytest.approx(package.score(photo, weights=str(metric_weights)), abs=1e-4)


def test_lists_qpt(mmqpt):
    assert "'qpt'" in mmqpt('pyiqa', '-ls').stdout


def test_a_name_that_pyiqa_does_not_know_is_one_sentence(mmqpt, photo_folder):
    result = mmqpt('pyiqa', 'nothing', '-t', photo_folder)
    assert result.exit_code == 2
    assert 'error: Metric nothing not implemented yet.' in result.stderr


def test_no_photo(mmqpt):
    result = mmqpt('pyiqa', 'qpt')
    assert result.exit_code == 2
    assert result.stderr.strip() == 'error: give the photo or folder: -t PHOTO|FOLDER'
