"""A recipe: which operators, how strong, in which order. Frozen, JSON-able, and enough to get the same pixels again.

Three versions keep that promise, each for what it covers: :data:`FORMAT` for the layout of the JSON,
``Operator.version`` for the pixels of one operator, and ``Preset.draws`` for what a seed draws from a preset. A stored
recipe is refused where an operator that it uses has other pixels now; operators that it does not use do not matter.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations._image import check_image
from mmqpt.degradations.registry import operator

FORMAT = 2
"""Layout of the JSON. In format 1 a field ``version``, always 1, stood for every operator's."""

SEED_BITS = 63


@dataclass(frozen=True)
class Step:
    """One application of one operator.

    Args:
        operator: name in the table, or of a registered operator.
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
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed < 1 << SEED_BITS:
            raise InputError(f'{self.operator}: seed must be an integer from 0 to 2^{SEED_BITS} - 1, got {self.seed!r}')

    def __deepcopy__(self, _memo: dict[int, Any]) -> Step:
        """Itself: it can't change."""
        return self

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two steps the same degradation: operator, signed direction and level, but not the seed."""
        return self.operator, self.sign, self.level

    def __str__(self) -> str:
        if operator(self.operator).signs == (1,):
            return f'{self.operator} {self.level}'
        return f'{self.operator}{"+" if self.sign == 1 else "-"} {self.level}'


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are applied; no steps leave the photo unchanged.

    Args:
        steps: a sequence of steps, each a :class:`Step` or its arguments, as in ``Recipe([('jpeg', 3)])``.

    Raises:
        InputError: something else, or a step that breaks a rule.
    """

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, 'steps', _as_steps(self.steps))

    def __deepcopy__(self, _memo: dict[int, Any]) -> Recipe:
        """Itself: it can't change, and the metainfo of a sample is copied with every recipe in it."""
        return self

    @property
    def key(self) -> tuple[tuple[str, int, int], ...]:
        """Two recipes are the same degradation when their keys are equal: the steps without the seeds."""
        return tuple(step.key for step in self.steps)

    def __str__(self) -> str:
        return ', '.join(map(str, self.steps)) or 'no degradation'

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`to_json` writes. Each step also holds the version of its operator."""
        steps = [
            {
                'operator': step.operator,
                'level': step.level,
                'sign': step.sign,
                'seed': step.seed,
                'version': operator(step.operator).version,
            }
            for step in self.steps
        ]
        return {'format': FORMAT, 'steps': steps}

    def to_json(self) -> str:
        """JSON text; :meth:`from_json` reads it back."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe.

        Raises:
            InputError: not JSON, a field missing or unknown, a value that breaks its rule, or a step whose operator
                has another version now. ``sign``, ``seed`` and ``version`` of a step may be left out, as by someone
                who writes a recipe by hand.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits, too
            raise InputError(f'a recipe must be JSON: {error}') from error
        except TypeError:
            raise InputError(f'a recipe must be JSON text, got {type(text).__name__}') from None
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Read a recipe from what ``json.loads`` made of its JSON; errors are those of :meth:`from_json`."""
        if not isinstance(data, Mapping) or not isinstance(data.get('steps'), list):
            raise InputError(f'not a recipe, which has the fields format and steps, a list: {data!r:.200}')
        if set(data) == {'version', 'steps'}:  # format 1
            if not _is(data['version'], 1):
                raise InputError(
                    f'recipe of version {data["version"]!r}, but without a format there is version 1 alone'
                )
            return cls(_read_steps(data, {'version': 1}))
        if set(data) != {'format', 'steps'}:
            raise InputError(f'not a recipe, which has the fields format and steps, a list: {data!r:.200}')
        if not _is(data['format'], FORMAT):
            raise InputError(f'recipe of format {data["format"]!r}, but this mmqpt reads formats 1 and {FORMAT}')
        return cls(_read_steps(data, {}))


def apply(recipe: Recipe | Step | Sequence[Step], image: np.ndarray) -> np.ndarray:
    """Degrade a photo. The same recipe on the same photo gives the same pixels.

    Args:
        recipe: what to do; steps make a recipe.
        image: RGB uint8 array of shape (H, W, 3); it is not modified.

    Returns:
        RGB uint8 array of shape (H, W, 3), never the input itself.

    Raises:
        InputError: another type of recipe or image; the message says how to make the right one.
    """
    recipe = as_recipe(recipe)
    check_image(image)
    out = np.ascontiguousarray(image)
    for step in recipe.steps:
        out = operator(step.operator)(out, step.level, step.sign, step.seed)
    return out.copy() if np.may_share_memory(out, image) else out


def as_recipe(recipe: Recipe | Step | Sequence[Step]) -> Recipe:
    """A recipe of what :func:`apply` takes as one."""
    if isinstance(recipe, Recipe):
        return recipe
    if hasattr(recipe, 'shape') or hasattr(recipe, '__array_interface__'):  # of NumPy and PyTorch, and of Pillow
        raise InputError('the recipe comes first, then the image, as in apply(recipe, image)')
    return Recipe(_as_steps(recipe))


def _as_steps(given: Any) -> tuple[Step, ...]:
    if isinstance(given, Step):
        return (given,)
    if not isinstance(given, (tuple, list)):
        rule = "a recipe is a sequence of steps, as in Recipe([('jpeg', 3)])"
        if isinstance(given, str):
            raise InputError(f'{rule}, got {given!r:.80}; Recipe.from_json reads JSON')
        if isinstance(given, Mapping):
            raise InputError(f'{rule}, got {given!r:.80}; Recipe.from_dict reads what json.loads returns')
        raise InputError(f'{rule}, got {type(given).__name__}')
    return tuple(_as_step(step) for step in given)


def _as_step(given: Any) -> Step:
    if isinstance(given, Step):
        return given
    if not isinstance(given, (tuple, list)) or not 2 <= len(given) <= 4:
        raise InputError(
            "a step is Step('jpeg', 3) or ('jpeg', 3): operator, level, and sign and seed where they matter; got "
            f'{given!r:.80}'
        )
    return Step(*given)


def _read_steps(data: Mapping[str, Any], common: dict[str, Any]) -> tuple[Step, ...]:
    """The steps of a recipe, each with the fields ``common`` to all; versions are checked and dropped."""
    steps = []
    try:
        for fields in data['steps']:
            values = {**fields, **common}
            version = values.pop('version', None)
            step = Step(**values)
            now = operator(step.operator).version
            if version is not None and not _is(version, now):
                raise InputError(
                    f'the recipe has version {version!r} of operator {step.operator}, this mmqpt has version {now}: '
                    'the pixels would differ'
                )
            steps.append(step)
    except TypeError as error:
        raise InputError(f'not a recipe ({error}): {data!r:.200}') from error
    return tuple(steps)


def _is(value: Any, number: int) -> bool:
    """Whether JSON holds this integer, and not 1.0 or true."""
    return type(value) is int and value == number
