"""The grid of photos, versions and patches, and groups of photos under the same recipes."""

import pytest
import torch
from mmpretrain.structures import DataSample

from mmqpt.core.errors import InputError
from mmqpt.degradations import Recipe
from mmqpt.models.patch_grid import check_groups, grid_of


def samples(*recipes):
    return [DataSample(metainfo={'recipes': [Recipe([(name, 1)]) for name in names]}) for names in recipes]


def test_sizes_of_the_grid():
    assert tuple(grid_of(torch.zeros(1, 3, 2, 3, 8, 8))) == (1, 3, 2)


@pytest.mark.parametrize('shape', [(3, 1, 2, 3, 32, 32), (3, 2, 1, 3, 32, 32), (3, 2, 3, 32, 32)])
def test_too_few_versions_or_patches(shape):
    shown = str(shape).replace('(', r'\(').replace(')', r'\)')
    with pytest.raises(InputError, match=rf'\(N, V >= 2, P >= 2, 3, S, S\), got {shown}'):
        grid_of(torch.zeros(shape))


def test_groups_must_be_whole():
    with pytest.raises(InputError, match='recipe_positives is 2, but a batch has 3 photos: no whole groups'):
        check_groups(3, 2, None)
    check_groups(3, 1, None)


def test_photos_of_a_group_share_their_recipes():
    good = samples(('jpeg', 'haze'), ('jpeg', 'haze'), ('webp', 'haze'), ('webp', 'haze'))
    check_groups(4, 2, good)
    check_groups(4, 2, [DataSample()] * 4)  # of a data set that does not say
    for bad in (
        samples(('jpeg', 'haze'), ('haze', 'jpeg'), ('webp', 'haze'), ('webp', 'haze')),
        samples(('jpeg', 'haze'), ('jpeg', 'haze'), ('webp', 'haze'), ('jpeg', 'haze')),
    ):
        check_groups(4, 1, bad)
        with pytest.raises(InputError, match=r'have different recipes: give SeededSampler\(recipe_group=2\)'):
            check_groups(4, 2, bad)
