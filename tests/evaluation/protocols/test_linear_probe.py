"""The linear probe: ridge regression whose penalty the validation part chooses, and the test part never."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.linear_probe import PENALTIES, ridge_probe


@pytest.fixture
def data(rng):
    features = rng.normal(size=(300, 20)).astype(np.float32)
    return features, features @ rng.normal(size=20) + 0.1 * rng.normal(size=300)


def test_ridge_finds_a_linear_rule(data, rng):
    x, mos = data
    predicted, penalty = ridge_probe(x[:180], mos[:180], x[180:200], mos[180:200], x[200:])
    assert np.corrcoef(predicted, mos[200:])[0, 1] > 0.99
    noise = rng.normal(size=200)
    flat, high = ridge_probe(x[:180], noise[:180], x[180:200], noise[180:], x[200:])
    assert high > penalty  # nothing to learn: a stronger penalty wins
    assert flat.std() < 0.5


def test_against_the_definition(data):
    x, mos = (part.astype(np.float64) for part in data)
    predicted, penalty = ridge_probe(x[:50], mos[:50], x[50:60], mos[50:60], x[60:])
    errors = []
    for candidate in PENALTIES:
        mean, std = x[:50].mean(0), x[:50].std(0)
        model = Ridge(candidate).fit((x[:50] - mean) / std, mos[:50])
        errors.append(((model.predict((x[50:60] - mean) / std) - mos[50:60]) ** 2).mean())
    assert penalty == PENALTIES[int(np.argmin(errors))]
    mean, std = x[:60].mean(0), x[:60].std(0)
    design = np.column_stack([(x[:60] - mean) / std])
    centred = mos[:60] - mos[:60].mean()
    weights = np.linalg.solve(design.T @ design + penalty * np.eye(20), design.T @ centred)
    np.testing.assert_allclose(predicted, (x[60:] - mean) / std @ weights + mos[:60].mean(), atol=1e-8)


def test_a_channel_that_was_silent_in_training_does_no_harm(data):
    x, mos = (part.astype(np.float64) for part in data)
    silent = np.full((300, 2), 0.25)
    silent[[3, 30], 1] += 1e-4  # nearly
    silent[250:] += 1
    joined = np.column_stack([x, silent])
    expected, _ = ridge_probe(x[:180], mos[:180], x[180:200], mos[180:200], x[200:])
    found, _ = ridge_probe(joined[:180], mos[:180], joined[180:200], mos[180:200], joined[200:])
    assert np.abs(found - expected).max() < 0.1 * mos.std()
    assert not np.allclose(found, expected)  # the channel counts, as one of the usual spread would
    constant, _ = ridge_probe(np.ones((9, 2)), mos[:9], np.ones((3, 2)), mos[:3], np.ones((2, 2)))
    np.testing.assert_allclose(constant, np.concatenate([mos[:9], mos[:3]]).mean())


def test_test_photos_choose_nothing(data):
    x, mos = data
    both = ridge_probe(x[:50], mos[:50], x[50:60], mos[50:60], x[60:])
    one = ridge_probe(x[:50], mos[:50], x[50:60], mos[50:60], x[60:61])
    assert both[1] == one[1]
    np.testing.assert_allclose(both[0][:1], one[0])


def test_bad_input():
    zeros = np.zeros
    with pytest.raises(InputError, match=r'features and MOS do not fit: \(3, 2\), \(4,\), \(1, 2\), \(1,\), \(1, 2\)'):
        ridge_probe(zeros((3, 2)), zeros(4), zeros((1, 2)), zeros(1), zeros((1, 2)))
    with pytest.raises(InputError, match='do not fit'):
        ridge_probe(zeros((3, 2)), zeros(3), zeros((1, 3)), zeros(1), zeros((1, 2)))
    with pytest.raises(InputError, match='do not fit'):
        ridge_probe(zeros((3, 2)), zeros(3), zeros((0, 2)), zeros(0), zeros((1, 2)))
