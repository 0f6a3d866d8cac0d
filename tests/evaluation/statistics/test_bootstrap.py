"""The bootstrap: quick replicates against a naive loop with the same draws, closed forms, coverage."""

import itertools

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.evaluation.statistics.bootstrap import (
    Difference,
    chance_note,
    describe_difference,
    interval,
    paired_difference,
)
from mmqpt.evaluation.statistics.correlation import krcc, plcc, rmse, srcc
from mmqpt.evaluation.statistics.predictions import Predictions
from mmqpt.evaluation.statistics.weighted import WEIGHTED

QUICK = [srcc, plcc, krcc, rmse]


def made(predicted, mos, names=None, groups=None):
    names = names or [f'{i}.jpg' for i in range(len(mos))]
    return Predictions(names, np.asarray(mos, float), np.asarray(predicted, float), groups or names, [''] * len(names))


def part_of(predicted, mos, index, groups=None):
    names = [f'{i}.jpg' for i in index]
    return made(predicted[index], mos[index], names, [f'{groups[i]}' for i in index] if groups is not None else None)


def three_splits(rng, photos=120, group_size=1):
    """Parts of two models on three random splits that share photos; scores have ties."""
    mos = rng.normal(size=photos).round(1)
    first, second = ((mos + scale * rng.normal(size=photos)).round(1) for scale in (0.5, 1.5))
    index = [rng.permutation(photos)[: photos // 3] for _ in range(3)]
    groups = np.arange(photos) // group_size
    return [[part_of(x, mos, i, groups) for i in index] for x in (first, second)]


@pytest.mark.parametrize('function', QUICK)
@pytest.mark.parametrize('photos', [4, 50])
def test_weighted_values_are_those_of_repeated_photos(function, photos, rng):
    x = rng.normal(size=photos).round(1)
    y = (x + rng.normal(size=photos)).round(1)
    counts = np.concatenate(
        [rng.multinomial(photos, np.ones(photos) / photos, size=100), np.eye(photos, dtype=int)[:2] * 5]
    )
    expected = []
    for row in counts:
        index = np.repeat(np.arange(photos), row)
        try:
            expected.append(function(x[index], y[index]))
        except InputError:
            expected.append(np.nan)
    np.testing.assert_allclose(WEIGHTED[function](x, y, counts), expected, atol=1e-12)
    if function is not rmse:
        assert np.isnan(expected[-2:]).all()  # one photo, five times


def test_blocks_of_pairs_give_the_same_krcc(rng, monkeypatch):
    x, y = rng.normal(size=(2, 50))
    counts = rng.integers(3, size=(7, 50))
    whole = WEIGHTED[krcc](x, y, counts)
    monkeypatch.setattr('mmqpt.evaluation.statistics.weighted.BLOCK', 13)
    np.testing.assert_array_equal(WEIGHTED[krcc](x, y, counts), whole)


@pytest.mark.parametrize('function', QUICK)
def test_quick_intervals_are_those_of_the_loop(function, rng):
    a, b = three_splits(rng, group_size=2)

    def slow(predicted, mos):
        return function(predicted, mos)

    np.testing.assert_allclose(interval(a, function, replicates=80), interval(a, slow, replicates=80), atol=1e-12)
    quick, loop = (paired_difference(a, b, f, replicates=80) for f in (function, slow))
    np.testing.assert_allclose([quick.low, quick.high], [loop.low, loop.high], atol=1e-12)
    assert quick.difference == loop.difference


def test_against_a_naive_bootstrap(rng, monkeypatch):
    """From the definition: draw groups, repeat their photos in every split, draw splits, take the median."""
    a, b = three_splits(rng, photos=30, group_size=3)
    groups = list(dict.fromkeys(itertools.chain.from_iterable(part.groups for part in a)))
    draws = np.random.default_rng(5)
    drawn = draws.integers(len(groups), size=(60, len(groups)))
    splits = draws.integers(3, size=(60, 3))
    expected = []
    for row, chosen in zip(drawn, splits, strict=True):
        values = []
        for s in chosen:
            index = [i for g in row for i, group in enumerate(a[s].groups) if group == groups[g]]
            values.append(plcc(a[s].predicted[index], a[s].mos[index]) - plcc(b[s].predicted[index], b[s].mos[index]))
        expected.append(np.median(values))
    found = paired_difference(a, b, plcc, level=0.9, replicates=60, seed=5)
    np.testing.assert_allclose([found.low, found.high], np.quantile(expected, [0.05, 0.95]), atol=1e-12)
    assert found.difference == pytest.approx(
        np.median([plcc(x.predicted, x.mos) - plcc(y.predicted, y.mos) for x, y in zip(a, b, strict=True)])
    )
    monkeypatch.setattr('mmqpt.evaluation.statistics.bootstrap.CHUNK', 200)  # several chunks
    assert paired_difference(a, b, plcc, replicates=60).replicates == 60


def test_the_mean_has_its_known_interval(rng):
    y = rng.normal(size=400)

    def mean(predicted, mos):
        return float(predicted.mean())

    low, high = interval([made(y, y)], mean, replicates=2000)
    half = 1.96 * y.std() / 20
    assert (low, high) == pytest.approx((y.mean() - half, y.mean() + half), abs=0.1 * half)


def test_without_drawing_splits(rng):
    """One split drawn is always the same split; of several, the spread between them no longer counts."""
    a, b = three_splits(rng)
    assert interval(a[:1], srcc, draw_splits=False) == interval(a[:1], srcc)
    fixed, drawn = (interval([a[0], b[0], a[1]], srcc, draw_splits=draw) for draw in (False, True))
    assert fixed[1] - fixed[0] < drawn[1] - drawn[0]
    assert paired_difference(a, b, srcc, draw_splits=False).low > 0


def test_groups_widen_the_interval(rng):
    """Ten copies of each photo say no more than one."""
    x, y = rng.normal(size=(2, 40))
    once = interval([made(x, y)], rmse)
    names = [f'{i}_{copy}' for i in range(40) for copy in range(10)]
    many = [np.repeat(x, 10), np.repeat(y, 10), names]
    grouped = interval([made(*many, [name.split('_')[0] for name in names])], rmse)
    torn = interval([made(*many)], rmse)
    assert grouped == pytest.approx(once)
    assert torn[1] - torn[0] < 0.5 * (once[1] - once[0])


def test_same_seed_same_interval(rng):
    (a, _) = three_splits(rng)
    assert interval(a, srcc) == interval(a, srcc)
    assert interval(a, srcc, seed=1) != interval(a, srcc)


def test_a_model_against_itself_in_another_order(rng):
    a, _ = three_splits(rng)
    turned = [made(p.predicted[::-1], p.mos[::-1], p.names[::-1], p.groups[::-1]) for p in a]
    found = paired_difference(a, turned, rmse)
    assert (found.difference, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-12)
    assert found.replicates == 1000


def test_pairing_narrows_the_interval(rng):
    """Two models with the same large errors: the small advantage of one shows, though their intervals overlap."""
    mos = rng.normal(size=300)
    error = 0.8 * rng.normal(size=300)
    a, b = [made(mos + error, mos)], [made(mos + error + 0.25 * rng.normal(size=300), mos)]
    assert interval(a, srcc)[0] < interval(b, srcc)[1]
    assert paired_difference(a, b, srcc).low > 0


def test_the_difference_is_taken_within_each_split():
    """Differences 2, 2, -7: their median is 2; the difference of the medians, 3 - 3, would be 0."""
    values = {0: (3, 1), 1: (5, 3), 2: (1, 8)}
    a, b = ([made(np.full(9, v[side]), np.arange(9)) for v in values.values()] for side in (0, 1))

    def level(predicted, mos):
        return float(predicted.mean())

    assert paired_difference(a, b, level).difference == 2


def test_verdicts():
    def difference(value, low, high):
        return Difference(value, low, high, 1000, 0.95)

    assert describe_difference('QPT', 'ImageNet', 'SRCC', difference(0.013, 0.004, 0.022)) == (
        'QPT is better than ImageNet in SRCC by 0.013 (95 % interval 0.004 to 0.022, which excludes 0).'
    )
    assert describe_difference('QPT', 'ImageNet', 'SRCC', difference(-0.013, -0.022, -0.004)) == (
        'QPT is worse than ImageNet in SRCC by 0.013 (95 % interval 0.004 to 0.022, which excludes 0).'
    )
    assert describe_difference('QPT', 'ImageNet', 'SRCC', difference(0.003, -0.004, 0.010)) == (
        'No difference between QPT and ImageNet in SRCC can be shown: 0.003, 95 % interval -0.004 to 0.010 includes 0.'
    )
    assert describe_difference('A', 'B', 'RMSE', difference(-0.2, -0.3, -0.1)).startswith(
        'A is better than B in RMSE by 0.200 ('
    )
    assert describe_difference('A', 'B', 'RMSE4', difference(0.2, 0.1, 0.3)).startswith(
        'A is worse than B in RMSE4 by 0.200 ('
    )
    found = describe_difference('A', 'B', 'PLCC', difference(0.002, 0.0002, 0.004))
    assert 'interval 0.0002 to 0.0040, which' in found
    assert '0.000, 95 % interval 0.000 to 0.010 includes' in describe_difference(
        'A', 'B', 'PLCC', difference(-0.0, 0.0, 0.01)
    )
    assert '90 % interval' in describe_difference('A', 'B', 'PLCC', Difference(1, 0.5, 2, 100, 0.9))


def test_chance_note():
    assert chance_note(12) == (
        '12 comparisons at 95 % each: if no two models differed, about 0.6 would exclude 0 by chance.'
    )


def test_pairs_must_match(rng):
    x, y = rng.normal(size=(2, 5))
    a = made(x, y)
    with pytest.raises(InputError, match='same splits of both models, got 1 and 2'):
        paired_difference([a], [a, a], srcc)
    with pytest.raises(InputError, match=r"split 2: '0\.jpg' was predicted by the first model only"):
        paired_difference([a, a], [a, made(x[1:], y[1:], a.names[1:])], srcc)
    with pytest.raises(InputError, match=r"split 1: '4\.jpg' was predicted by the second model only"):
        paired_difference([made(x[:4], y[:4])], [a], srcc)
    other = y.copy()
    other[2] += 0.1
    with pytest.raises(InputError, match=r"split 1: '2\.jpg' has MOS "):
        paired_difference([a], [made(x, other)], srcc)
    with pytest.raises(
        InputError, match=r"'0\.jpg' is in group '0\.jpg' for the first model and in 'g' for the second"
    ):
        paired_difference([a], [made(x, y, a.names, ['g'] * 5)], srcc)


def test_bad_input(rng):
    a = made(*rng.normal(size=(2, 5)))
    with pytest.raises(InputError, match='at least one split, got none'):
        interval([], srcc)
    with pytest.raises(InputError, match='level must be between 0 and 1, got 95'):
        interval([a], srcc, level=95)
    with pytest.raises(InputError, match=r'level 0\.95 needs at least 40 replicates, got 39'):
        interval([a], srcc, replicates=39)
    with pytest.raises(InputError, match=r'predictions are all 1\.0'):
        interval([a, made(np.ones(5), np.arange(5))], srcc)


def test_too_many_degenerate_replicates(rng):
    x = np.zeros(20)
    x[0] = 1  # not drawn in about a third of the replicates: constant
    with pytest.raises(InputError, match=r'3\d\d of 1000 replicates have too few different photos'):
        interval([made(x, np.arange(20))], srcc)
    x[:4] = [1, 2, 3, 4]  # all but about 1 in 85 replicates have one of the four
    found = paired_difference([made(x, np.arange(20))], [made(np.arange(20), np.arange(20))], srcc)
    assert 950 < found.replicates < 1000


def bivariate(rng, rho, size):
    mos = rng.normal(size=size)
    return rho * mos + (1 - rho**2) ** 0.5 * rng.normal(size=size), mos


@pytest.mark.slow
@pytest.mark.parametrize(
    ('function', 'truth'), [(plcc, 0.8), (srcc, 6 / np.pi * np.arcsin(0.4)), (krcc, 2 / np.pi * np.arcsin(0.8))]
)
def test_coverage(function, truth):
    """Of 300 intervals at 95 % for n = 200: 300 * 0.95 = 285, less 4 standard errors of 3.8, and 5 for bias."""
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(300):
        low, high = interval([made(*bivariate(rng, 0.8, 200))], function, seed=trial)
        hits += low <= truth <= high
    assert 265 <= hits <= 299


@pytest.mark.slow
def test_equal_models_seldom_differ():
    rng = np.random.default_rng(2)
    found = 0
    for trial in range(300):
        mos = rng.normal(size=200)
        common = mos + 0.5 * rng.normal(size=200)
        a, b = ([made(common + 0.5 * rng.normal(size=200), mos)] for _ in range(2))
        difference = paired_difference(a, b, srcc, seed=trial)
        found += not difference.low <= 0 <= difference.high
    assert 3 <= found <= 32


@pytest.fixture
def in_subsets(rng):
    """120 photos in 60 groups and three subsets, two models, the second noisier."""
    mos = rng.normal(size=120)
    groups = [f'g{i // 2}' for i in range(120)]
    subsets = [('a', 'b', 'c')[i // 2 % 3] for i in range(120)]
    return [
        Predictions([str(i) for i in range(120)], mos, mos + noise * rng.normal(size=120), groups, subsets)
        for noise in (0.5, 1.5)
    ]


@pytest.mark.parametrize('statistic', [srcc, lambda x, y: srcc(x, y)], ids=['fast', 'any'])
def test_within_subsets_is_the_mean_over_them(in_subsets, statistic, rng):
    """Against a loop that draws the same groups."""
    part = in_subsets[0]
    low, high = interval([part], statistic, replicates=200, within=True)
    draws = np.random.default_rng(0)
    names = list(dict.fromkeys(part.groups))
    drawn = draws.integers(60, size=(200, 60))
    values = []
    for row in drawn:
        rows = [i for number in row for i in range(120) if part.groups[i] == names[number]]
        figures = []
        for name in 'abc':
            same = [i for i in rows if part.subsets[i] == name]
            figures.append(srcc(part.predicted[same], part.mos[same]))
        values.append(np.mean(figures))
    np.testing.assert_allclose([low, high], np.quantile(values, [0.025, 0.975]), atol=1e-9)


def test_difference_within_subsets(in_subsets):
    one, two = in_subsets
    found = paired_difference([one], [two], srcc, replicates=200, within=True)
    figures = [np.mean([srcc(p.subset(n).predicted, p.subset(n).mos) for n in 'abc']) for p in (one, two)]
    assert found.difference == pytest.approx(figures[0] - figures[1])
    assert 0 < found.low < found.difference < found.high
    assert found != paired_difference([one], [two], srcc, replicates=200)


def test_a_subset_without_a_value_gives_no_interval(in_subsets):
    part = in_subsets[0]
    few = Predictions(part.names, part.mos, part.predicted, part.groups, ['x', *['a'] * 119])
    with pytest.raises(InputError):
        interval([few], srcc, replicates=200, within=True)
