"""The sheet of best and worst predicted photos."""

from dataclasses import replace

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.photo_sheet import GREY, extremes, photo_sheet, thumbnail
from mmqpt.evaluation.reports.plot_style import Heading
from mmqpt.evaluation.statistics.predictions import Predictions


@pytest.fixture
def predictions(photo_folder):
    names = [*sorted(path.name for path in photo_folder.iterdir()), 'gone.jpg']
    errors = np.array([0.3, -0.2, 0.0, 0.1, -0.4, 0.01, 0.5])
    return Predictions(names, np.full(7, 0.5), 0.5 + errors, names, [''] * 7)


def test_extremes_are_the_largest_errors_both_ways_and_the_closest(predictions):
    groups = extremes(predictions, 2)
    names = predictions.names
    assert {group.title: [photo.name for photo in group.photos] for group in groups} == {
        'Predicted too high': [names[6], names[0]],
        'Predicted too low': [names[4], names[1]],
        'Closest': [names[2], names[5]],
    }
    assert groups[0].photos[0].scores == 'MOS 0.500, predicted 1.000'


def test_no_photo_is_shown_twice_and_empty_groups_are_left_out(predictions):
    groups = extremes(predictions, 6)
    assert len([photo for group in groups for photo in group.photos]) == 7
    higher = replace(predictions, predicted=predictions.mos + 0.1)
    assert [group.title for group in extremes(higher, 3)] == ['Predicted too high', 'Closest']


def test_bad_input(predictions):
    with pytest.raises(InputError, match='count must be >= 1, got 0'):
        extremes(predictions, 0)
    predictions.predicted[0] = np.inf
    with pytest.raises(InputError, match='1 photos have no finite error'):
        extremes(predictions)
    with pytest.raises(InputError, match='no photos to show'):
        photo_sheet([], '.', Heading('x'))


def test_sheet_has_a_tile_for_each_photo_and_says_what_is_missing(predictions, photo_folder):
    figure = photo_sheet(extremes(predictions, 3), photo_folder, Heading('tiny', 'QPT'))
    tiles = [axes for band in figure.subfigs for axes in band.axes if axes.images]
    assert len(tiles) == 7
    assert len(figure.subfigs) == 3
    grey = [axes for axes in tiles if (np.asarray(axes.images[0].get_array()) == GREY).all()]
    assert [axes.texts[0].get_text() for axes in grey] == ['photo\nnot found']
    assert grey[0].get_title() == 'gone.jpg\nMOS 0.500, predicted 1.000'


def test_thumbnail(photo_folder, tmp_path):
    made = thumbnail(photo_folder / 'astronaut_0.jpg', 64)
    assert made.shape == (51, 64, 3)
    assert thumbnail(photo_folder / 'astronaut_0.jpg', 999).shape == (256, 320, 3)
    assert thumbnail(tmp_path / 'gone.jpg', 64) == 'photo not found'
    assert thumbnail(tmp_path, 64) == 'photo unreadable'  # a folder
    (tmp_path / 'bad.jpg').write_bytes(b'no photo')
    assert thumbnail(tmp_path / 'bad.jpg', 64) == 'photo unreadable'
    assert thumbnail('a\0b.jpg', 64).startswith('photo ')
