"""The same recipes on a tensor of photos, on a CPU or a GPU, every photo with its own.

Batched operators agree with the CPU engine to the grey level, or nearly so (docs/batched.md); their noise is the same
noise. Operators without a batched version go through the CPU engine, photo by photo.

Example:
    >>> import numpy as np, torch
    >>> from mmqpt.degradations import DegradationSpace
    >>> from mmqpt.degradations.batched import apply_batch
    >>> recipes = DegradationSpace().draw_different(2, np.random.default_rng(0))
    >>> degraded = apply_batch(recipes, torch.zeros((2, 3, 32, 32), dtype=torch.uint8))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mmqpt.core.errors import InputError
from mmqpt.degradations.batched import (
    blur,
    colour,
    compression,
    damage,
    detail,
    displacement,
    geometry,
    noise,
    resampling,
    tone,
)
from mmqpt.degradations.recipe import Recipe, Step
from mmqpt.degradations.table import OPERATORS, operator

__all__ = ['BATCHED', 'apply_batch', 'on_cpu']

_FAMILIES = (blur, colour, compression, damage, detail, displacement, geometry, noise, resampling, tone)

BATCHED: dict[str, Callable[..., Tensor]] = {
    name: getattr(family, name) for name in OPERATORS for family in _FAMILIES if hasattr(family, name)
}
"""``function(images, values)``, or ``function(images, values, seeds)`` for seeded operators, by name.

Images are uint8 (B, 3, H, W) with B >= 1 and not modified; values is a float64 array (B,), seeds a sequence of B.
"""

_LARGEST = 1 << 30


def on_cpu(name: str) -> bool:
    """Whether an operator has no batched version, so that photos go to the CPU and back for it."""
    return operator(name).name not in BATCHED


@torch.no_grad()
def apply_batch(recipes: Sequence[Recipe], images: Tensor) -> Tensor:
    """Degrade each photo by its own recipe; an operator runs at once for all photos that wait for it.

    The operator that most photos wait for goes first, which takes a third fewer runs than going from step to step.

    Args:
        recipes: B recipes, of any lengths.
        images: RGB uint8 tensor of shape (B, 3, H, W) on any device; it is not modified.

    Returns:
        RGB uint8 tensor (B, 3, H, W), contiguous, on the same device, never the input itself. Photos do not depend on
        which others are in the batch.

    Raises:
        InputError: ``images`` is not such a tensor, or the number of recipes differs.
    """
    _check(recipes, images)
    out = images.clone(memory_format=torch.contiguous_format)
    with torch.autocast(images.device.type, enabled=False):
        done = [0] * len(recipes)  # steps of each photo
        while waiting := _waiting(recipes, done):
            name, members = max(waiting.items(), key=lambda item: len(item[1]))
            index = torch.tensor(members, device=images.device)
            steps = [recipes[member].steps[done[member]] for member in members]
            out.index_copy_(0, index, _run(name, steps, out.index_select(0, index)))
            for member in members:
                done[member] += 1
    return out


def _waiting(recipes: Sequence[Recipe], done: Sequence[int]) -> dict[str, list[int]]:
    """Which operators come next, and for which photos."""
    groups: dict[str, list[int]] = {}
    for member, (recipe, number) in enumerate(zip(recipes, done, strict=True)):
        if number < len(recipe.steps):
            groups.setdefault(recipe.steps[number].operator, []).append(member)
    return groups


def _run(name: str, steps: Sequence[Step], images: Tensor) -> Tensor:
    row = operator(name)
    if on_cpu(name):
        photos = images.permute(0, 2, 3, 1).cpu().contiguous().numpy()
        done = [row(photo, step.level, step.sign, step.seed) for photo, step in zip(photos, steps, strict=True)]
        return torch.from_numpy(np.stack(done)).to(images.device).permute(0, 3, 1, 2)
    values = np.array([row.value(step.level, step.sign) for step in steps], np.float64)
    if row.seeded:
        return BATCHED[name](images, values, [step.seed for step in steps])
    return BATCHED[name](images, values)


def _check(recipes: Sequence[Recipe], images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        what = f'{images.dtype} {tuple(images.shape)}' if isinstance(images, Tensor) else type(images)
        raise InputError(f'images must be a uint8 tensor of shape (B, 3, H, W), got {what}')
    if 0 in images.shape[2:]:
        raise InputError(f'images must have pixels, got shape {tuple(images.shape)}')
    if images.numel() >= _LARGEST:
        raise InputError(
            f'images must hold less than 2^30 values, got shape {tuple(images.shape)}: use smaller batches'
        )
    if len(recipes) != len(images):
        raise InputError(f'recipes must be as many as images, {len(images)}, got {len(recipes)}')
    for recipe in recipes:
        if not isinstance(recipe, Recipe):
            raise InputError(f'recipes must be of type Recipe, got {recipe!r:.200}')
