"""Parts of a degraded photo, without work on pixels that they do not show."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations._image import check_image
from mmqpt.degradations.frame import Frame, Region
from mmqpt.degradations.recipe import Recipe, Step, as_recipe
from mmqpt.degradations.registry import operator

_MARGIN = 16
"""What a region costs beside its own px, as px around it: those that steps reach for, and calling them."""


def apply_region(
    recipe: Recipe | Step | Sequence[Step], image: np.ndarray, top: int, left: int, height: int, width: int
) -> np.ndarray:
    """The pixels of ``apply(recipe, image)[top : top + height, left : left + width]``, for less work.

    As :func:`apply_regions`, for one region.

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
    return apply_regions(recipe, image, [Region(top, left, top + height, left + width)])[0]


def apply_regions(
    recipe: Recipe | Step | Sequence[Step], image: np.ndarray, regions: Sequence[Region]
) -> list[np.ndarray]:
    """The pixels that a degraded photo shows in some regions, for less work than degrading it all.

    Steps up to the last whose result depends on the whole photo are applied to all of it, each of the others to what
    the regions need of it: the least region that holds them all, or each region alone where that is less. Operators
    know the place in the photo, so that the pixels are those of the whole degraded photo, except for operators with
    ``ties`` or ``approximate`` in their row.

    Args:
        recipe: what to do.
        image: RGB uint8 array of shape (H, W, 3); it is not modified.
        regions: one or more, each with pixels.

    Returns:
        RGB uint8 arrays of shape (height, width, 3), never parts of the input.

    Raises:
        InputError: a region does not lie inside the photo, or as :func:`apply`.
    """
    found = view_regions(recipe, image, regions)
    return [part if part.flags.owndata else part.copy() for part in found]


def view_regions(
    recipe: Recipe | Step | Sequence[Step], image: np.ndarray, regions: Sequence[Region]
) -> list[np.ndarray]:
    """As :func:`apply_regions`, without copies: arrays may be parts of the input and of each other, so only to read."""
    recipe = as_recipe(recipe)
    check_image(image)
    height, width = image.shape[:2]
    for region in regions:
        if not (0 <= region.top < region.bottom <= height and 0 <= region.left < region.right <= width):
            raise InputError(
                f'region must lie in {height} x {width} px, got {region.height} x {region.width} px at '
                f'({region.top}, {region.left})'
            )
    whole = Region(0, 0, height, width)
    steps = recipe.steps
    first = max((i for i, step in enumerate(steps, 1) if not operator(step.operator).local), default=0)
    hull = functools.reduce(Region.joined, regions)
    near = [region.grown(_MARGIN, height, width) for region in regions]
    apart = sum(region.area for region in near) < hull.grown(_MARGIN, height, width).area
    shown = list(regions) if apart else [hull]
    plans = [_needs(steps[first:], region, height, width) for region in shown]
    start = functools.reduce(Region.joined, (plan[0] for plan in plans)) if first else whole
    image = _run(steps[:first], image, [*[whole] * first, start], height, width)
    pieces = [_run(steps[first:], plan[0].cut(image, start), plan, height, width) for plan in plans]
    if apart and len(steps) > first:
        return pieces
    if not apart:
        pieces, shown = pieces * len(regions), shown * len(regions)
    return [region.cut(piece, seen) for region, piece, seen in zip(regions, pieces, shown, strict=True)]


def _needs(steps: Sequence[Step], asked: Region, height: int, width: int) -> list[Region]:
    """What must be at hand before each step, and, last, what is asked for."""
    found = [asked]
    for step in reversed(steps):
        row = operator(step.operator)
        found.append(row.needs(found[-1], step.level, step.sign, step.seed, height, width))
    return found[::-1]


def _run(steps: Sequence[Step], image: np.ndarray, needed: Sequence[Region], height: int, width: int) -> np.ndarray:
    """Apply steps to an image that shows ``needed[0]``; the result of each shows the next region."""
    for step, shown, asked in zip(steps, needed[:-1], needed[1:], strict=True):
        frame = Frame(height, width, shown, asked)
        image = operator(step.operator)(image, step.level, step.sign, step.seed, frame)
    return image
