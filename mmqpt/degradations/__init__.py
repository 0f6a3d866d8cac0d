"""Image + recipe -> degraded image. Knows nothing of torch models or OpenMMLab.

Example:
    >>> import numpy as np
    >>> from mmqpt.degradations import DegradationSpace, apply
    >>> space = DegradationSpace()
    >>> recipe = space.draw(np.random.default_rng(0))
    >>> degraded = apply(recipe, np.zeros((32, 32, 3), np.uint8))
"""

from mmqpt.degradations.distance import recipe_distance
from mmqpt.degradations.presets import KADID, PRESETS
from mmqpt.degradations.recipe import Recipe, Step, apply
from mmqpt.degradations.region import apply_region
from mmqpt.degradations.space import DegradationSpace
from mmqpt.degradations.table import KINDS, LEVELS, OPERATORS, Operator, operator

__all__ = [
    'KADID',
    'KINDS',
    'LEVELS',
    'OPERATORS',
    'PRESETS',
    'DegradationSpace',
    'Operator',
    'Recipe',
    'Step',
    'apply',
    'apply_region',
    'operator',
    'recipe_distance',
]
