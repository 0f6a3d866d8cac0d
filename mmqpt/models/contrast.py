"""Which keys are positives and which are negatives of a query; nothing here knows networks.

Keys of N photos have shape (N, V, P, E): V degraded versions of each photo, P patches of each version. Queries come in
the same order, M = N V P of them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def positives(keys: Tensor) -> Tensor:
    """(N, V, P, E) -> (M, P - 1, E): the keys of the other patches of the query's version."""
    patches = keys.shape[2]
    return keys[:, :, _others(patches)].flatten(0, 2)


def recipe_positives(keys: Tensor, group: int) -> Tensor:
    """(N, V, P, E) -> (M, (group - 1) P, E): the keys of other photos of the query's group under its recipe.

    Args:
        keys: of N photos, ``group`` in a row of which have the same V recipes.
        group: a divisor of N.
    """
    _, versions, patches, width = keys.shape
    grouped = keys.view(-1, group, versions, patches, width)
    other = grouped[:, _others(group)].transpose(2, 3).flatten(3, 4)  # (N / group, group, V, (group - 1) P, E)
    return other[:, :, :, None].expand(-1, -1, -1, patches, -1, -1).flatten(0, 3)


def degradation_negatives(keys: Tensor) -> Tensor:
    """(N, V, P, E) -> (M, (V - 1) P, E): the keys of all patches of the photo's other versions."""
    versions, patches = keys.shape[1:3]
    other = keys[:, _others(versions)].flatten(2, 3)  # (N, V, (V - 1) P, E)
    return other[:, :, None].expand(-1, -1, patches, -1, -1).flatten(0, 2)


def content_negatives(
    keys: Tensor, stored: Tensor, filled: Tensor, within_batch: bool, group: int = 1
) -> tuple[Tensor, Tensor]:
    """Keys of other photos: those of a queue and, as an option, of the batch.

    Args:
        keys: (N, V, P, E) of the batch.
        stored: (Q, E) of the queue.
        filled: bool (Q,): which of them hold a key.
        within_batch: whether the keys of the batch's other photos count too.
        group: how many photos in a row have the same recipes; those under the query's recipe are positives instead.

    Returns:
        Keys (C, E), and a mask (C,) or (M, C) of those that count for a query. The keys are a copy: the queue may
        change before the backward pass.
    """
    stored = stored.to(keys.dtype, copy=True)
    if not within_batch:
        return stored, filled
    photos, versions, patches = keys.shape[:3]
    photo = torch.arange(photos, device=keys.device).repeat_interleave(versions * patches)  # (M,)
    other = photo[:, None] != photo[None, :]  # (M, M)
    if group > 1:
        version = torch.arange(versions, device=keys.device).repeat_interleave(patches).repeat(photos)  # (M,)
        recipe = photo // group * versions + version
        other &= recipe[:, None] != recipe[None, :]
    return torch.cat([stored, keys.flatten(0, 2)]), torch.cat([filled.expand(len(other), -1), other], dim=1)


def _others(count: int) -> Tensor:
    """(count, count - 1): row i holds all indices but i."""
    index = torch.arange(count).expand(count, count)
    return index[~torch.eye(count, dtype=torch.bool)].view(count, count - 1)
