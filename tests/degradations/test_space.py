"""The space of degradations: counted by brute force, drawn from evenly."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.degradations import KINDS, LEVELS, OPERATORS, DegradationSpace, Recipe, Step
from mmqpt.degradations.space import short

# 8, 9 and 9 options with one level: 4 unsigned and 2 signed, 3 and 3, and 9 unsigned operators.
PAPER_LIKE = (
    ['perspective', 'elastic', 'resample_area', 'pixelate', 'rotate', 'lens']
    + ['channel_shift', 'quantise', 'haze', 'hue', 'contrast', 'gamma']
    + [row.name for row in OPERATORS.values() if row.kind == 'texture'][:9]
)


def enumerate_sequences(names, levels, skip, shuffle, order, choice='kind') -> set:
    """All flat sequences of (operator, sign, level), by walking through every way to make the decisions of ``draw``."""
    line = sorted(names, key=lambda name: KINDS.index(OPERATORS[name].kind)) if choice == 'kind' else names
    grouped: dict = {}
    for name in line:
        group = {'kind': OPERATORS[name].kind, 'operator': name, 'one': 'any'}[choice]
        grouped.setdefault(group, [])
        grouped[group] += [(name, sign, level) for sign in OPERATORS[name].signs for level in levels]
    one_pass = set()
    for line_up in itertools.permutations(grouped) if shuffle else [grouped]:
        choices = []
        for group in line_up:
            share = skip.get(group, skip.get(OPERATORS[grouped[group][0][0]].kind, 0))
            kept = [[option] for option in grouped[group]] if share < 1 else []
            left_out = [[]] if share > 0 else []
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
        ('pixelate', 'resample_area'),
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


@pytest.mark.parametrize('choice', ['operator', 'one'])
def test_size_of_other_choices_equals_brute_force(choice):
    skips = [0.5, 0.0] if choice == 'one' else [0.5, 0.0, {'texture': 0.5}, {'texture': 0.5, 'jpeg': 0, 'hue': 1}]
    for names in (('jpeg', 'pixelate'), ('jpeg', 'hue', 'denoise')):
        for skip, shuffle, order in itertools.product(skips, (True, False), (1, 2, 3)):
            by_kind = skip if isinstance(skip, dict) else dict.fromkeys(KINDS, skip)
            expected = enumerate_sequences(names, (3,), by_kind, shuffle, order, choice)
            options = {'levels': (3,), 'skip': skip, 'shuffle': shuffle, 'order': order, 'choice': choice}
            if len(expected) < 2:
                with pytest.raises(InputError, match='holds a single recipe'):
                    DegradationSpace(names, **options)
            else:
                assert DegradationSpace(names, **options).size() == len(expected), (names, options)


def test_operators_as_steps_are_counted_at_once():
    space = DegradationSpace(choice='operator', skip=0.95, order=3)
    assert set(space.groups) == {name for name, row in OPERATORS.items() if not row.scattered}
    assert 10**400 < space.size() < space.paths()


@pytest.mark.parametrize('choice', ['kind', 'operator', 'one'])
@pytest.mark.parametrize('shuffle', [True, False])
def test_contains_what_it_draws_and_no_more(choice, shuffle, rng):
    names = ('jpeg', 'pixelate', 'denoise')
    skip = {'kind': {'texture': 0.5}, 'operator': {'texture': 0.5, 'geometry': 0.2}, 'one': 0.5}[choice]
    options = {'levels': (3,), 'skip': skip, 'shuffle': shuffle, 'choice': choice}
    space = DegradationSpace(names, **options)
    everything = [
        Recipe(tuple(Step(name, 3) for name in word))
        for length in range(space.order * len(names) + 1)
        for word in itertools.product(names, repeat=length)
    ]
    inside = {recipe.key for recipe in everything if recipe in space}
    assert len(inside) == space.size()
    assert {space.draw(rng).key for _ in range(150 * space.size())} == inside
    assert Recipe((Step('jpeg', 4),)) not in space
    assert Recipe((Step('hue', 3),)) not in space


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
    assert list(space.count_options().values()) == [8, 9, 9]
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


def test_default_space_is_larger_than_the_paper_states():
    space = DegradationSpace()
    assert space.groups == KINDS
    assert space.order == 2
    assert 1e10 <= space.size() <= space.paths()
    rows = [row for row in OPERATORS.values() if not row.scattered]
    options = [sum(len(row.signs) for row in rows if row.kind == kind) * len(LEVELS) for kind in KINDS]
    assert list(space.count_options().values()) == options


def test_options_are_what_draw_gives(rng):
    space = DegradationSpace(['rotate', 'hue', 'jpeg'], levels=(2, 4), order=1)
    drawn = {(step.operator, step.level, step.sign) for _ in range(500) for step in space.draw(rng).steps}
    assert drawn == set(space.options)


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
        names = [name for name, row in OPERATORS.items() if row.kind == kind and not row.scattered]
        assert_uniform([step.operator for step in by_kind[kind]], names)
        assert_uniform([step.level for step in by_kind[kind]], LEVELS)
        signed = [step.sign for step in by_kind[kind] if len(OPERATORS[step.operator].signs) == 2]
        if kind != 'texture':
            assert_uniform(signed, (1, -1))
    assert_uniform([kinds_of(recipe) for recipe in drawn], list(itertools.permutations(KINDS)))


def share_of(counts: Counter, expected: dict) -> float:
    total = sum(expected.values())
    drawn = sum(counts.values())
    assert set(counts) <= set(expected)
    return stats.chisquare([counts[key] for key in expected], [drawn * e / total for e in expected.values()]).pvalue


@pytest.mark.parametrize('choice', ['kind', 'one'])
def test_weights_and_severity_are_shares(choice, rng):
    weights, severity = {'jpeg': 3, 'denoise': 0.5}, (5, 4, 3, 2, 1)
    names = ('jpeg', 'denoise', 'ringing')
    space = DegradationSpace(names, skip=0, order=1, choice=choice, weights=weights, severity=severity)
    steps = [step for _ in range(4000) for step in space.draw(rng).steps]
    assert len(steps) == 4000
    assert share_of(Counter(step.operator for step in steps), {**weights, 'ringing': 1}) > 1e-3
    for name in names:
        levels = Counter(step.level for step in steps if step.operator == name)
        assert share_of(levels, dict(zip(LEVELS, severity, strict=True))) > 1e-3


def test_severity_goes_to_both_directions_and_chosen_levels_alone(rng):
    space = DegradationSpace(['hue'], levels=(1, 5), skip=0, order=1, severity=(4, 1, 1, 1, 1))
    drawn = Counter((step.level, step.sign) for _ in range(3000) for step in space.draw(rng).steps)
    assert share_of(drawn, {(1, 1): 4, (1, -1): 4, (5, 1): 1, (5, -1): 1}) > 1e-3


def test_given_options_are_all_that_is_drawn(rng):
    options = [('jpeg', 3, 1), ('hue', 2, -1), ['rotate', 5, 1], ('jpeg', 5, 1)]
    space = DegradationSpace(options=options, skip=0, order=1, severity=(1, 1, 2, 1, 1))
    assert space.options == tuple(map(tuple, options))
    assert space.size() == 6 * 2
    drawn = Counter((s.operator, s.level, s.sign) for _ in range(2000) for s in space.draw(rng).steps)
    assert drawn['hue', 2, -1] == drawn['rotate', 5, 1] == 2000
    assert stats.binomtest(drawn['jpeg', 3, 1], 2000, 2 / 3).pvalue > 1e-3
    assert drawn.total() == 6000


def test_operators_as_steps_are_skipped_and_shuffled_on_their_own(rng):
    skip = {'texture': 0.8, 'geometry': 0.5, 'jpeg': 0.1, 'denoise': 1}
    names = ('jpeg', 'ringing', 'pixelate', 'hue', 'denoise')
    space = DegradationSpace(names, skip=skip, order=1, choice='operator')
    drawn = [[step.operator for step in space.draw(rng).steps] for _ in range(3000)]
    counts = Counter(name for word in drawn for name in word)
    for name, share in {'jpeg': 0.9, 'ringing': 0.2, 'pixelate': 0.5, 'hue': 1, 'denoise': 0}.items():
        assert stats.binomtest(counts[name], 3000, share).pvalue > 1e-3
    pairs = [(word.index('jpeg') < word.index('pixelate')) for word in drawn if {'jpeg', 'pixelate'} <= set(word)]
    assert stats.binomtest(sum(pairs), len(pairs), 0.5).pvalue > 1e-3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'choice': 'any'}, "choice must be one of .*, got 'any'"),
        ({'choice': 'one', 'skip': {'texture': 1}}, "skip must be one probability with choice 'one'"),
        ({'choice': 'operator', 'skip': {'blurr': 1}}, "skip names an unknown kind 'blurr'; there are: .*, jpeg"),
        ({'choice': 'operator', 'weights': {'jpeg': 2}}, "weights have no meaning with choice 'operator'"),
        ({'weights': {'blurr': 2}}, "weights names 'blurr', which is none of the operators of the space"),
        ({'weights': {'jpeg': 0}}, 'weight of jpeg must be a number > 0, got 0'),
        ({'severity': (1, 1)}, r'severity must be 5 numbers, one for each level, got \(1, 1\)'),
        ({'severity': (1, 1, 1, 1, -1)}, 'severity of level 5 must be a number > 0, got -1'),
        ({'severity': 2}, 'severity must be 5 numbers'),
        ({'options': [('jpeg', 3, 1)], 'levels': (3,)}, 'options already name operators and levels'),
        ({'options': [('jpeg', 3)]}, r"an option must be an operator, a level and a direction .* got \('jpeg', 3\)"),
        ({'options': ['jpeg']}, "an option must be .* got 'jpeg'"),
        ({'options': [('jpeg', 3, -1)]}, r'jpeg: sign must be one of \(1,\), got -1'),
        ({'options': [('jpeg', 3, 1)] * 2}, r"options must not repeat, got \('jpeg', 3, 1\) more than once"),
        ({'options': []}, 'the space holds a single recipe'),
        ({'operators': ['jpeg', 'blurr']}, "unknown degradation operator 'blurr'"),
        ({'operators': ['jpeg', 'jpeg']}, 'operators must not repeat'),
        ({'operators': 'jpeg'}, "operators must be a list of names of operators, got 'jpeg'"),
        ({'operators': 'large'}, r"'large' is a preset: write DegradationSpace.preset\('large'\)"),
        ({'preset': 'large'}, r"'large' is a preset: write DegradationSpace.preset\('large'\)"),
        ({'preset': 'small'}, "unknown preset 'small'; there are: qpt-paper, large"),
        ({'operators': 3}, 'operators must be a list of names of operators, got 3'),
        ({'options': 'jpeg'}, r"options must be a list of \(operator, level, direction\), got 'jpeg'"),
        ({'weights': ['jpeg']}, r"weights must be a number for each of some operators, by name, got \['jpeg'\]"),
        ({'levels': 5}, 'levels must be different values out of .*, got 5'),
        ({'levels': '15'}, "levels must be different values out of .*, got '15'"),
        ({'operators': []}, 'the space holds a single recipe'),
        ({'operators': ['jpeg'], 'levels': (1,), 'skip': 0}, 'the space holds a single recipe'),
        ({'skip': 1}, 'the space holds a single recipe'),
        ({'levels': ()}, 'levels must be different values out of'),
        ({'levels': (1, 1)}, r'levels must be different values out of .*, got \(1, 1\)'),
        ({'levels': (0, 1)}, r'levels must be different values out of .*, got \(0, 1\)'),
        ({'order': 0}, 'order must be an integer >= 1, got 0'),
        ({'order': 1.5}, 'order must be an integer >= 1, got 1.5'),
        ({'order': True}, 'order must be an integer >= 1, got True'),
        ({'skip': -0.1}, 'skip must be a probability from 0 to 1, got -0.1'),
        ({'skip': {'texture': 1.1}}, 'skip of texture must be a probability from 0 to 1, got 1.1'),
        ({'skip': float('nan')}, 'must be a probability from 0 to 1, got nan'),
        ({'skip': {'noise': 0.5}}, "skip names an unknown kind 'noise'; there are: geometry, colour, texture"),
    ],
)
def test_errors(options, message):
    with pytest.raises(InputError, match=message):
        DegradationSpace(**options)


@pytest.mark.parametrize('rng', [0, np.random, np.random.RandomState(0), random.Random(0)])
def test_draw_takes_a_generator_alone(rng):
    with pytest.raises(InputError, match=r'rng must be a NumPy generator, such as numpy.random.default_rng\(0\), got '):
        DegradationSpace().draw(rng)


def test_draw_without_a_generator():
    with pytest.raises(InputError, match=r'such as numpy.random.default_rng\(0\), got nothing'):
        DegradationSpace().draw()


def test_config_may_be_the_name_of_a_preset_or_a_space():
    space = DegradationSpace.from_config('kadid')
    assert space.options == DegradationSpace.preset('kadid').options
    assert DegradationSpace.from_config(space) is space
    for config in (3, ['kadid']):
        with pytest.raises(InputError, match='space must be a dict of arguments or the name of a preset, got '):
            DegradationSpace.from_config(config)


def test_repr_tells_the_size():
    space = DegradationSpace(['pixelate', 'jpeg'], levels=(1,), order=1)
    assert repr(space) == (
        'DegradationSpace(5 recipes in 5 ways: options geometry 1, colour 0, texture 1; '
        'choice kind, order 1, shuffle True)'
    )


@pytest.mark.parametrize(
    ('number', 'text'),
    [
        (0, '0'),
        (999_999, '999999'),
        (10**6, '1.00e6'),
        (23_892_544, '2.39e7'),
        (9_999_999, '1.00e7'),
        (10**400, '1.00e400'),
    ],
)
def test_short_numbers(number, text):
    assert short(number) == text
