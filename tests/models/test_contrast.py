"""Which key is whose positive and negative: against loops over photos, versions and patches."""

import itertools

import pytest
import torch

from mmqpt.models.contrast import content_negatives, degradation_negatives, positives, recipe_positives

SHAPES = [(3, 2, 2), (2, 3, 2), (1, 2, 4)]


def keys_of(photos, versions, patches):
    return torch.randn(photos, versions, patches, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize('shape', SHAPES)
def test_positives_are_the_other_patches_of_the_version(shape):
    keys = keys_of(*shape)
    wanted = [
        torch.stack([keys[n, v, other] for other in range(shape[2]) if other != p])
        for n, v, p in itertools.product(*map(range, shape))
    ]
    assert torch.equal(positives(keys), torch.stack(wanted))


@pytest.mark.parametrize('shape', SHAPES)
def test_degradation_negatives_are_the_other_versions(shape):
    keys = keys_of(*shape)
    wanted = [
        torch.cat([keys[n, other] for other in range(shape[1]) if other != v])
        for n, v, _ in itertools.product(*map(range, shape))
    ]
    assert torch.equal(degradation_negatives(keys), torch.stack(wanted))


def test_content_negatives_are_the_queue():
    stored, filled = torch.randn(4, 5), torch.tensor([True, True, False, False])
    negatives, mask = content_negatives(keys_of(2, 2, 2), stored, filled, within_batch=False)
    assert torch.equal(negatives, stored)
    assert mask is filled
    stored.zero_()  # the queue moves on
    assert negatives.abs().sum() > 0


def test_content_negatives_of_the_batch_are_of_other_photos():
    keys = keys_of(3, 2, 2)
    stored, filled = torch.randn(4, 5), torch.tensor([True, True, False, False])
    negatives, mask = content_negatives(keys, stored, filled, within_batch=True)
    assert torch.equal(negatives, torch.cat([stored, keys.flatten(0, 2)]))
    for query, key in itertools.product(range(12), range(12)):
        assert mask[query, 4 + key] == (query // 4 != key // 4)
    assert torch.equal(mask[:, :4], filled.expand(12, 4))


@pytest.mark.parametrize(('shape', 'group'), [((6, 2, 2), 3), ((4, 3, 2), 2), ((4, 2, 3), 4), ((3, 2, 2), 1)])
def test_recipe_positives_are_other_photos_of_the_group_under_the_recipe(shape, group):
    keys = keys_of(*shape)
    found = recipe_positives(keys, group)
    assert found.shape == (shape[0] * shape[1] * shape[2], (group - 1) * shape[2], 5)
    for query, (n, v, _) in zip(found, itertools.product(*map(range, shape)), strict=True):
        first = n // group * group
        wanted = [keys[other, v] for other in range(first, first + group) if other != n]
        assert torch.equal(query, torch.cat(wanted) if wanted else keys[:0].view(0, 5))


def test_positives_of_a_group_are_no_content_negatives():
    photos, versions, patches, group = 4, 3, 2, 2
    keys = keys_of(photos, versions, patches)
    stored, filled = torch.randn(4, 5), torch.tensor([True, True, False, False])
    _, mask = content_negatives(keys, stored, filled, within_batch=True, group=group)
    places = list(itertools.product(range(photos), range(versions), range(patches)))
    for query, (n, v, _) in enumerate(places):
        for key, (m, w, _) in enumerate(places):
            positive = n // group == m // group and v == w
            assert mask[query, 4 + key] == (n != m and not positive)
    assert torch.equal(mask[:, :4], filled.expand(len(mask), 4))
    assert torch.equal(content_negatives(keys, stored, filled, within_batch=False, group=group)[1], filled)
