"""Plots: as many marks, lines and labels as the data asks for; nothing global is left changed."""

import sys
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.reports import plots
from mmqpt.evaluation.reports.findings import Estimate
from mmqpt.evaluation.reports.plot_style import PALETTE, Heading, colour_of, marker_of, save, shortened
from mmqpt.evaluation.statistics.predictions import Predictions

HEADING = Heading('tiny: QPT', 'random 80/20')


def texts(figure):
    return '\n'.join(text.get_text() for text in figure.texts)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def x_ticks(figure):
    return [tick.get_text() for tick in figure.axes[0].get_xticklabels()]


def y_ticks(figure):
    return [tick.get_text() for tick in figure.axes[0].get_yticklabels()]


def test_scatter_has_a_colour_for_each_subset_a_curve_and_a_diagonal(made_predictions):
    figure = plots.scatter_plot(made_predictions(60), HEADING)
    axes = figure.axes[0]
    assert sorted(len(points.get_offsets()) for points in axes.collections) == [30, 30]
    assert len({tuple(points.get_facecolor()[0]) for points in axes.collections}) == 2
    assert len(axes.lines) == 2
    assert legend(figure) == ['a | b (n = 30)', 'indoor (n = 30)', 'predicted = MOS', '4-parameter logistic']
    assert axes.get_xlim() == axes.get_ylim()
    assert texts(figure) == 'tiny: QPT\nrandom 80/20'
    assert all(name in axes.texts[0].get_text() for name in ('SRCC 0.', 'PLCC 0.', 'PLCC4 0.'))


def test_scatter_points_are_prediction_and_mos(made_predictions):
    predictions = made_predictions(30)
    predictions = replace(predictions, subsets=[''] * 30)
    axes = plots.scatter_plot(predictions, HEADING, identity=False).axes[0]
    np.testing.assert_array_equal(
        np.asarray(axes.collections[0].get_offsets()), np.stack([predictions.predicted, predictions.mos], axis=1)
    )
    assert len(axes.lines) == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('predicted', 'MOS')


def test_scatter_says_why_there_is_no_curve(made_predictions):
    predictions = replace(made_predictions(30), predicted=np.full(30, 0.5))
    figure = plots.scatter_plot(predictions, HEADING)
    assert 'No logistic curve: predictions are all 0.5' in texts(figure).replace('\n', ' ')
    assert len(figure.axes[0].lines) == 1
    assert 'PLCC4' not in figure.axes[0].texts[0].get_text()


def test_scatter_of_many_subsets_gathers_the_rarest():
    count = 200
    subsets = [f's{i % 10:02d}' for i in range(count - 50)] + ['s03'] * 50
    mos = np.linspace(0, 1, count)
    figure = plots.scatter_plot(Predictions([str(i) for i in range(count)], mos, mos, subsets, subsets), HEADING)
    names = legend(figure)
    assert len([name for name in names if '(n = ' in name]) == len(PALETTE)
    assert 's03 (n = 65)' in names
    assert 'other (4 subsets) (n = 60)' in names
    assert sum(len(points.get_offsets()) for points in figure.axes[0].collections) == count


def test_residuals_have_a_box_for_each_subset(made_predictions):
    figure = plots.residuals(made_predictions(60), HEADING)
    axes = figure.axes[0]
    assert x_ticks(figure) == ['all photos\nn = 60', 'a | b\nn = 30', 'indoor\nn = 30']
    assert len(axes.patches) == 3
    alone = plots.residuals(replace(made_predictions(), subsets=[''] * 40), HEADING)
    assert x_ticks(alone) == ['all photos\nn = 40']
    assert len(alone.axes[0].patches) == 1


def test_residuals_of_few_photos_are_points():
    predictions = Predictions(list('abc'), np.zeros(3), np.array([0.1, -0.2, 0.3]), list('abc'), [''] * 3)
    axes = plots.residuals(predictions, HEADING).axes[0]
    assert not axes.patches
    np.testing.assert_array_equal(axes.lines[-1].get_ydata(), [0.1, -0.2, 0.3])


@pytest.mark.parametrize('plot', [plots.scatter_plot, plots.residuals])
def test_predictions_that_can_not_be_plotted(plot, made_predictions):
    with pytest.raises(InputError, match='no photos to plot'):
        plot(Predictions([], np.zeros(0), np.zeros(0), [], []), HEADING)
    bad = made_predictions(10)
    bad.predicted[3] = np.nan
    with pytest.raises(InputError, match='predictions hold 1 values that are not finite'):
        plot(bad, HEADING)


