"""Recipes: JSON there and back, and what they do to a photo."""

import json
from copy import deepcopy
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS, OPERATORS, Recipe, Step, apply, operator
from mmqpt.degradations.recipe import FORMAT

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
    st.tuples(st.just('version'), st.one_of(st.integers().filter(lambda x: x != 1), st.floats(), st.text())),
    st.tuples(st.text().filter(lambda x: x not in ('operator', 'level', 'sign', 'seed', 'version')), st.integers()),
)


def text_of(*some_steps, **changes) -> str:
    return json.dumps({'steps': [asdict(step) for step in some_steps], 'format': FORMAT, **changes})


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
        ({'format': FORMAT + 1}, f'recipe of format {FORMAT + 1}, but this mmqpt reads formats 1 and {FORMAT}'),
        ({'format': None}, 'recipe of format None'),
        ({'format': float(FORMAT)}, f'recipe of format {FORMAT}.0'),
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


@pytest.mark.parametrize('field', ['steps', 'format'])
def test_missing_part(field):
    data = {'steps': [], 'format': FORMAT}
    del data[field]
    with pytest.raises(InputError, match='not a recipe, which has the fields format and steps'):
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
        (np.zeros((4, 4), np.uint8), r'an RGB uint8 array of shape \(H, W, 3\), got uint8 \(4, 4\): np.stack'),
        (np.zeros((4, 4, 1), np.uint8), r'got uint8 \(4, 4, 1\): image.repeat'),
        (np.zeros((4, 4, 4), np.uint8), r'got uint8 \(4, 4, 4\): image\[..., :3\] leaves the alpha channel out'),
        (np.zeros((4, 4, 3), np.float32), r'got float32 \(4, 4, 3\): \(255 \* image\)'),
        (np.zeros((4, 4, 3), np.uint16), r'got uint16 \(4, 4, 3\)$'),
        (np.zeros((3, 4, 5), np.uint8), r'got uint8 \(3, 4, 5\): image.transpose\(1, 2, 0\)'),
        (np.zeros(4, np.uint8), r'got uint8 \(4,\)$'),
        ([[[0, 0, 0]]], 'got list$'),
        (None, 'got NoneType$'),
        (torch.zeros(3, 4, 5), r'got Tensor: image.permute\(1, 2, 0\)'),
        (Image.new('L', (3, 4)), r"got Image: np.asarray\(image.convert\('RGB'\)\)"),
        ('photo.jpg', 'got str: mmqpt.core.photo.read_photo reads a file'),
        (Path('photo.jpg'), 'Path: mmqpt.core.photo.read_photo reads a file'),
        (np.zeros((0, 4, 3), np.uint8), r'image must have pixels, got shape \(0, 4, 3\)'),
    ],
)
def test_bad_image(image, message):
    with pytest.raises(InputError, match=message):
        apply(Recipe(), image)


@pytest.mark.parametrize('hint', ['np.stack([image] * 3, axis=2)', 'image[..., None].repeat(3, axis=2)'])
def test_hints_for_grey_photos_work(hint):
    image = np.full((4, 5), 7, np.uint8)
    assert apply(Recipe(), eval(hint, {'np': np, 'image': image})).shape == (4, 5, 3)


