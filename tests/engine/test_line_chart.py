"""The chart: points where they belong, nothing for nothing, text that can't break out."""

import math
import re

import numpy as np
import pytest

from mmqpt.engine.line_chart import Line, line_chart


def points(svg, number=0):
    found = re.search(rf'<polyline class="line-{number}" points="([^"]*)"', svg)[1]
    return np.array([[float(value) for value in pair.split(',')] for pair in found.split()])


def test_points_are_in_order_and_within():
    found = points(line_chart([Line('loss', [3, 2, 1])], 30))
    assert (np.diff(found[:, 0]) > 0).all()
    assert (np.diff(found[:, 1]) > 0).all()  # y goes down the page
    assert np.diff(found[:, 1]) == pytest.approx(np.diff(found[:, 1])[::-1])
    assert found[-1, 0] == 52 + 560  # the last step is at the right end


def test_values_that_are_not_finite_are_left_out():
    assert len(points(line_chart([Line('x', [1, math.nan, 2, math.inf])], 4))) == 2
    assert line_chart([Line('x', [math.nan])], 4) == ''
    assert line_chart([Line('x', [])], 4) == ''


@pytest.mark.parametrize('values', [[0.0], [5, 5, 5], [1e-9, 2e-9], [-1e12, 1e12], [7e-5] * 9])
def test_flat_and_extreme_lines(values):
    svg = line_chart([Line('x', values)], 9)
    found = points(svg)
    assert np.isfinite(found).all()
    assert (found[:, 1] >= 12).all()
    assert (found[:, 1] <= 212).all()
    assert 'nan' not in svg


@pytest.mark.parametrize('height', [2.678571428571424e-08, 0.00026785714285714265, 0.26785714285714285])
def test_a_height_that_just_misses_three_units(height):
    """With its margins the plot is 3 x 10^n high, but for the last digit: there must be ticks all the same."""
    svg = line_chart([Line('x', [0, height])], 9)
    assert 3 <= svg.count('class="grid"') <= 6


def test_long_lines_are_means_of_parts():
    values = np.tile([0.0, 1.0], 5000)
    found = points(line_chart([Line('x', values), Line('y', [0, 1])], 10000))
    assert len(found) == 280
    assert np.ptp(found[:, 1]) < 10  # of 200


def test_a_band_and_several_lines():
    svg = line_chart([Line('<a>', [0, 1]), Line('b', [1, 0])], 2, (0.5, math.inf))
    assert 'class="healthy"' in svg
    assert '&lt;a&gt; 1' in svg
    assert '<a>' not in svg
    assert points(svg, 1)[0, 1] < points(svg, 0)[0, 1]
    assert 'class="healthy"' not in line_chart([Line('a', [0, 1])], 2, (5, 6))
