"""The table of operators: what drives the sampler, the docs, the contact sheet and the tests.

Rows stand beside their functions (see :mod:`mmqpt.degradations.rows`); this module only collects them.
"""

from __future__ import annotations

from mmqpt.degradations import (
    blur,
    colour,
    compression,
    damage,
    denoising,
    displacement,
    geometry,
    light,
    noise,
    quantisation,
    resampling,
    sharpening,
    tone,
)
from mmqpt.degradations.rows import Operator, rows_of

FAMILIES = (
    *(geometry, displacement, resampling),
    *(tone, colour, quantisation, light),
    *(blur, denoising, sharpening, noise, compression, damage),
)
"""Files of operators. Their order, and that of the functions in each, is the order of the table: seeds draw by it."""

OPERATORS: dict[str, Operator] = {row.name: row for family in FAMILIES for row in rows_of(family)}
"""The operators of this package by name. Spaces hold no others unless they name them; see :func:`register_operator`."""

DEFAULT_OPERATORS = tuple(name for name, row in OPERATORS.items() if not row.scattered)
"""What a space holds that names no operators: all but those that show on parts of a photo only."""