def test_label_efficiency_has_a_line_and_a_band_for_each_method():
    curves = {
        'random': {0.1: (240, Estimate(0.5, 0.4, 0.6)), 1.0: (2400, Estimate(0.6, 0.5, 0.7))},
        '_QPT': {1.0: (2400, Estimate(0.8)), 0.1: (240, Estimate(0.7, 0.6, 0.75))},
    }
    figure = plots.label_efficiency(curves, HEADING)
    axes = figure.axes[0]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[240, 2400], [240, 2400]]
    assert axes.lines[1].get_ydata().tolist() == [0.7, 0.8]
    assert len(axes.collections) == 2
    assert axes.get_xscale() == 'log'
    assert x_ticks(figure) == ['240\n10 %', '2400\n100 %']
    assert legend(figure) == ['random', ' _QPT']
    with pytest.raises(InputError, match='no points to plot'):
        plots.label_efficiency({'random': {}}, HEADING)


def test_label_efficiency_leaves_out_ticks_that_would_overlap():
    curves = {'a': {f: (round(1000 * f), Estimate(f)) for f in (0.01, 0.1, 0.9, 1.0)}}
    assert x_ticks(plots.label_efficiency(curves, HEADING)) == ['10\n1 %', '100\n10 %', '1000\n100 %']


def test_subsets_have_a_row_and_a_mark_for_each_method():
    values = {
        'a': {'': Estimate(0.8, 0.7, 0.9), 'x': Estimate(0.5)},
        'b': {'': Estimate(0.6, 0.5, 0.7)},
    }
    figure = plots.by_subset(values, HEADING, 'PLCC')
    axes = figure.axes[0]
    assert y_ticks(figure) == ['all photos', 'x']
    assert [len(container[0].get_xdata()) for container in axes.containers] == [2, 1]
    assert len({container[0].get_ydata()[0] for container in axes.containers}) == 2
    assert legend(figure) == ['a', 'b']
    assert axes.get_xlabel() == 'PLCC'
    with pytest.raises(InputError, match='no values to plot'):
        plots.by_subset({'a': {}}, HEADING)


def test_differences_are_filled_where_the_interval_leaves_out_zero():
    rows = {
        'all photos': [
            plots.PairedRow('b - a', Estimate(0.1, 0.05, 0.2), [0.05, 0.1, 0.2]),
            plots.PairedRow('c - a', Estimate(0.1, -0.1, 0.2), [0.1]),
        ],
        'x': [plots.PairedRow('b - a', Estimate(0.3))],
    }
    figure = plots.differences(rows, HEADING)
    axes = figure.axes[0]
    assert y_ticks(figure) == ['all photos', 'b - a', 'c - a', 'x', 'b - a']
    faces = [container[0].get_markerfacecolor() for container in axes.containers]
    assert faces == [PALETTE[0], 'white', 'white']
    assert axes.lines[0].get_xdata() == [0, 0]
    dots = [line for line in axes.lines if line.get_markersize() == 4.5]
    assert [list(line.get_xdata()) for line in dots] == [[0.05, 0.1, 0.2]]  # one split is the value itself
    assert 'SRCC' in axes.get_xlabel()
    with pytest.raises(InputError, match='no differences to plot'):
        plots.differences({'x': []}, HEADING)


def test_no_pyplot_and_no_settings_left_behind(made_predictions, tmp_path):
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({'font.size': 30, 'axes.grid': False}):
        figure = plots.scatter_plot(made_predictions(), HEADING)
        assert figure.axes[0].xaxis.label.get_fontsize() == 11
        save(figure, tmp_path / 'a.png')
        assert matplotlib.rcParams['font.size'] == 30
    assert dict(matplotlib.rcParams) == before
    assert 'matplotlib.pyplot' not in sys.modules or not sys.modules['matplotlib.pyplot'].get_fignums()


def test_names_with_odd_characters_can_be_drawn(made_predictions, tmp_path, recwarn):
    heading = Heading('$x^ \\frac $ 漢字 _a', 'line\nbreak ' * 30)
    predictions = replace(made_predictions(), subsets=['$', '_' * 90] * 20)
    for number, plot in enumerate((plots.scatter_plot, plots.residuals)):
        save(plot(predictions, heading), tmp_path / f'{number}.png')
    assert not recwarn.list


def test_same_data_same_png(made_predictions, tmp_path):
    predictions = made_predictions()
    for name in 'ab':
        save(plots.scatter_plot(predictions, HEADING), tmp_path / name)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_colour_and_marker_tell_49_methods_apart():
    assert len({(colour_of(i), marker_of(i)) for i in range(49)}) == 49


def test_short():
    assert shortened('abc', 3) == 'abc'
    assert shortened('a\n\tb\x00c', 9) == 'a b c'
    assert shortened('abcdefghij.jpg', 9) == 'abcd….jpg'
