"""The key encoder: a slow copy of the query encoder, whose BatchNorm uses averaged statistics (EMAN).

Mean teachers and MoCo average the weights of an encoder; EMAN (Cai et al., CVPR 2021) averages its BatchNorm
statistics too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def momentum_at(step: Tensor, momentum: float) -> Tensor:
    """``min(momentum, (1 + t) / (10 + t))`` at step t, so that the key encoder of a short run moves too.

    Args:
        step: t, a scalar >= 0.
        momentum: the upper bound.
    """
    return torch.clamp((1 + step) / (10 + step), max=momentum)


def longest_queue(steps: int, keys_per_step: int, momentum: float) -> int:
    """The most keys in a queue that fit a run, at least 512.

    The key encoder forgets in 1 / (1 - m) steps, which are few in a short run (:func:`momentum_at`). A queue that spans
    many of those holds keys that can be told from the positive by their age. Here it spans a quarter of them at most,
    in which a fifth of the key encoder changes, from a quarter of the run on. With 96 keys a step that is 560 keys for
    800 steps, 1,360 for 2,000 and 6,693 for 10,000. The quarters and the least length are design choices.

    Args:
        steps: of the optimiser in the whole run, >= 1.
        keys_per_step: of all ranks and accumulated batches, >= 1.
        momentum: the upper bound of m, at least 0 and below 1.
    """
    forgets = 1 / (1 - float(momentum_at(torch.tensor(steps // 4, dtype=torch.float64), momentum)))
    return max(512, round(keys_per_step * forgets / 4))


@torch.no_grad()
def move_towards(keys: Sequence[nn.Module], queries: Sequence[nn.Module], share: float) -> None:
    """``key = (1 - share) key + share query`` in place, for weights and BatchNorm statistics; integers are copied.

    All tensors in two calls, which a GPU runs as few kernels instead of two for each layer.

    Args:
        keys: networks.
        queries: as many networks of the same architectures.
        share: from 0 to 1.
    """
    pairs = [
        pair
        for key, query in zip(keys, queries, strict=True)
        for pair in zip(key.state_dict().values(), query.state_dict().values(), strict=True)
    ]
    averaged = [pair for pair in pairs if pair[0].is_floating_point()]
    copied = [pair for pair in pairs if not pair[0].is_floating_point()]
    if averaged:
        torch._foreach_lerp_([ours for ours, _ in averaged], [theirs for _, theirs in averaged], share)
    if copied:
        torch._foreach_copy_([ours for ours, _ in copied], [theirs for _, theirs in copied])
