"""Predictions: what goes into the file comes out of it, and nothing else passes for one."""

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.predictions import Predictions, read_predictions, write_predictions


@pytest.fixture
def predictions():
    return Predictions(
        ['a, 1.jpg', 'a 2.jpg', 'ü.jpg'],
        np.array([0.1 + 0.2, 2, 3]),
        np.array([1 / 3, 2e-300, -1]),
        ['a', 'a', 'b'],
        ['x', 'y', 'x'],
    )


def test_round_trip_keeps_every_digit(predictions, tmp_path):
    write_predictions(tmp_path / 'new' / 'p.csv', predictions)
    read = read_predictions(tmp_path / 'new' / 'p.csv')
    assert (read.names, read.groups, read.subsets) == (['a, 1.jpg', 'a 2.jpg', 'ü.jpg'], ['a', 'a', 'b'], list('xyx'))
    np.testing.assert_array_equal(read.mos, [0.1 + 0.2, 2, 3])
    np.testing.assert_array_equal(read.predicted, [1 / 3, 2e-300, -1])


def test_subset(predictions):
    part = predictions.subset('x')
    assert (part.names, part.predicted.tolist(), part.groups) == (['a, 1.jpg', 'ü.jpg'], [1 / 3, -1], ['a', 'b'])


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match=r'differ in length: \[1, 1, 2, 1, 1\]'):
        Predictions(['a'], np.ones(1), np.ones(2), ['a'], [''])
    with pytest.raises(InputError, match='a photo was predicted twice'):
        Predictions(['a', 'a'], np.ones(2), np.ones(2), ['a', 'a'], ['', ''])
    with pytest.raises(FileNotFoundError, match=r'no such file of predictions: .*none\.csv'):
        read_predictions(tmp_path / 'none.csv')
    path = tmp_path / 'p.csv'
    path.write_text('name,mos\na,1\n')
    with pytest.raises(InputError, match=r'p\.csv: not a file of predictions; its columns must be name, mos'):
        read_predictions(path)
    path.write_text('name,mos,predicted,group,subset\na,1,good,a,\n')
    with pytest.raises(InputError, match=r"p\.csv: could not convert string to float: 'good'"):
        read_predictions(path)
