"""The linear probe: ridge regression whose penalty the validation part chooses, and the test part never."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols import linear_probe
from mmqpt.evaluation.protocols.linear_probe import PENALTIES, ridge_probe
from mmqpt.evaluation.statistics.correlation import srcc


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


@pytest.fixture
def on_three_scales(rng):
    """Features, opinion scores and scales of 90 photos; scale b has better photos, rated lower."""
    scales = list('abc' * 30)
    quality = rng.normal(size=90) + np.array([{'a': 0, 'b': 1.5, 'c': 0}[name] for name in scales])
    features = quality[:, None] * rng.uniform(0.5, 1, 12) + 0.3 * rng.normal(size=(90, 12))
    offset, slope = {'a': 0, 'b': -4, 'c': 3}, {'a': 1, 'b': 0.2, 'c': 3}
    mos = np.array([offset[name] + slope[name] * q for name, q in zip(scales, quality, strict=True)])
    return features, mos, scales, quality


def test_scales_equal_the_naive_mixed_model(on_three_scales, monkeypatch):
    """Ridge on features and an indicator a scale, whose coefficients are not penalised, of standardised scores."""
    features, mos, scales, _ = on_three_scales
    penalty = 10.0
    monkeypatch.setattr(linear_probe, 'PENALTIES', (penalty, penalty))
    found, chosen = ridge_probe(features[:60], mos[:60], features[60:], mos[60:], features, scales[:60], scales[60:])
    assert chosen == penalty
    names = np.array(scales)
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    y = np.array([(m - mos[names == n].mean()) / mos[names == n].std() for m, n in zip(mos, scales, strict=True)])
    indicators = (names[:, None] == np.unique(names)).astype(float)
    design = np.concatenate([x, indicators], axis=1)
    weight = np.diag([penalty] * 12 + [0.0] * 3)
    naive = np.linalg.solve(design.T @ design + weight, design.T @ y)[:12]
    np.testing.assert_allclose(found, x @ naive, atol=1e-8)


def test_scales_are_told_from_quality(on_three_scales):
    features, mos, scales, quality = on_three_scales
    found, _ = ridge_probe(features[:60], mos[:60], features[60:], mos[60:], features, scales[:60], scales[60:])
    pooled, _ = ridge_probe(features[:60], mos[:60], features[60:], mos[60:], features)
    assert srcc(found, quality) > 0.95 > srcc(pooled, quality) + 0.1


def test_penalty_is_chosen_within_scales(on_three_scales, rng):
    """The largest mean SRCC within scales, computed here by a loop; a scale of two photos has no part in it."""
    features, mos, scales, _ = on_three_scales
    features = features + 3 * rng.normal(size=features.shape)
    train, val = slice(0, 40), slice(40, 62)
    val_scales = ['c' if name == 'c' and i > 17 else 'a' if name == 'c' else name for i, name in enumerate(scales[val])]
    chosen = ridge_probe(features[train], mos[train], features[val], mos[val], features, scales[train], val_scales)[1]
    figures = []
    for penalty in linear_probe.PENALTIES:
        centre, spread = features[train].mean(axis=0), features[train].std(axis=0)
        x, y = linear_probe._within_scales((features[train] - centre) / spread, mos[train], scales[train])
        w = np.linalg.solve(x.T @ x + penalty * np.eye(12), x.T @ y)
        predicted = (features[val] - centre) / spread @ w
        within = []
        for name in set(val_scales):
            keep = [i for i, scale in enumerate(val_scales) if scale == name]
            if len(keep) >= 3:
                within.append(srcc(predicted[keep], mos[val][keep]))
        figures.append(np.mean(within))
    assert chosen == linear_probe.PENALTIES[int(np.argmax(figures))]


def test_every_photo_needs_a_scale(on_three_scales):
    features, mos, scales, _ = on_three_scales
    with pytest.raises(InputError, match='every photo needs a scale'):
        ridge_probe(features, mos, features, mos, features, scales[:3], scales)
