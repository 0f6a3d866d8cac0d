"""The space of degradations: kinds shuffled, skipped, and applied more than once (QPT, section on degradation)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations.recipe import _SEED_BITS, Recipe, Step
from mmqpt.degradations.table import KINDS, LEVELS, OPERATORS, operator


class DegradationSpace:
    """All recipes that a config allows, and the way to draw one.

    One pass goes through the kinds (geometry, colour, texture) in random order (*shuffle*), leaves each out with a set
    probability (*skip*), and takes one operator of each kind that stays, with a level and a direction, all uniformly.
    ``order`` passes follow each other (*high order*). The three mechanisms are the paper's; operators, levels and
    probabilities are design choices.

    Args:
        operators: names of the operators to use; all by default. A kind with no operator takes no part.
        levels: levels to draw from, each 1 to 5.
        skip: probability to leave a kind out of a pass, for all kinds or by kind; kinds that are not named are never left out.
        shuffle: whether the kinds come in random order; else geometry, colour, texture.
        order: number of passes.

    Raises:
        InputError: an unknown operator or kind, a value out of range, or a space that holds a single recipe.
    """

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        levels: Sequence[int] = LEVELS,
        skip: float | Mapping[str, float] = 0.5,
        shuffle: bool = True,
        order: int = 2,
    ) -> None:
        names = tuple(OPERATORS if operators is None else operators)
        rows = [operator(name) for name in names]
        if len(set(names)) < len(names):
            raise InputError(f'operators must not repeat, got {names}')
        if (
            not levels
            or len(set(levels)) < len(levels)
            or any(type(level) is not int or level not in LEVELS for level in levels)
        ):
            raise InputError(f'levels must be different values out of {LEVELS}, got {tuple(levels)}')
        if isinstance(order, bool) or not isinstance(order, int) or order < 1:
            raise InputError(f'order must be an integer >= 1, got {order!r}')
        by_kind = dict(skip) if isinstance(skip, Mapping) else dict.fromkeys(KINDS, skip)
        for kind, probability in by_kind.items():
            if kind not in KINDS:
                raise InputError(f'skip names an unknown kind {kind!r}; there are: {", ".join(KINDS)}')
            if not isinstance(probability, (int, float)) or not 0 <= probability <= 1:
                raise InputError(f'skip of {kind} must be a probability from 0 to 1, got {probability!r}')
        self.levels = tuple(levels)
        self.shuffle = shuffle
        self.order = order
        self.skip = {kind: float(by_kind.get(kind, 0.0)) for kind in KINDS}
        self.options = {
            kind: tuple(
                (row.name, level, sign)
                for row in rows
                if row.kind == kind
                for level in self.levels
                for sign in row.signs
            )
            for kind in KINDS
        }
        self._operators = {kind: tuple(row for row in rows if row.kind == kind) for kind in KINDS}
        if self.size() < 2:
            raise InputError('the space holds a single recipe: give operators, and a skip below 1 for their kind')

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that have an operator."""
        return tuple(kind for kind in KINDS if self.options[kind])

    def size(self) -> int:
        """The exact number of different degradations: sequences of (operator, direction, level), seeds not counted.

        Sequences that come about in two ways count once: geometry in pass 1 alone and geometry in pass 2 alone are the
        same degradation. The sequence without steps counts where every kind can be skipped. :meth:`paths` is the
        larger number that counts ways.
        """
        words = {()}
        for _ in range(self.order):
            words = {before + after for before in words for after in self._pass_words()}
        return sum(math.prod(len(self.options[kind]) for kind in word) for word in words)

    def paths(self) -> int:
        """The number of ways to come to a degradation: the options of one pass to the power of ``order``.

        With 8, 9 and 9 options in the three kinds, shuffled, skippable and applied twice this is 4365^2 = 1.91e7, near
        the 2e7 that the paper states.
        """
        return sum(math.prod(len(self.options[kind]) for kind in word) for word in self._pass_words()) ** self.order

    def draw(self, rng: np.random.Generator) -> Recipe:
        """Draw a recipe.

        Args:
            rng: the only source of randomness.
        """
        steps: list[Step] = []
        for _ in range(self.order):
            kinds = list(self.kinds)
            if self.shuffle:
                kinds = [kinds[i] for i in rng.permutation(len(kinds))]
            for kind in kinds:
                if rng.random() >= self.skip[kind]:
                    steps.append(self._draw_step(kind, rng))
        return Recipe(tuple(steps))

    def draw_different(self, count: int, rng: np.random.Generator) -> list[Recipe]:
        """Draw ``count`` recipes of which no two have the same key.

        Raises:
            InputError: the space holds fewer recipes.
        """
        if count > self.size():
            raise InputError(f'{count} different recipes asked for, but the space holds {self.size()}')
        found: dict[tuple[tuple[str, int, int], ...], Recipe] = {}
        while len(found) < count:
            recipe = self.draw(rng)
            found.setdefault(recipe.key, recipe)
        return list(found.values())

    def _draw_step(self, kind: str, rng: np.random.Generator) -> Step:
        rows = self._operators[kind]
        row = rows[rng.integers(len(rows))]
        level = self.levels[rng.integers(len(self.levels))]
        sign = row.signs[rng.integers(len(row.signs))]
        return Step(row.name, level, sign, int(rng.integers(1 << _SEED_BITS)))

    def _pass_words(self) -> set[tuple[str, ...]]:
        """The sequences of kinds that one pass can take."""
        must = {kind for kind in self.kinds if self.skip[kind] == 0}
        may = [kind for kind in self.kinds if self.skip[kind] < 1]
        chosen = [
            word for length in range(len(may) + 1) for word in itertools.combinations(may, length) if must <= set(word)
        ]
        return {order for word in chosen for order in (itertools.permutations(word) if self.shuffle else [word])}

    def __repr__(self) -> str:
        options = ', '.join(f'{kind} {len(self.options[kind])}' for kind in KINDS)
        return f'DegradationSpace({self.size():.3g} recipes: options {options}; order {self.order}, shuffle {self.shuffle})'
