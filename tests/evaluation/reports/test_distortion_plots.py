"""Heat maps and curves: every value is written, marks are where they belong."""

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports.distortion_plots import checkpoint_curves, heat_map
from mmqpt.evaluation.reports.findings import MISSING, Estimate
from mmqpt.evaluation.reports.plot_style import Heading

HEADING = Heading('title', 'detail')


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_cell_has_its_number():
    values = np.array([[0.123, np.nan], [-0.5, 1.0]])
    figure = heat_map(values, ['jpeg', 'a $b$'], ['one', 'two'], HEADING, 'label', (0, 1), {(1, 0)}, 'x')
    assert texts(figure) == ['0.12', MISSING, 'x \N{MINUS SIGN}0.50', '1.00']
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ['jpeg', 'a $b$']
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array().filled(np.nan), values)


def test_differences_have_signs_and_their_ends_are_alike():
    figure = heat_map(np.array([[0.1], [-0.02]]), ['a', 'b'], ['e'], HEADING, 'd', (-0.2, 0.2), signed=True)
    assert texts(figure) == ['+0.10', '\N{MINUS SIGN}0.02']
    assert figure.axes[0].images[0].get_clim() == (-0.2, 0.2)


def test_names_must_fit():
    with pytest.raises(InputError, match=r'1 distortions of 2 encoders do not fit values of \(2, 1\)'):
        heat_map(np.zeros((2, 1)), ['a'], ['b', 'c'], HEADING, '')


def test_curves_over_steps_with_level_lines():
    points = [(200, Estimate(0.6, 0.5, 0.7)), (100, Estimate(0.4))]
    figure = checkpoint_curves({'run': points}, {'ImageNet': Estimate(0.3)}, HEADING, 'level SRCC')
    curve, level = figure.axes[0].lines
    np.testing.assert_array_equal(curve.get_xdata(), [100, 200])
    np.testing.assert_array_equal(curve.get_ydata(), [0.4, 0.6])
    assert set(level.get_ydata()) == {0.3}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['run', 'ImageNet']
    with pytest.raises(InputError, match='no checkpoints to plot'):
        checkpoint_curves({}, {'ImageNet': Estimate(0.3)}, HEADING, '')
