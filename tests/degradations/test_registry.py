"""A user's operators: registered, drawn, stored, and there again in another process."""

import importlib
import multiprocessing
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.degradations import (
    LEVELS,
    OPERATORS,
    PRESETS,
    DegradationSpace,
    Recipe,
    Step,
    all_operators,
    apply,
    apply_region,
    draw_different,
    load_operators,
    operator,
    recipe_distance,
    register_operator,
    registry,
    row,
)
from mmqpt.degradations.rows import row_of

MODULE = """
import numpy as np
from mmqpt.degradations import register_operator, row

@register_operator
@row('texture', unit='grey levels', levels=(10, 20, 30, 40, 50), source='a test', reach=0, mirrored=True)
def lift(image, amount):
    '''Add ``amount`` grey levels.'''
    return (image.astype(int) + amount).clip(0, 255).astype(np.uint8)
"""
IMAGE = np.full((6, 7, 3), 100, np.uint8)


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch):
    monkeypatch.setattr(registry, '_REGISTERED', {})


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's module on the path, imported."""
    (tmp_path / 'my_lift.py').write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module('my_lift')
    sys.modules.pop('my_lift', None)


@pytest.mark.usefixtures('module')
def test_is_an_operator_like_any_other():
    found = operator('lift')
    assert list(all_operators()) == [*OPERATORS, 'lift']
    assert found.summary == 'Add `amount` grey levels'
    assert found.version == 1
    recipe = Recipe([('lift', 3), ('lift', 1, -1)])
    assert apply(recipe, IMAGE)[0, 0].tolist() == [120] * 3
    np.testing.assert_array_equal(apply_region(recipe, IMAGE, 1, 1, 2, 3), apply(recipe, IMAGE)[1:3, 1:4])
    assert recipe_distance(recipe, Recipe([('jpeg', 3), ('lift', 1, -1)])) == pytest.approx(0.9)
    assert str(recipe) == 'lift+ 3, lift- 1'


def test_changes_no_space_that_does_not_name_it(request):
    def drawn():
        spaces = [DegradationSpace(), *map(DegradationSpace.preset, PRESETS)]
        recipes = [draw_different(space, 5, np.random.default_rng(3)) for space in spaces]
        return [space.options for space in spaces], recipes

    before = drawn()
    request.getfixturevalue('module')
    assert drawn() == before
    assert 'lift' not in OPERATORS


@pytest.mark.usefixtures('module')
@pytest.mark.parametrize(
    'config',
    [
        {'operators': ['lift', 'jpeg']},
        {'extra': ['lift'], 'operators': ['jpeg']},
        {'options': [('lift', level, sign) for level in LEVELS for sign in (1, -1)] + [('jpeg', 1, 1)]},
        {'extra': ('lift',), 'options': [('jpeg', 1, 1)]},
        {'operators': ['lift', 'jpeg'], 'choice': 'operator', 'skip': {'lift': 0.1}, 'order': 1},
        {'operators': ['lift', 'jpeg'], 'weights': {'lift': 3}},
    ],
)
def test_is_drawn_where_it_is_named(config, rng):
    space = DegradationSpace.from_config(config)
    drawn = Counter((s.operator, s.level, s.sign) for _ in range(400) for s in space.draw(rng).steps)
    assert {key for key in drawn if key[0] == 'lift'} == {('lift', level, sign) for level in LEVELS for sign in (1, -1)}
    assert space.count_options()['texture'] == len(space.options)


@pytest.mark.usefixtures('module')
def test_extra_comes_beside_a_preset():
    kadid = DegradationSpace.preset('kadid')
    more = DegradationSpace.preset('kadid', extra=['lift'])
    assert more.options[: len(kadid.options)] == kadid.options
    assert len(more.options) == len(kadid.options) + 10
    assert DegradationSpace(levels=(2,), extra=['lift']).options[-2:] == (
        ('lift', 2, 1),
        ('lift', 2, -1),
    )
    with pytest.raises(InputError, match="extra must name other operators than the space has, got 'jpeg'"):
        DegradationSpace(extra=['jpeg'])
    with pytest.raises(InputError, match="extra must be a list of names of operators, got 'lift'"):
        DegradationSpace(extra='lift')


