"""The space of degradations: counted by brute force, drawn from evenly."""

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.degradations import KINDS, LEVELS, OPERATORS, DegradationSpace

# 8, 9 and 9 options with one level: 4 unsigned and 2 signed, 3 and 3, and 9 unsigned operators.
PAPER_LIKE = (
    ['perspective', 'elastic', 'resample', 'pixelate', 'rotate', 'lens']
    + ['channel_shift', 'quantise', 'haze', 'hue', 'contrast', 'gamma']
    + [row.name for row in OPERATORS.values() if row.kind == 'texture']
)


def enumerate_sequences(names, levels, skip, shuffle, order) -> set:
    """All flat sequences of (operator, sign, level), by walking through every way to make the decisions of ``draw``."""
    by_kind = {kind: [] for kind in KINDS}
    for name in names:
        by_kind[OPERATORS[name].kind] += [(name, sign, level) for sign in OPERATORS[name].signs for level in levels]
    kinds = [kind for kind in KINDS if by_kind[kind]]
    one_pass = set()
    for line_up in itertools.permutations(kinds) if shuffle else [kinds]:
        choices = []
        for kind in line_up:
            kept = [[option] for option in by_kind[kind]] if skip.get(kind, 0) < 1 else []
            left_out = [[]] if skip.get(kind, 0) > 0 else []
            choices.append(kept + left_out)
        one_pass |= {tuple(itertools.chain(*way)) for way in itertools.product(*choices)}
    return {tuple(itertools.chain(*passes)) for passes in itertools.product(one_pass, repeat=order)}


def small_spaces():
    skips = [
        dict.fromkeys(KINDS, 0.5),
        dict.fromkeys(KINDS, 0.0),
        {'geometry': 0.0, 'colour': 0.5, 'texture': 1.0},
        {'geometry': 1.0, 'colour': 0.0, 'texture': 0.5},
        {'geometry': 0.5, 'colour': 1.0, 'texture': 0.0},
        {'texture': 0.5},
    ]
    operators = [
        ('pixelate', 'jpeg'),
        ('pixelate', 'resample'),
        ('rotate', 'jpeg'),
        ('pixelate', 'haze', 'jpeg'),
        ('pixelate', 'jpeg', 'denoise'),
    ]
    for names, skip, shuffle in itertools.product(operators, skips, (True, False)):
        for levels, order in (((1,), 1), ((2, 5), 1), ((3,), 2), ((1, 4), 2), ((5,), 3)):
            yield {'operators': names, 'levels': levels, 'skip': skip, 'shuffle': shuffle, 'order': order}


def test_size_equals_brute_force():
    refused = 0
    for options in small_spaces():
        expected = len(enumerate_sequences(*(options[k] for k in ('operators', 'levels', 'skip', 'shuffle', 'order'))))
        if expected < 2:
            refused += 1
            with pytest.raises(InputError, match='holds a single recipe'):
                DegradationSpace(**options)
        else:
            assert DegradationSpace(**options).size() == expected, options
    assert refused > 0


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize('skip', [{}, dict.fromkeys(KINDS, 0.5), {'geometry': 0.5, 'colour': 1.0}])
@pytest.mark.parametrize('order', [1, 2])
def test_draw_reaches_exactly_the_counted_recipes(shuffle, skip, order, rng):
    names = ('pixelate', 'hue', 'jpeg') if order == 1 else ('rotate', 'jpeg')
    options = {'operators': names, 'levels': (2,), 'skip': skip, 'shuffle': shuffle, 'order': order}
    space = DegradationSpace(**options)
    drawn = {space.draw(rng).key for _ in range(60 * space.size())}
    assert drawn == enumerate_sequences(*options.values())


def test_paths_is_the_number_of_the_paper():
    space = DegradationSpace(PAPER_LIKE, levels=(3,))
    assert [len(space.options[kind]) for kind in KINDS] == [8, 9, 9]
    assert space.paths() == 4365**2
    assert DegradationSpace(PAPER_LIKE, levels=(3,), order=1).paths() == 4365
    assert DegradationSpace(PAPER_LIKE, levels=(3,), shuffle=False).paths() == (9 * 10 * 10) ** 2
    assert DegradationSpace(PAPER_LIKE, levels=(3,), skip=0).paths() == (6 * 8 * 9 * 9) ** 2
    assert DegradationSpace(PAPER_LIKE, levels=(3,), skip=0, shuffle=False, order=3).paths() == (8 * 9 * 9) ** 3


def test_size_counts_no_sequence_twice():
    """Of two passes with geometry alone, and one option: nothing, once (two ways), twice."""
    space = DegradationSpace(['pixelate'], levels=(1,))
    assert space.size() == 3
    assert space.paths() == 4
    for order in (1, 2, 3, 4):
        assert DegradationSpace(['pixelate'], levels=(1,), order=order).size() == order + 1


def test_default_space_is_as_large_as_the_paper_states():
    space = DegradationSpace()
    assert space.kinds == KINDS
    assert space.order == 2
    assert 2e7 <= space.size() <= space.paths()
    options = [sum(len(row.signs) for row in OPERATORS.values() if row.kind == kind) * len(LEVELS) for kind in KINDS]
    assert [len(space.options[kind]) for kind in KINDS] == options


def test_options_are_what_draw_gives(rng):
    space = DegradationSpace(['rotate', 'hue', 'jpeg'], levels=(2, 4), order=1)
    drawn = {(step.operator, step.level, step.sign) for _ in range(500) for step in space.draw(rng).steps}
    assert drawn == {option for kind in KINDS for option in space.options[kind]}


