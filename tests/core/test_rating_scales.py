"""Maps from the common quality to the scores of one rating scale."""

import json
import math

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.core.rating_scales import SPREAD, RatingScale, check_scales, logit, segment_lengths


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_straight_map_from_the_formula():
    scale = RatingScale((1, 5), 0.3, (0.5,))
    scores = np.array([0.1, 0.5, 0.9])
    z = np.log(scores / (1 - scores)) / SPREAD
    np.testing.assert_allclose(scale.from_common(scores), 1 + 4 * sigmoid(0.3 + 0.5 * z))
    assert scale.from_common(0.5) == pytest.approx(1 + 4 * sigmoid(0.3))


def test_identity():
    scale = RatingScale((0, 1), 0, (SPREAD,))
    scores = np.linspace(0.01, 0.99, 9).reshape(3, 3)
    np.testing.assert_allclose(scale.from_common(scores), scores)


def test_ends_of_the_range():
    scale = RatingScale((0, 100), 1, (2, 0.1), (0.0,))
    np.testing.assert_allclose(scale.from_common([0, 1]), [0, 100], atol=1e-6)


def test_bent_map_rises_and_is_continuous():
    knots, slopes = (-1.0, 0.5), (0.2, 3.0, 0.7)
    z = np.linspace(-3, 3, 601)
    values = 0.4 + segment_lengths(z, knots) @ np.array(slopes)
    assert (np.diff(values) > 0).all()
    assert np.abs(np.diff(values)).max() < 0.01 * 3 + 1e-9
    np.testing.assert_allclose(np.interp(0, z, values), 0.4)
    slope = np.diff(values) / np.diff(z)
    np.testing.assert_allclose([slope[10], slope[300], slope[-10]], slopes)
    np.testing.assert_allclose(segment_lengths(z, knots).sum(-1), z, atol=1e-12)


def test_json_round_trip():
    scale = RatingScale((0, 9), -1.5, (1, 2), (0.25,))
    assert RatingScale(**json.loads(json.dumps(scale.as_dict()))) == scale
    assert check_scales({'a': scale.as_dict()}) == {'a': scale}


def test_logit():
    np.testing.assert_allclose(sigmoid(logit(np.array([0.2, 0.7]))), [0.2, 0.7])
    assert logit(np.array([0.0, 1.0])).tolist() == [-math.inf, math.inf]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'mos_range': (5, 1)}, 'low < high'),
        ({'mos_range': (0, 1, 2)}, 'low < high'),
        ({'mos_range': 'ab'}, 'mos_range of a rating scale must be finite numbers'),
        ({'offset': math.nan}, 'offset of a rating scale must be a finite number'),
        ({'offset': True}, 'offset of a rating scale'),
        ({'slopes': ()}, 'one slope > 0 more'),
        ({'slopes': (0.0,)}, 'one slope > 0 more'),
        ({'slopes': (1.0, 1.0)}, 'one slope > 0 more'),
        ({'slopes': (1.0, 1.0, 1.0), 'knots': (1, 1)}, 'knots of a rating scale must rise'),
        ({'slopes': (1.0,) * 102, 'knots': tuple(range(101))}, 'at most 100'),
        ({'slopes': 3}, 'slopes of a rating scale must be finite numbers'),
    ],
)
def test_bad_values(change, message):
    with pytest.raises(InputError, match=message):
        RatingScale(**{'mos_range': (0, 1), 'offset': 0, 'slopes': (1,), 'knots': (), **change})


@pytest.mark.parametrize('scales', [None, [], 'ab', {1: {}}, {'a': {}}, {'a': {'offset': 1, 'x': 2}}, {'a': 3}])
def test_scales_of_strangers(scales):
    with pytest.raises(InputError, match='scale'):
        check_scales(scales)