def test_a_recipe_says_what_is_missing(request):
    request.getfixturevalue('module')
    recipe = Recipe([('lift', 2)])
    text = recipe.to_json()
    assert Recipe.from_json(text) == recipe
    registry._REGISTERED.clear()
    message = r"unknown degradation operator 'lift' \(if it is your own, first import the module that registers it"
    with pytest.raises(InputError, match=message):
        Recipe.from_json(text)
    with pytest.raises(InputError, match=message):
        apply(recipe, IMAGE)
    with pytest.raises(InputError, match=message):
        DegradationSpace(['lift'])


def test_the_same_function_may_be_registered_again(module, tmp_path):
    register_operator(module.lift)
    importlib.reload(module)
    assert operator('lift').function is module.lift
    (tmp_path / 'my_lift.py').write_text(MODULE.replace('(10, 20,', '(15, 20,'))
    importlib.invalidate_caches()
    again = load_operators(str(tmp_path / 'my_lift.py'))
    assert again == ('lift',)
    # Under another name, as a script that is both run and imported.
    namespace = {'__name__': 'elsewhere'}
    exec(compile(MODULE, module.__file__, 'exec'), namespace)
    assert operator('lift').function is namespace['lift']


def test_names_are_unique(module):
    @row('texture', unit='1', levels=(1, 2, 3, 4, 5), source='a test')
    def lift(image, value):
        """Have the same name."""

    @row('texture', unit='1', levels=(1, 2, 3, 4, 5), source='a test')
    def jpeg(image, value):
        """Have the name of an operator of the table."""

    with pytest.raises(InputError, match="there is an operator 'lift' already, in my_lift: rename yours"):
        register_operator(lift)
    with pytest.raises(InputError, match="there is an operator 'jpeg' already, in mmqpt"):
        register_operator(jpeg)
    assert operator('lift').function is module.lift


def test_a_function_without_a_row():
    with pytest.raises(InputError, match=r'register_operator takes a function with a row: write @row\(...\) under it'):
        register_operator(lambda image, value: image)


def test_load_operators_takes_a_module_or_a_file(tmp_path, module):
    assert load_operators('my_lift') == load_operators(module.__file__) == ('lift',)
    with pytest.raises(InputError, match='no such file'):
        load_operators(str(tmp_path / 'no_file.py'))
    with pytest.raises(InputError, match='json registers no operator: see register_operator'):
        load_operators('json')


def draw_keys(space: DegradationSpace) -> list:
    rng = np.random.default_rng(1)
    return [space.draw(rng).steps for _ in range(20)]


@pytest.mark.usefixtures('module')
def test_a_pickled_space_brings_its_operators_along(tmp_path):
    """As in the workers of a loader that are started afresh: nothing but the pickle tells them of the module."""
    space = DegradationSpace(['lift', 'jpeg'], skip=0)
    script = tmp_path / 'worker.py'
    script.write_text(
        'import pickle, sys\n'
        'space = pickle.load(sys.stdin.buffer)\n'
        'import numpy as np\n'
        'rng = np.random.default_rng(1)\n'
        'sys.stdout.buffer.write(pickle.dumps([space.draw(rng).steps for _ in range(20)]))\n'
    )
    done = subprocess.run([sys.executable, script], input=pickle.dumps(space), capture_output=True, check=True)
    assert pickle.loads(done.stdout) == draw_keys(space)


@pytest.mark.usefixtures('module')
@pytest.mark.parametrize('start', ['fork', 'spawn'])
def test_in_workers(start):
    space = DegradationSpace(['lift', 'jpeg'], skip=0)
    with multiprocessing.get_context(start).Pool(1) as pool:
        (found,) = pool.map(space.draw, [np.random.default_rng(1)])
    assert found == space.draw(np.random.default_rng(1))


def test_row_of_a_registered_function(module):
    assert row_of(module.lift) is operator('lift')
    assert Step('lift', 5).key == ('lift', 1, 5)
