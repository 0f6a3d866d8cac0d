"""Image + recipe -> degraded image. Knows nothing of torch models or OpenMMLab; needs OpenCV (extra ``degradations``).

Example:
    >>> import numpy as np
    >>> from mmqpt.degradations import DegradationSpace, apply
    >>> space = DegradationSpace()
    >>> recipe = space.draw(np.random.default_rng(0))
    >>> degraded = apply(recipe, np.zeros((32, 32, 3), np.uint8))
"""

try:
    import cv2  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "mmqpt.degradations needs cv2, which is not installed: pip install 'mmqpt[degradations]'", name='cv2'
    ) from missing

from mmqpt.degradations.distance import recipe_distance
from mmqpt.degradations.frame import Frame, Region
from mmqpt.degradations.pairs import draw_different, redraw_seeds
from mmqpt.degradations.presets import KADID, PRESETS
from mmqpt.degradations.recipe import Recipe, Step, apply
from mmqpt.degradations.region import apply_region, apply_regions
from mmqpt.degradations.registry import all_operators, load_operators, operator, register_operator
from mmqpt.degradations.rows import KINDS, LEVELS, Operator, row
from mmqpt.degradations.space import DegradationSpace
from mmqpt.degradations.table import OPERATORS

__all__ = [
    'KADID',
    'KINDS',
    'LEVELS',
    'OPERATORS',
    'PRESETS',
    'DegradationSpace',
    'Frame',
    'Operator',
    'Recipe',
    'Region',
    'Step',
    'all_operators',
    'apply',
    'apply_region',
    'apply_regions',
    'draw_different',
    'load_operators',
    'operator',
    'recipe_distance',
    'redraw_seeds',
    'register_operator',
    'row',
]
