"""The linear probe: ridge regression whose penalty labelled photos choose, and test photos never."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols import linear_probe
from mmqpt.evaluation.protocols.folds import draw_folds
from mmqpt.evaluation.protocols.linear_probe import FOLDS, PENALTIES, cross_validated_probe, ridge_probe
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
    with pytest.raises(
        InputError, match=r'features and targets do not fit: \(3, 2\), \(4,\), \(1, 2\), \(1,\), \(1, 2\)'
    ):
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


def test_cross_validation_finds_a_linear_rule(data, rng):
    x, mos = data
    predicted, penalty = cross_validated_probe(x[:200], mos[:200], x[200:])
    assert np.corrcoef(predicted, mos[200:])[0, 1] > 0.99
    assert predicted.mean() == pytest.approx(mos[200:].mean(), abs=0.1)
    flat, high = cross_validated_probe(x[:200], rng.normal(size=200), x[200:])
    assert high > penalty  # nothing to learn: a stronger penalty wins
    assert flat.std() < 0.5


@pytest.mark.parametrize('count', [15, 60])  # fewer photos than features, and more
def test_cross_validation_against_the_definition(data, count, rng):
    x, mos = data[0].astype(np.float64), data[1] + 3 * rng.normal(size=300) + 7
    predicted, penalty = cross_validated_probe(x[:count], mos[:count], x[count:])
    fold = draw_folds([str(i) for i in range(count)], FOLDS)
    errors = np.zeros(len(PENALTIES))
    for number in range(FOLDS):
        here = np.flatnonzero(fold == number)
        others = np.flatnonzero(fold != number)
        mean, std = x[others].mean(0), x[others].std(0)
        for place, candidate in enumerate(PENALTIES):
            model = Ridge(candidate).fit((x[others] - mean) / std, mos[others])
            errors[place] += ((model.predict((x[here] - mean) / std) - mos[here]) ** 2).sum()
    assert penalty == PENALTIES[int(np.argmin(errors))]
    mean, std = x[:count].mean(0), x[:count].std(0)
    model = Ridge(penalty).fit((x[:count] - mean) / std, mos[:count])
    np.testing.assert_allclose(predicted, model.predict((x[count:] - mean) / std), atol=1e-8)


def test_cross_validation_keeps_near_duplicates_together(rng):
    """A photo's copy among those that are fitted tells its score, whatever the features mean: any penalty but a high
    one learns noise."""
    x, mos = np.repeat(rng.normal(size=(40, 60)), 2, axis=0), np.repeat(rng.normal(size=40), 2)
    groups = [f'g{i // 2}' for i in range(80)]
    apart, together = (cross_validated_probe(x, mos, x, groups=given)[1] for given in (None, groups))
    assert apart < 10 < 100 < together


def test_cross_validation_asks_no_test_photo_and_fears_no_silent_channel(data):
    x, mos = (part.astype(np.float64) for part in data)
    both, one = (cross_validated_probe(x[:60], mos[:60], test) for test in (x[60:], x[60:61]))
    assert both[1] == one[1]
    np.testing.assert_allclose(both[0][:1], one[0])
    silent = np.full((300, 1), 0.25)
    silent[250:] += 1
    found, _ = cross_validated_probe(np.column_stack([x, silent])[:200], mos[:200], np.column_stack([x, silent])[200:])
    expected, _ = cross_validated_probe(x[:200], mos[:200], x[200:])
    assert np.abs(found - expected).max() < 0.1 * mos.std()
    constant, _ = cross_validated_probe(np.ones((9, 2)), mos[:9], np.ones((2, 2)))
    np.testing.assert_allclose(constant, mos[:9].mean())


def test_cross_validation_of_few_photos(data):
    x, mos = data
    found, _ = cross_validated_probe(x[:3], mos[:3], x[3:])
    assert np.isfinite(found).all()
    with pytest.raises(
        InputError, match='which 2 labelled photos, near-duplicates counted once, cannot do: give at le'
    ):
        cross_validated_probe(x[:4], mos[:4], x[4:], groups=list('abab'))
    with pytest.raises(InputError, match='which 1 labelled photo, near'):
        cross_validated_probe(x[:1], mos[:1], x[4:])


def test_bad_input_of_cross_validation(data):
    x, mos = data
    with pytest.raises(InputError, match=r'features and MOS do not fit: \(9, 20\), \(8,\), \(291, 20\)'):
        cross_validated_probe(x[:9], mos[:8], x[9:])
    with pytest.raises(InputError, match='do not fit'):
        cross_validated_probe(x[:9], mos[:9], x[9:, :5])
    with pytest.raises(InputError, match='do not fit'):
        cross_validated_probe(x[:9], mos[:9], x[:0])
    with pytest.raises(InputError, match='every photo needs a scale: 9 MOS, 8 scales'):
        cross_validated_probe(x[:9], mos[:9], x[9:], list('abcabcab'))
    with pytest.raises(InputError, match='every photo needs a group: 9 MOS, 8 groups'):
        cross_validated_probe(x[:9], mos[:9], x[9:], groups=list('abcabcab'))


def test_scales_equal_the_naive_mixed_model(on_three_scales, monkeypatch):
    """Ridge on features and an indicator a scale, whose coefficients are not penalised, of standardised scores."""
    features, mos, scales, _ = on_three_scales
    penalty = 10.0
    monkeypatch.setattr(linear_probe, 'PENALTIES', (penalty, penalty))
    found, chosen = cross_validated_probe(features, mos, features, scales)
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
    found, _ = cross_validated_probe(features, mos, features, scales)
    pooled, _ = cross_validated_probe(features, mos, features)
    assert srcc(found, quality) > 0.95 > srcc(pooled, quality) + 0.1


def test_penalty_is_chosen_within_scales(on_three_scales, rng):
    """The least error in deviations of the scales, computed here by a loop; a scale that no fit knows counts not."""
    features, mos, scales, _ = on_three_scales
    features = features + 3 * rng.normal(size=features.shape)
    scales = ['alone' if i == 17 else name for i, name in enumerate(scales)]
    chosen = cross_validated_probe(features, mos, features, scales)[1]
    fold = draw_folds([str(i) for i in range(90)], FOLDS)
    errors = dict.fromkeys(PENALTIES, 0.0)
    for number in range(FOLDS):
        fit = [i for i in range(90) if fold[i] != number]
        centre, spread = features[fit].mean(axis=0), features[fit].std(axis=0)
        x = (features - centre) / spread
        of = {name: [i for i in fit if scales[i] == name] for name in set(scales)}
        means = {name: x[rows].mean(axis=0) for name, rows in of.items() if rows}
        rule = {name: (mos[rows].mean(), mos[rows].std() or 1.0) for name, rows in of.items() if rows}
        centred = np.array([x[i] - means[scales[i]] for i in fit])
        target = np.array([(mos[i] - rule[scales[i]][0]) / rule[scales[i]][1] for i in fit])
        for penalty in PENALTIES:
            w = np.linalg.solve(centred.T @ centred + penalty * np.eye(12), centred.T @ target)
            for i in set(range(90)) - set(fit):
                if scales[i] in rule:
                    mean, deviation = rule[scales[i]]
                    errors[penalty] += ((x[i] - means[scales[i]]) @ w - (mos[i] - mean) / deviation) ** 2
    assert chosen == min(errors, key=errors.__getitem__)
