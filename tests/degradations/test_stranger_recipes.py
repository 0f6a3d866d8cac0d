"""Recipes and spaces from strangers: JSON that Python stumbles over, arguments that there are not."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.degradations.recipe import Recipe
from mmqpt.degradations.space import DegradationSpace


@pytest.mark.parametrize(
    'text',
    [
        '[' * 100_000,
        '{"steps": [[]], "format": 2}',
        '{"steps": [], "version": ' + '9' * 5000 + '}',
        '{"steps": [[]], "version": 1}',
        '\ud800',
    ],
)
def test_json_that_is_no_recipe(text):
    with pytest.raises(InputError, match='recipe'):
        Recipe.from_json(text)


@pytest.mark.parametrize(
    'config', [{'oder': 2}, {'preset': ['large']}, {'levels': 5}, {'operators': [['blur']]}, {'skip': 'all'}]
)
def test_config_that_is_no_space(config):
    with pytest.raises(InputError):
        DegradationSpace.from_config(config)
