"""Spaces with named groups: counted by brute force, drawn in their order, far and near recipes, JSON."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from mmengine.config import Config
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.degradations import LEVELS, DegradationSpace, Recipe, Step, draw_different, recipe_distance

# Two groups hold operators of one kind, one group operators of two kinds.
GROUPS = {
    'light': {'operators': ['exposure', 'haze'], 'levels': [2], 'skip': 0.3},
    'lens': {'operators': ['defocus_blur'], 'skip': 0.0},
    'codec': {'options': [('jpeg', 1, 1), ('jpeg', 4, 1), ('pixelate', 3, 1)], 'weights': {'jpeg': 3}},
}
OPTIONS = {
    'light': [('exposure', 1, 2), ('exposure', -1, 2), ('haze', 1, 2)],
    'lens': [('defocus_blur', 1, 3)],
    'codec': [('jpeg', 1, 1), ('jpeg', 1, 4), ('pixelate', 1, 3)],
}
MAY_SKIP = {'light', 'codec'}


def space_of(**changes):
    return DegradationSpace(**{'groups': GROUPS, 'levels': [3], 'skip': 0.5, 'order': 1, 'shuffle': False, **changes})


def sequences(shuffle, order, groups=OPTIONS):
    """Keys of all recipes, by walking through every decision."""
    one_pass = set()
    for line_up in itertools.permutations(groups) if shuffle else [tuple(groups)]:
        steps = [[(option,) for option in groups[name]] + [()] * (name in MAY_SKIP) for name in line_up]
        one_pass |= {tuple(itertools.chain(*way)) for way in itertools.product(*steps)}
    return {tuple(itertools.chain(*passes)) for passes in itertools.product(one_pass, repeat=order)}


@pytest.mark.parametrize('order', [1, 2])
@pytest.mark.parametrize('shuffle', [True, False])
def test_size_equals_brute_force_and_contains_what_it_counts(shuffle, order, rng):
    space, expected = space_of(shuffle=shuffle, order=order), sequences(shuffle, order)
    assert space.size() == len(expected)
    assert all(Recipe(tuple(Step(name, level, sign) for name, sign, level in key)) in space for key in expected)
    drawn = {space.draw(rng).key for _ in range(500)}
    assert drawn <= expected
    assert len(drawn) > min(40, len(expected) - 1)


def test_paths_are_the_ways_of_a_pass():
    assert space_of().paths() == (3 + 1) * 1 * (3 + 1)
    assert space_of(order=3).paths() == 16**3
    assert space_of(shuffle=True).paths() == 1 + 2 * 3 + 2 * 3 + 6 * 9


@pytest.mark.parametrize('shuffle', [True, False])
def test_draw_reaches_every_recipe(shuffle, rng):
    space = space_of(shuffle=shuffle)
    assert {space.draw(rng).key for _ in range(150 * space.size())} == sequences(shuffle, 1)


def test_order_is_the_one_given_or_shuffled(rng):
    groups = {'codec': ['jpeg'], 'light': ['haze'], 'lens': ['defocus_blur']}
    names = ('jpeg', 'haze', 'defocus_blur')
    fixed, shuffled = (DegradationSpace(groups=groups, skip=0, order=1, shuffle=shuffle) for shuffle in (False, True))
    assert {tuple(step.operator for step in fixed.draw(rng).steps) for _ in range(50)} == {names}
    counts = Counter(tuple(step.operator for step in shuffled.draw(rng).steps) for _ in range(3000))
    assert set(counts) == set(itertools.permutations(names))
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_each_group_has_its_skip_and_weights(rng):
    space = space_of()
    drawn = [space.draw(rng) for _ in range(4000)]
    counts = Counter(step.operator for recipe in drawn for step in recipe.steps)
    assert counts['defocus_blur'] == 4000
    assert stats.binomtest(counts['exposure'] + counts['haze'], 4000, 0.7).pvalue > 1e-3
    codec = counts['jpeg'] + counts['pixelate']
    assert stats.binomtest(codec, 4000, 0.5).pvalue > 1e-3  # the skip of the space
    assert stats.binomtest(counts['jpeg'], codec, 0.75).pvalue > 1e-3


def test_mild_levels_are_likelier_in_every_group(rng):
    severity = (5, 4, 2, 1, 0.5)
    space = DegradationSpace(groups={'a': ['exposure', 'jpeg'], 'b': ['haze']}, severity=severity, skip=0, order=1)
    steps = [step for _ in range(3000) for step in space.draw(rng).steps]
    for name in ('exposure', 'jpeg', 'haze'):
        counts = Counter(step.level for step in steps if step.operator == name)
        expected = np.array(severity) / sum(severity) * sum(counts.values())
        assert stats.chisquare([counts[level] for level in LEVELS], expected).pvalue > 1e-3


def test_a_list_is_its_operators_at_all_levels():
    space = DegradationSpace(groups={'one': ['jpeg', 'exposure'], 'two': ('haze',)})
    assert space.groups == ('one', 'two')
    assert space.count_options() == {'one': 15, 'two': 5}
    assert repr(space).endswith('options one 15, two 5; choice group, order 2, shuffle True)')


def test_what_a_draw_gives_goes_through_json(rng):
    space = space_of(order=2)
    for _ in range(50):
        recipe = space.draw(rng)
        assert Recipe.from_json(recipe.to_json()) == recipe
        assert Recipe.from_json(recipe.to_json()) in space


def test_a_space_comes_from_json_and_from_a_config(tmp_path):
    """With its groups in their order, on which what a seed draws depends."""
    arguments = {'groups': GROUPS, 'levels': [3], 'skip': 0.5, 'order': 1, 'shuffle': False}
    path = tmp_path / 'config.py'
    path.write_text(f'space = {arguments!r}\n')
    spaces = [
        DegradationSpace(**arguments),
        DegradationSpace(**json.loads(json.dumps(arguments))),
        PatchPairs(32, space=Config.fromfile(path).space).space,
    ]
    assert len({space.groups for space in spaces}) == 1
    for seed in range(30):
        assert len({space.draw(np.random.default_rng(seed)) for space in spaces}) == 1


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize(
    ('least', 'most', 'count'), [(0.2, 0.2, 2), (0, 0.4, 3), (0, 1, 4), (1, 2, 2), (2, None, 4), (0.9, 1.3, 3)]
)
def test_distances_are_kept(shuffle, least, most, count, rng):
    space = DegradationSpace.preset('camera', shuffle=shuffle)
    for _ in range(50):
        recipes = draw_different(space, count, rng, least, most)
        assert all(recipe in space for recipe in recipes)
        for one, two in itertools.combinations(recipes, 2):
            assert one.key != two.key
            assert least - 1e-9 <= recipe_distance(one, two) <= (most or 99) + 1e-9


def test_mild_pairs_change_one_step_of_any_group(rng):
    space = DegradationSpace.preset('camera', skip=0)
    changed = Counter()
    for _ in range(1500):
        one, two = draw_different(space, 2, rng, max_distance=0.2)
        ((place, before, after),) = [
            (i, a, b) for i, (a, b) in enumerate(zip(one.steps, two.steps, strict=True)) if a != b
        ]
        assert (before.operator, before.seed) == (after.operator, after.seed)
        assert abs(before.sign * before.level - after.sign * after.level) == 1
        changed[space.groups[place]] += 1
    assert set(changed) == set(space.groups)
    assert stats.chisquare(list(changed.values())).pvalue > 1e-3


def test_operators_may_be_added_to_a_group_by_name():
    space = DegradationSpace.preset('camera', extra={'sensor': ['line_noise'], 'codec': ['jpeg2000']})
    plain = DegradationSpace.preset('camera').count_options()
    assert space.count_options() == {**plain, 'sensor': plain['sensor'] + 5, 'codec': plain['codec'] + 5}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'groups': {}}, 'groups must hold operators by the name of their group, got {}'),
        ({'groups': ['jpeg']}, r"groups must hold operators by the name of their group, got \['jpeg'\]"),
        ({'operators': ['jpeg']}, 'groups name operators and weights: leave out operators, options, weights'),
        ({'weights': {'jpeg': 2}}, 'groups name operators and weights'),
        ({'choice': 'one'}, 'groups name operators and weights: leave out .* choice'),
        ({'skip': {'light': 0.5}}, 'with groups, skip must be one probability: give a group a skip of its own'),
        ({'skip': 2}, 'group codec: skip must be a probability from 0 to 1, got 2'),
        ({'groups': {'a': {'operators': ['jpeg'], 'skipp': 1}}}, "group a: unknown 'skipp'; a group takes: operators,"),
        ({'groups': {'a': {}}}, 'group a: give operators or options'),
        ({'groups': {'a': []}}, 'group a: give at least one operator'),
        ({'groups': {'a': 'jpeg'}}, "group a: operators must be a list of names of operators, got 'jpeg'"),
        ({'groups': {'a': ['blurr']}}, "group a: unknown degradation operator 'blurr'"),
        ({'groups': {'a': {'operators': ['jpeg'], 'levels': [6]}}}, r'group a: levels must be .*, got \[6\]'),
        ({'groups': {'a': {'operators': ['jpeg'], 'weights': {'haze': 1}}}}, "group a: weights names 'haze'"),
        ({'groups': {'a': ['jpeg'], 'b': ['haze', 'jpeg']}}, "must be in one group, got 'jpeg' in a and b"),
        ({'groups': {3: ['jpeg']}}, 'the name of a group must be a text, got 3'),
        ({'extra': ['webp']}, r"with groups, extra must hold operators by the name of a group, got \['webp'\]"),
        ({'extra': {'sensor': ['grain']}}, "extra names an unknown group 'sensor'; there are: light, lens, codec"),
        ({'extra': {'codec': ['jpeg']}}, "group codec: extra must name other operators than the space has, got 'jpeg'"),
        ({'groups': {'a': {'operators': ['jpeg'], 'skip': 1}}}, 'the space holds a single recipe'),
        ({'groups': None, 'extra': {'codec': ['jpeg']}}, 'without groups, extra must be a list of names of operators'),
    ],
)
def test_errors(changes, message):
    with pytest.raises(InputError, match=message):
        space_of(**changes)