def test_steps_make_a_recipe(photos):
    photo = photos[0][:40, :40]
    recipe = Recipe((Step('jpeg', 3), Step('rotate', 2, -1, 5)))
    assert Recipe([Step('jpeg', 3), ('rotate', 2, -1, 5)]) == recipe
    assert Recipe([['jpeg', 3], ['rotate', 2, -1, 5]]) == recipe
    assert Recipe(Step('jpeg', 3)) == Recipe((Step('jpeg', 3),))
    expected = apply(recipe, photo)
    for same in (list(recipe.steps), recipe.steps, [('jpeg', 3), ('rotate', 2, -1, 5)]):
        np.testing.assert_array_equal(apply(same, photo), expected)
    np.testing.assert_array_equal(apply(Step('jpeg', 3), photo), apply(Recipe([('jpeg', 3)]), photo))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('jpeg', r"a recipe is a sequence of steps, as in Recipe\(\[\('jpeg', 3\)\]\), got 'jpeg'; Recipe.from_json"),
        ({'steps': []}, 'got {.*}; Recipe.from_dict reads'),
        (3, 'a recipe is a sequence of steps, .* got int'),
        (None, 'got NoneType'),
        (['jpeg'], r"a step is Step\('jpeg', 3\) or \('jpeg', 3\): .* got 'jpeg'"),
        (('jpeg', 3), r"a step is .* got 'jpeg'"),
        ([('jpeg',)], r"a step is .* got \('jpeg',\)"),
        ([('jpeg', 9)], 'jpeg: level must be one of .*, got 9'),
        ([3], 'a step is .* got 3'),
    ],
)
def test_no_recipe(given, message):
    with pytest.raises(InputError, match=message):
        Recipe(given)
    with pytest.raises(InputError, match=message):
        apply(given, np.zeros((4, 4, 3), np.uint8))


def test_image_before_the_recipe():
    image = np.zeros((4, 4, 3), np.uint8)
    for swapped in (image, Image.fromarray(image), torch.zeros(3, 4, 4)):
        with pytest.raises(InputError, match=r'the recipe comes first, then the image, as in apply\(recipe, image\)'):
            apply(swapped, Recipe())


def test_json_must_be_text():
    with pytest.raises(InputError, match='a recipe must be JSON text, got dict'):
        Recipe.from_json({'steps': []})


def test_recipes_stored_before_there_was_a_format_are_read():
    text = '{"steps": [{"operator": "lens", "level": 3, "sign": -1, "seed": 12}], "version": 1}'
    assert Recipe.from_json(text) == Recipe((Step('lens', 3, -1, 12),))
    with pytest.raises(InputError, match='recipe of version 2, but without a format there is version 1 alone'):
        Recipe.from_json('{"steps": [], "version": 2}')


def test_recipes_by_hand_need_no_versions():
    text = '{"format": 2, "steps": [{"operator": "jpeg", "level": 3}]}'
    assert Recipe.from_json(text) == Recipe([('jpeg', 3)])


@pytest.fixture
def newer_jpeg(monkeypatch):
    """A table in which JPEG's pixels have changed."""
    monkeypatch.setitem(OPERATORS, 'jpeg', replace(OPERATORS['jpeg'], version=2))


def test_a_recipe_is_refused_only_where_its_own_operators_changed(request):
    jpeg, lens = Recipe([('jpeg', 3)]), Recipe([('lens', 3)])
    stored = [recipe.to_json() for recipe in (jpeg, lens)]
    old = '{"steps": [{"operator": "%s", "level": 3, "sign": 1, "seed": 0}], "version": 1}'
    request.getfixturevalue('newer_jpeg')
    assert Recipe.from_json(stored[1]) == lens
    assert Recipe.from_json(old % 'lens') == lens
    message = 'version 1 of operator jpeg, this mmqpt has version 2: the pixels would differ'
    for text in (stored[0], old % 'jpeg'):
        with pytest.raises(InputError, match=message):
            Recipe.from_json(text)
    assert Recipe.from_json(jpeg.to_json()) == jpeg
    assert json.loads(jpeg.to_json())['steps'][0]['version'] == 2


def test_a_new_operator_refuses_nothing(monkeypatch):
    stored = Recipe([('jpeg', 3), ('rotate', 2)]).to_json()
    monkeypatch.setitem(OPERATORS, 'newcomer', replace(OPERATORS['jpeg'], name='newcomer'))
    assert Recipe.from_json(stored) == Recipe([('jpeg', 3), ('rotate', 2)])


def test_a_copy_of_a_recipe_is_the_recipe():
    """The metainfo of a sample is copied; recipes can't change."""
    recipe = Recipe([('jpeg', 3), ('haze', 2)])
    assert deepcopy([recipe])[0] is recipe
    assert deepcopy(recipe.steps)[0] is recipe.steps[0]
