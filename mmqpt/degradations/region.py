"""A part of a degraded photo, without work on pixels that the part does not show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations._image import check_image
from mmqpt.degradations.recipe import Recipe, Step, apply, as_recipe
from mmqpt.degradations.registry import operator


def apply_region(
    recipe: Recipe | Step | Sequence[Step], image: np.ndarray, top: int, left: int, height: int, width: int
) -> np.ndarray:
    """The pixels of ``apply(recipe, image)[top : top + height, left : left + width]``, for less work.

    Steps up to the last whose result depends on the whole photo are applied to all of it, each of the others to the
    region and as many px around it as it and those after it reach. The pixels are the same, except
    for operators with ``ties`` in their row.

    Args:
        recipe: what to do.
        image: RGB uint8 array of shape (H, W, 3); it is not modified.
        top: first row of the region.
        left: first column of the region.
        height: rows of the region, >= 1.
        width: columns of the region, >= 1.

    Returns:
        RGB uint8 array of shape (height, width, 3), never a part of the input.

    Raises:
        InputError: the region does not lie inside the photo, or as :func:`apply`.
    """
    recipe = as_recipe(recipe)
    check_image(image)
    rows, columns = image.shape[:2]
    if not (0 <= top < top + height <= rows and 0 <= left < left + width <= columns):
        raise InputError(f'region must lie in {rows} x {columns} px, got {height} x {width} px at ({top}, {left})')
    margins = [operator(step.operator).margin(step.level, step.sign) for step in recipe.steps]
    first = max((number for number, margin in enumerate(margins, 1) if margin is None), default=0)
    out = apply(Recipe(recipe.steps[:first]), image) if first else image
    y = x = 0  # the place of ``out`` in the photo
    for number in range(first, len(margins) + 1):
        reach = sum(margin or 0 for margin in margins[number:])
        up, across = max(0, top - reach), max(0, left - reach)
        down, right = min(rows, top + height + reach), min(columns, left + width + reach)
        out = out[up - y : down - y, across - x : right - x]
        y, x = up, across
        if number < len(margins):
            out = apply(Recipe(recipe.steps[number : number + 1]), out)
    return out.copy() if np.shares_memory(out, image) else np.ascontiguousarray(out)
