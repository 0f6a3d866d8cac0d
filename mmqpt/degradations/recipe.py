"""A recipe: which operators, how strong, in which order. Frozen, JSON-able, and enough to get the same pixels again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations.table import operator

VERSION = 1
"""Version of the operators' pixels, of the presets and what they draw, and of the JSON form.

A recipe of another version is refused, not reinterpreted. Tests compare hashes of pixels and draws with the version's.
"""

_SEED_BITS = 63


@dataclass(frozen=True)
class Step:
    """One application of one operator.

    Args:
        operator: name in the table.
        level: 1 (mild) to 5 (harsh).
        sign: 1, or -1 for the other direction of a signed operator.
        seed: drives noise and random directions, 0 to 2^63 - 1; operators without randomness ignore it.
    """

    operator: str
    level: int
    sign: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        operator(self.operator).value(self.level, self.sign)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 1 << _SEED_BITS:
            raise InputError(
                f'{self.operator}: seed must be an integer from 0 to 2^{_SEED_BITS} - 1, got {self.seed!r}'
            )

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two steps the same degradation: operator, signed direction and level, but not the seed."""
        return self.operator, self.sign, self.level

    def __str__(self) -> str:
        sign = '' if operator(self.operator).signs == (1,) else '+' if self.sign == 1 else '-'
        return f'{self.operator}{sign} {self.level}'


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are applied; no steps leaves a photo as it is.

    Args:
        steps: the steps.
        version: see :data:`VERSION`.
    """

    steps: tuple[Step, ...] = ()
    version: int = VERSION

    def __post_init__(self) -> None:
        object.__setattr__(self, 'steps', tuple(self.steps))
        if not all(isinstance(step, Step) for step in self.steps):
            raise InputError(f'a recipe is made of steps, got {self.steps!r:.200}')
        if isinstance(self.version, bool) or self.version != VERSION:
            raise InputError(f'recipe of version {self.version!r}, but this mmqpt replays version {VERSION}')

    @property
    def key(self) -> tuple[tuple[str, int, int], ...]:
        """Two recipes are the same degradation when their keys are equal: the steps without the seeds."""
        return tuple(step.key for step in self.steps)

    def __str__(self) -> str:
        return ', '.join(map(str, self.steps)) or 'no degradation'

    def to_json(self) -> str:
        """JSON text; :meth:`from_json` reads it back."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe.

        Raises:
            InputError: not JSON, a field missing or unknown, or a value that breaks its rule. ``sign`` and ``seed``
                of a step may be left out.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits, too
            raise InputError(f'a recipe must be JSON: {error}') from error
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Read a recipe from what ``json.loads`` made of its JSON."""
        if not isinstance(data, Mapping) or set(data) != {'steps', 'version'} or not isinstance(data['steps'], list):
            raise InputError(f'not a recipe, which has the fields version and steps, a list: {data!r:.200}')
        try:
            return cls(tuple(Step(**step) for step in data['steps']), data['version'])
        except TypeError as error:
            raise InputError(f'not a recipe ({error}): {data!r:.200}') from error


def apply(recipe: Recipe, image: np.ndarray) -> np.ndarray:
    """Degrade a photo. The same recipe on the same photo gives the same pixels.

    Args:
        recipe: what to do.
        image: RGB uint8 array of shape (H, W, 3); it is not modified.

    Returns:
        RGB uint8 array of shape (H, W, 3), never the input itself.
    """
    check_image(image)
    out = np.ascontiguousarray(image)
    for step in recipe.steps:
        out = operator(step.operator)(out, step.level, step.sign, step.seed)
    return out.copy() if np.shares_memory(out, image) else out


def check_image(image: np.ndarray) -> None:
    """Raise InputError for what is not a uint8 array of shape (H, W, 3) with pixels."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = getattr(image, 'shape', None)
        raise InputError(
            f'image must be a uint8 array of shape (H, W, 3), got {getattr(image, "dtype", type(image))} {shape}'
        )
    if 0 in image.shape:
        raise InputError(f'image must have pixels, got shape {image.shape}')