def test_draw_is_a_function_of_the_rng():
    space, twin = DegradationSpace(), DegradationSpace()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = [space.draw(rng) for rng in [np.random.default_rng(5)] for _ in range(20)]
    again = [twin.draw(rng) for rng in [np.random.default_rng(5)] for _ in range(20)]
    other = [space.draw(rng) for rng in [np.random.default_rng(6)] for _ in range(20)]
    assert first == again
    assert first != other
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_seeds_of_steps_differ(rng):
    seeds = [step.seed for _ in range(500) for step in DegradationSpace().draw(rng).steps]
    assert len(set(seeds)) == len(seeds) > 1000


def kinds_of(recipe) -> tuple:
    return tuple(OPERATORS[step.operator].kind for step in recipe.steps)


@pytest.mark.parametrize('order', [1, 3])
def test_skip_zero_keeps_all_kinds(order, rng):
    fixed = DegradationSpace(skip=0, shuffle=False, order=order)
    shuffled = DegradationSpace(skip=0, order=order)
    for _ in range(50):
        assert kinds_of(fixed.draw(rng)) == KINDS * order
        kinds = kinds_of(shuffled.draw(rng))
        assert len(kinds) == 3 * order
        for start in range(0, len(kinds), 3):
            assert set(kinds[start : start + 3]) == set(KINDS)


def test_skip_one_leaves_a_kind_out(rng):
    space = DegradationSpace(skip={'geometry': 1, 'colour': 0, 'texture': 0.5})
    for _ in range(50):
        kinds = kinds_of(space.draw(rng))
        assert kinds.count('geometry') == 0
        assert kinds.count('colour') == 2


def test_skip_is_a_probability_by_kind(rng):
    skip = {'geometry': 0.2, 'colour': 0.5, 'texture': 0.9}
    space = DegradationSpace(skip=skip, order=1)
    counts = Counter(kind for _ in range(2000) for kind in kinds_of(space.draw(rng)))
    for kind, probability in skip.items():
        assert stats.binomtest(counts[kind], 2000, 1 - probability).pvalue > 1e-3


def assert_uniform(values, support) -> None:
    counts = Counter(values)
    assert set(counts) == set(support)
    assert stats.chisquare([counts[value] for value in support]).pvalue > 1e-3


def test_operators_levels_signs_and_orders_are_uniform(rng):
    space = DegradationSpace(skip=0, order=1)
    drawn = [space.draw(rng) for _ in range(4000)]
    by_kind = {kind: [s for r in drawn for s in r.steps if OPERATORS[s.operator].kind == kind] for kind in KINDS}
    for kind in KINDS:
        names = [name for name, row in OPERATORS.items() if row.kind == kind]
        assert_uniform([step.operator for step in by_kind[kind]], names)
        assert_uniform([step.level for step in by_kind[kind]], LEVELS)
        signed = [step.sign for step in by_kind[kind] if len(OPERATORS[step.operator].signs) == 2]
        if kind != 'texture':
            assert_uniform(signed, (1, -1))
    assert_uniform([kinds_of(recipe) for recipe in drawn], list(itertools.permutations(KINDS)))


def test_draw_different_never_repeats(rng):
    small = DegradationSpace(['pixelate', 'jpeg'], levels=(1,), order=1)
    for space, count in ((DegradationSpace(), 50), (small, 2), (small, 5)):
        for _ in range(50):
            keys = [recipe.key for recipe in space.draw_different(count, rng)]
            assert len(set(keys)) == len(keys) == count


def test_draw_different_can_exhaust_a_space(rng):
    space = DegradationSpace(['pixelate', 'jpeg'], levels=(1, 5))
    everything = enumerate_sequences(('pixelate', 'jpeg'), (1, 5), dict.fromkeys(KINDS, 0.5), True, 2)
    assert {recipe.key for recipe in space.draw_different(space.size(), rng)} == everything
    with pytest.raises(
        InputError, match=f'{space.size() + 1} different recipes asked for, but the space holds {space.size()}'
    ):
        space.draw_different(space.size() + 1, rng)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'operators': ['jpeg', 'blurr']}, "unknown degradation operator 'blurr'"),
        ({'operators': ['jpeg', 'jpeg']}, 'operators must not repeat'),
        ({'operators': []}, 'the space holds a single recipe'),
        ({'operators': ['jpeg'], 'levels': (1,), 'skip': 0}, 'the space holds a single recipe'),
        ({'skip': 1}, 'the space holds a single recipe'),
        ({'levels': ()}, 'levels must be different values out of'),
        ({'levels': (1, 1)}, r'levels must be different values out of .*, got \(1, 1\)'),
        ({'levels': (0, 1)}, r'levels must be different values out of .*, got \(0, 1\)'),
        ({'order': 0}, 'order must be an integer >= 1, got 0'),
        ({'order': 1.5}, 'order must be an integer >= 1, got 1.5'),
        ({'order': True}, 'order must be an integer >= 1, got True'),
        ({'skip': -0.1}, 'skip of geometry must be a probability from 0 to 1, got -0.1'),
        ({'skip': {'texture': 1.1}}, 'skip of texture must be a probability from 0 to 1, got 1.1'),
        ({'skip': float('nan')}, 'must be a probability from 0 to 1, got nan'),
        ({'skip': {'noise': 0.5}}, "skip names an unknown kind 'noise'; there are: geometry, colour, texture"),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        DegradationSpace(**options)


def test_repr_tells_the_size():
    space = DegradationSpace(['pixelate', 'jpeg'], levels=(1,), order=1)
    assert repr(space) == 'DegradationSpace(5 recipes: options geometry 1, colour 0, texture 1; order 1, shuffle True)'
