"""Recipes: JSON there and back, and what they do to a photo."""

import json
from dataclasses import FrozenInstanceError, asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, apply, operator
from mmqpt.degradations.recipe import VERSION

seeded = settings(derandomize=True, deadline=None, database=None, max_examples=60)

KEYS = [(row.name, level, sign) for row in OPERATORS.values() for level in LEVELS for sign in row.signs]
SEEDS = st.integers(0, 2**63 - 1)
steps = st.builds(lambda key, seed: Step(*key, seed), st.sampled_from(KEYS), SEEDS)
recipes = st.builds(lambda some: Recipe(tuple(some)), st.lists(steps, max_size=6))

BAD_FIELDS = st.one_of(
    st.tuples(st.just('operator'), st.one_of(st.text(), st.integers(), st.none()).filter(lambda x: x not in OPERATORS)),
    st.tuples(st.just('level'), st.one_of(st.integers().filter(lambda x: x not in LEVELS), st.text(), st.none())),
    st.tuples(st.just('sign'), st.one_of(st.integers().filter(lambda x: abs(x) != 1), st.text(), st.none())),
    st.tuples(
        st.just('seed'),
        st.one_of(st.integers(max_value=-1), st.integers(min_value=2**63), st.floats(), st.text(), st.none()),
    ),
    st.tuples(st.text().filter(lambda x: x not in ('operator', 'level', 'sign', 'seed')), st.integers()),
)


def text_of(*some_steps, **changes) -> str:
    return json.dumps({'steps': [asdict(step) for step in some_steps], 'version': VERSION, **changes})


@seeded
@given(recipes)
def test_json_round_trip(recipe):
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe
    assert Recipe.from_dict(json.loads(text)) == recipe
    assert Recipe.from_json(text).to_json() == text
    assert hash(Recipe.from_json(text)) == hash(recipe)


@seeded
@given(recipes, SEEDS)
def test_key_holds_all_but_the_seeds(recipe, seed):
    reseeded = Recipe(tuple(Step(s.operator, s.level, s.sign, seed) for s in recipe.steps))
    assert reseeded.key == recipe.key
    assert recipe.key == tuple((s.operator, s.sign, s.level) for s in recipe.steps)


@seeded
@given(steps, BAD_FIELDS)
def test_bad_field_is_rejected(step, bad):
    with pytest.raises(InputError):
        Recipe.from_json(text_of(step, steps=[{**asdict(step), bad[0]: bad[1]}]))


@seeded
@given(steps, st.sampled_from(['operator', 'level']))
def test_missing_field_is_rejected(step, field):
    data = asdict(step)
    del data[field]
    with pytest.raises(InputError, match='not a recipe'):
        Recipe.from_json(text_of(steps=[data]))


@seeded
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_other_json_is_rejected(data):
    with pytest.raises(InputError, match='not a recipe'):
        Recipe.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'version': VERSION + 1}, f'recipe of version {VERSION + 1}, but this mmqpt replays version {VERSION}'),
        ({'version': None}, 'recipe of version None'),
        ({'steps': None}, 'not a recipe'),
        ({'steps': [7]}, 'not a recipe'),
        ({'steps': [{'operator': 'jpeg', 'level': 1, 'colour': 2}]}, 'not a recipe .*colour'),
        ({'steps': [{'operator': 'blurr', 'level': 1}]}, "unknown degradation operator 'blurr'"),
        ({'steps': [{'operator': 'jpeg', 'level': 6}]}, 'jpeg: level must be one of .*, got 6'),
        ({'steps': [{'operator': 'jpeg', 'level': 1, 'sign': -1}]}, 'jpeg: sign must be one of .*, got -1'),
        (
            {'steps': [{'operator': 'jpeg', 'level': 1, 'seed': -1}]},
            'jpeg: seed must be an integer from 0 to .*, got -1',
        ),
    ],
)
def test_bad_recipes(changes, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_json(text_of(**changes))


@pytest.mark.parametrize('field', ['steps', 'version'])
def test_missing_part(field):
    data = {'steps': [], 'version': VERSION}
    del data[field]
    with pytest.raises(InputError, match='not a recipe, which has the fields version and steps'):
        Recipe.from_json(json.dumps(data))


def test_unknown_part():
    with pytest.raises(InputError, match='not a recipe'):
        Recipe.from_json(text_of(colour='blue'))


def test_level_of_the_wrong_type():
    with pytest.raises(InputError, match='level must be one of'):
        Step('rotate', 1.0)


@pytest.mark.parametrize('text', ['', '{', "{'steps': []}", 'jpeg 3'])
def test_no_json(text):
    with pytest.raises(InputError, match='a recipe must be JSON'):
        Recipe.from_json(text)


def test_frozen():
    step = Step('jpeg', 3)
    with pytest.raises(FrozenInstanceError):
        step.level = 4
    with pytest.raises(FrozenInstanceError):
        Recipe((step,)).steps = ()


def test_text_for_people():
    recipe = Recipe((Step('jpeg', 3), Step('rotate', 2, -1), Step('rotate', 2, 1)))
    assert str(recipe) == 'jpeg 3, rotate- 2, rotate+ 2'
    assert str(Recipe()) == 'no degradation'


def test_no_steps_give_a_copy(photos):
    for photo in (photos[0], photos[0][10:50, 10:60]):
        out = apply(Recipe(), photo)
        np.testing.assert_array_equal(out, photo)
        assert not np.shares_memory(out, photo)


@seeded
@given(recipes)
def test_apply_is_one_step_after_the_other(recipe):
    image = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    kept = image.copy()
    out = image
    for step in recipe.steps:
        row = operator(step.operator)
        value = row.value(step.level, step.sign)
        out = row.function(out, value, step.seed) if row.seeded else row.function(out, value)
    np.testing.assert_array_equal(apply(recipe, image), out)
    np.testing.assert_array_equal(apply(Recipe.from_json(recipe.to_json()), image), out)
    np.testing.assert_array_equal(image, kept)


def test_order_of_the_steps_matters(photos):
    photo = photos[2][:80, :80]
    noise, blur = Step('white_noise', 3, seed=1), Step('gaussian_blur', 3)
    assert np.abs(apply(Recipe((noise, blur)), photo).astype(int) - apply(Recipe((blur, noise)), photo)).mean() > 1


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((4, 4), np.uint8), r'image must be a uint8 array of shape \(H, W, 3\), got uint8 \(4, 4\)'),
        (np.zeros((4, 4, 4), np.uint8), r'got uint8 \(4, 4, 4\)'),
        (np.zeros((4, 4, 3), np.float32), r'got float32 \(4, 4, 3\)'),
        ([[[0, 0, 0]]], "got <class 'list'> None"),
        (np.zeros((0, 4, 3), np.uint8), r'image must have pixels, got shape \(0, 4, 3\)'),
    ],
)
def test_bad_image(image, message):
    with pytest.raises(InputError, match=message):
        apply(Recipe(), image)
