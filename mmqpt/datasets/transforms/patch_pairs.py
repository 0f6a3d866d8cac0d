"""From one photo to degraded versions and their patches: the samples of the pretext task."""

from __future__ import annotations

import itertools
import math
from typing import Any

import cv2
import numpy as np
from mmpretrain.registry import TRANSFORMS

from mmqpt.core.bgr import swap_channels
from mmqpt.core.errors import InputError
from mmqpt.core.settings_repr import SettingsRepr
from mmqpt.datasets.transforms.rng import sample_rng
from mmqpt.degradations import DegradationSpace, Recipe, Region, draw_different, redraw_seeds
from mmqpt.degradations.region import view_regions

POSITIONS = ('independent', 'shared', 'mixed')
_NO_GROUP = 2**32 - 1


@TRANSFORMS.register_module()
class PatchPairs(SettingsRepr):
    """One photo -> V versions degraded by different recipes -> P patches of each version.

    First the photo is enlarged if it is too small, and a window is cut from it; both happen once, before the
    degradations: all versions share them, so that neither gives a version away. Patches are never resized. How
    patches are cut is a design choice; the paper does not state it.

    Args:
        patch_size: side of a patch in px.
        versions: V >= 2, degraded versions of a photo.
        patches: P >= 2, patches of a version.
        space: arguments of :class:`DegradationSpace`; ``preset`` may name those to start from.
        max_overlap: bound on the share of a patch that another patch of the same version may cover, 0 to 1. A photo too
            small for P patches within the bound is enlarged (bicubic) until they fit.
        window: side in px of the random window that is degraded, or None for the whole photo. Bounds the work on
            large photos.
        positions: ``'independent'``: every version has patches at places of its own; ``'shared'``: all versions at the
            same places, so that degradation-based negatives show what the query shows and nothing but degradation tells
            them apart; ``'mixed'``: either, sample by sample. Untrained ImageNet features solve 63 % of the task with
            ``camera`` recipes at independent places, 33 % at shared ones.
        shared: with ``'mixed'``, the share of samples cut at shared places, above 0 and below 1.
        min_distance: the least :func:`recipe_distance` of two versions; larger values make negatives easier to tell.
        max_distance: the largest, or None; 0.2 with two versions gives pairs that differ by one level of one step.
        group_recipes: whether the samples of a group (``recipe_group`` of :class:`SeededSampler`) have the same recipes
            with seeds of their own, for ``QPT(recipe_positives=...)`` (an extension).

    Raises:
        InputError: a value out of range, or a space without V recipes at such distances.
    """

    def __init__(
        self,
        patch_size: int = 224,
        versions: int = 2,
        patches: int = 2,
        space: dict[str, Any] | None = None,
        max_overlap: float = 0.5,
        window: int | None = 512,
        positions: str = 'independent',
        shared: float = 0.5,
        min_distance: float = 0.0,
        max_distance: float | None = None,
        group_recipes: bool = False,
    ) -> None:
        for name, value, least in (('patch_size', patch_size, 1), ('versions', versions, 2), ('patches', patches, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f'{name} must be an integer >= {least}, got {value!r}')
        if not 0 <= max_overlap <= 1:
            raise InputError(f'max_overlap must be a share from 0 to 1, got {max_overlap!r}')
        if positions not in POSITIONS:
            raise InputError(f"positions must be 'independent', 'shared' or 'mixed', got {positions!r}")
        if isinstance(shared, bool) or not isinstance(shared, (int, float)) or not 0 < shared < 1:
            raise InputError(f'shared must be a share above 0 and below 1, got {shared!r}')
        self.patch_size = patch_size
        self.versions = versions
        self.patches = patches
        self.space = DegradationSpace.from_config(space)
        if versions > self.space.size():
            raise InputError(f'versions is {versions}, but the space holds {self.space.size()} recipes')
        self.min_distance = min_distance
        self.max_distance = max_distance
        self.draw_recipes(np.random.default_rng(0))  # or say why not
        self.group_recipes = group_recipes
        self.max_overlap = max_overlap
        self.positions = positions
        self.shared = shared
        self._pitch = max(1, math.ceil(patch_size * (1 - max_overlap)))
        grids = [
            (self._side(math.ceil(patches / columns)), self._side(columns), columns)
            for columns in range(1, patches + 1)
        ]
        self._grids = [grid for grid in grids if window is None or max(grid[:2]) <= window]
        if not self._grids:
            raise InputError(
                f'window must be >= {min(max(grid[:2]) for grid in grids)} px to hold {patches} patches of '
                f'{patch_size} px with max_overlap {max_overlap}, got {window}'
            )
        self.window = window

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """``img`` (uint8 BGR) -> ``patches`` (V, P, S, S, 3), ``recipes`` (V) and ``positions`` (V, P, 2) as y, x."""
        image, recipes, positions = self.draw(results)
        size = self.patch_size
        rgb = swap_channels(image)
        patches = np.empty((self.versions, self.patches, size, size, 3), np.uint8)
        for number, (recipe, places) in enumerate(zip(recipes, positions, strict=True)):
            regions = [Region(y, x, y + size, x + size) for y, x in places.tolist()]
            for patch, degraded in zip(patches[number], view_regions(recipe, rgb, regions), strict=True):
                swap_channels(degraded, out=patch)
        results['patches'] = patches
        results['recipes'] = recipes
        results['positions'] = positions
        return results

    def draw(self, results: dict[str, Any]) -> tuple[np.ndarray, list[Recipe], np.ndarray]:
        """The window of ``img``, V recipes, and the places (V, P, 2) of their patches as y, x."""
        rng = sample_rng(results)
        image = self._window(self._enlarge(results['img']), rng)
        recipes = self._recipes_of_group(results, rng) if self.group_recipes else self.draw_recipes(rng)
        height, width = image.shape[:2]
        shared = rng.random() < self.shared if self.positions == 'mixed' else self.positions == 'shared'
        places = [self.draw_positions(height, width, rng)]
        for _ in range(1, self.versions):
            places.append(places[0] if shared else self.draw_positions(height, width, rng))
        return image, recipes, np.array(places)

    def draw_recipes(self, rng: np.random.Generator) -> list[Recipe]:
        """V different recipes at the distances asked for."""
        return draw_different(self.space, self.versions, rng, self.min_distance, self.max_distance)

    def _recipes_of_group(self, results: dict[str, Any], rng: np.random.Generator) -> list[Recipe]:
        """Recipes drawn by what the samples of a group have in common, with seeds drawn by ``rng``."""
        entropy = results.get('sample_key', (0, ()))[1]
        if len(entropy) < 4:
            raise InputError('PatchPairs(group_recipes=True) needs samples in groups: SeededSampler(recipe_group=...)')
        seed, epoch, _, group = entropy
        common = np.random.default_rng((seed, epoch, group, _NO_GROUP))  # no sample has such an entropy
        return redraw_seeds(self.draw_recipes(common), rng)

    def _side(self, count: int) -> int:
        """Length in px of ``count`` patches in a row that overlap as much as they may."""
        return self.patch_size + (count - 1) * self._pitch

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """The size in px to which a photo must be enlarged for its patches to fit; its own size when they do."""
        return enlarged(height, width, min(max(rows / height, columns / width) for rows, columns, _ in self._grids))

    def draw_positions(self, height: int, width: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Top left corners (y, x) of the patches of one version, uniform under the overlap bound.

        Whole sets are redrawn while two patches overlap too much. Where that does not succeed in 100 draws (the photo
        is hardly larger than it must be), patches stand on a grid with the least pitch that the bound allows, moved
        as a whole to a random place.
        """
        size = self.patch_size
        limit = self.max_overlap * size * size
        for _ in range(100):
            ys = rng.integers(0, height - size + 1, self.patches).tolist()
            xs = rng.integers(0, width - size + 1, self.patches).tolist()
            places = list(zip(ys, xs, strict=True))
            if all(
                max(0, size - abs(y - other_y)) * max(0, size - abs(x - other_x)) <= limit
                for (y, x), (other_y, other_x) in itertools.combinations(places, 2)
            ):
                return places
        fitting = [grid for grid in self._grids if grid[0] <= height and grid[1] <= width]
        rows, across, columns = fitting[rng.integers(len(fitting))]
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - across + 1)
        cells = [
            (int(top + i // columns * self._pitch), int(left + i % columns * self._pitch)) for i in range(self.patches)
        ]
        return [cells[i] for i in rng.permutation(self.patches)]

    def _enlarge(self, image: np.ndarray) -> np.ndarray:
        height, width = self.target_size(*image.shape[:2])
        if (height, width) == image.shape[:2]:
            return image
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)

    def _window(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.window is None:
            return image
        height, width = image.shape[:2]
        top = rng.integers(0, max(0, height - self.window) + 1)
        left = rng.integers(0, max(0, width - self.window) + 1)
        return image[top : top + self.window, left : left + self.window]


def enlarged(height: int, width: int, scale: float) -> tuple[int, int]:
    """A size in px times ``scale``, rounded up; scales up to 1 change nothing."""
    if scale <= 1:
        return height, width
    return math.ceil(round(height * scale, 6)), math.ceil(round(width * scale, 6))
