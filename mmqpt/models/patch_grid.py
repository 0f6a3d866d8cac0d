"""A batch of pre-training is a grid: photos, their degraded versions, and patches of each version."""

from __future__ import annotations

from mmpretrain.structures import DataSample
from torch import Size, Tensor

from mmqpt.core.errors import InputError


def grid_of(inputs: Tensor) -> Size:
    """N, V and P of (N, V, P, 3, S, S).

    Raises:
        InputError: another shape, or fewer than two versions or patches.
    """
    if inputs.dim() != 6 or inputs.shape[1] < 2 or inputs.shape[2] < 2:
        raise InputError(f'inputs must have shape (N, V >= 2, P >= 2, 3, S, S), got {tuple(inputs.shape)}')
    return inputs.shape[:3]


def check_groups(photos: int, group: int, data_samples: list[DataSample] | None) -> None:
    """Refuse a batch whose photos don't come in whole groups of the same recipes.

    Args:
        photos: N.
        group: how many photos in a row have the same recipes; 1 for any.
        data_samples: of the photos; one without ``recipes`` is not checked.

    Raises:
        InputError: no whole groups, or photos of a group with different recipes.
    """
    if group == 1:
        return
    if photos % group:
        raise InputError(f'recipe_positives is {group}, but a batch has {photos} photos: no whole groups')
    recipes = [sample.get('recipes') for sample in data_samples or ()]
    for number, own in enumerate(recipes):
        first = recipes[number - number % group]
        if own is not None and [recipe.key for recipe in own] != [recipe.key for recipe in first]:
            raise InputError(
                f'recipe_positives is {group}, but photos of a group have different recipes: give '
                f'SeededSampler(recipe_group={group}) and PatchPairs(group_recipes=True)'
            )
