"""The space of degradations: groups shuffled, skipped, and applied more than once (QPT, section on degradation)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from mmqpt.core.errors import InputError
from mmqpt.degradations._count import Group, can_reach, count_blocks, count_sequences
from mmqpt.degradations._options import (
    CHOICES,
    Option,
    check_groups,
    check_options,
    check_severity,
    check_skip,
    check_weights,
)
from mmqpt.degradations.presets import PRESETS, preset_arguments
from mmqpt.degradations.recipe import SEED_BITS, Recipe, Step
from mmqpt.degradations.registry import operator
from mmqpt.degradations.rows import KINDS
from mmqpt.degradations.table import OPERATORS


class DegradationSpace:
    """All recipes that a config allows, and the way to draw one.

    One pass goes through the kinds (geometry, colour, texture) in random order (*shuffle*), leaves each out with a set
    probability (*skip*), and takes one operator of each kind that stays, with a level and a direction. ``order``
    passes follow each other (*high order*). The three mechanisms are the paper's; operators, levels and probabilities
    are design choices.

    Named ``groups`` may take the place of the three kinds (an extension): the stages of a camera in their order.

    Args:
        operators: names of the operators to use; by default all but those that show on parts of a photo only, of which
            a patch may show nothing. A kind with no operator takes no part.
        levels: levels to draw from, each 1 to 5; all by default.
        skip: probability to leave a kind out of a pass, for all kinds or by kind; kinds that are not named are never
            left out. With ``choice='operator'`` operators may be named too, and count before their kind.
        shuffle: whether the kinds come in random order; else geometry, colour, texture, or operators as they are given.
        order: number of passes.
        choice: ``'kind'``: a pass takes one operator of each kind; ``'operator'``: every operator is a step of its own,
            to be shuffled and skipped; ``'one'``: a pass takes one operator out of all.
        weights: how likely operators are beside each other, by name; 1 where not named.
        severity: how likely the levels 1 to 5 are beside each other, five numbers; evenly by default.
        options: what to draw from instead of ``operators`` at all ``levels`` and in both directions: each an operator,
            a level and a direction (1 or -1). ``weights`` still go to operators, ``severity`` to an operator's options.
        extra: operators beside those, at all levels and in both directions: such as your own, which take part only
            where they are named. With ``groups`` a list for each of some groups, by name.
        groups: instead of the kinds, by the name of each group its ``operators`` (with ``levels``) or ``options``, and
            if it has its own, ``skip`` and ``weights``; or a list of operators alone. In the order in which a pass goes
            through them without ``shuffle``. An operator is in one group. ``levels``, ``skip`` and ``severity`` of
            the space are those of groups that say nothing else.
        preset: not taken here: :meth:`preset` starts from a preset.

    Raises:
        InputError: an unknown operator, kind or group, a value out of range, or a space that holds a single recipe.
    """

    def __init__(
        self,
        operators: Sequence[str] | None = None,
        levels: Sequence[int] | None = None,
        skip: float | Mapping[str, float] = 0.5,
        shuffle: bool = True,
        order: int = 2,
        choice: str = 'kind',
        weights: Mapping[str, float] | None = None,
        severity: Sequence[float] | None = None,
        options: Sequence[Sequence[Any]] | None = None,
        extra: Sequence[str] | Mapping[str, Sequence[str]] = (),
        groups: Mapping[str, Mapping[str, Any] | Sequence[str]] | None = None,
        preset: str | None = None,
    ) -> None:
        for name in (operators, preset):
            if isinstance(name, str) and name in PRESETS:
                raise InputError(f'{name!r} is a preset: write DegradationSpace.preset({name!r})')
        if preset is not None:
            preset_arguments(preset)  # says which presets there are
        if choice not in CHOICES:
            raise InputError(f'choice must be one of {CHOICES}, got {choice!r}')
        if isinstance(order, bool) or not isinstance(order, int) or order < 1:
            raise InputError(f'order must be an integer >= 1, got {order!r}')
        self.shuffle = shuffle
        self.order = order
        self.severity = check_severity(severity)
        if groups is not None:
            if operators is not None or options is not None or weights is not None or choice != 'kind':
                raise InputError('groups name operators and weights: leave out operators, options, weights and choice')
            named = check_groups(groups, levels, skip, extra)
            self.choice = 'group'
            self.groups = tuple(named)
            self.options = tuple(option for group in named.values() for option in group.options)
            self.weights = {name: weight for group in named.values() for name, weight in group.weights.items()}
            self.skip = {name: group.skip for name, group in named.items()}
            self._group_of = {option[0]: name for name, group in named.items() for option in group.options}
        else:
            if isinstance(extra, Mapping):
                raise InputError(f'without groups, extra must be a list of names of operators, got {dict(extra)!r:.80}')
            self.choice = choice
            self.options = check_options(operators, levels, options, extra)
            names = tuple(dict.fromkeys(option[0] for option in self.options))
            self.weights = check_weights(weights, names, choice)
            self._group_of = {name: _group(name, choice) for name in names}
            present = dict.fromkeys(self._group_of.values())
            self.groups = tuple(sorted(present, key=KINDS.index) if choice == 'kind' else present)
            self.skip = check_skip(skip, self.groups, choice)
        # A worker that is started afresh unpickles these, and so imports the modules that register them.
        self._registered = [operator(name).function for name in self._group_of if name not in OPERATORS]
        self._tables = {group: self._table(group) for group in self.groups}
        place = {group: place for place, group in enumerate(self.groups)}
        self._must = {place[group] for group in self.groups if self.skip[group] == 0}
        self._places = {
            option: place[group] for group in self.groups if self.skip[group] < 1 for option in self._tables[group][0]
        }
        self._size = count_sequences(self._counted(), shuffle, order)
        if self._size < 2:
            raise InputError(
                'the space holds a single recipe: give operators, and a skip below 1 for their kind or group'
            )

    @classmethod
    def preset(cls, name: str, **changes: Any) -> DegradationSpace:
        """A space with a name (see :data:`PRESETS`), with some arguments changed."""
        return cls(**{**preset_arguments(name), **changes})

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str | DegradationSpace | None = None) -> DegradationSpace:
        """A space from the ``space`` of a config: arguments, of which ``preset`` may name those to start from.

        The name of a preset alone will do, and a space is returned unchanged.

        Raises:
            InputError: as of the class; also for an unknown argument, or one of another type.
        """
        if isinstance(config, DegradationSpace):
            return config
        if isinstance(config, str):
            return cls.preset(config)
        if config is not None and not isinstance(config, Mapping):
            raise InputError(f'space must be a dict of arguments or the name of a preset, got {config!r:.80}')
        changes = dict(config or {})
        try:
            return cls.preset(changes.pop('preset', 'large'), **changes)
        except TypeError as error:
            raise InputError(f'space: {str(error).removeprefix("DegradationSpace.__init__() ")}') from error

    def count_options(self) -> dict[str, int]:
        """Number of options in each kind, or in each group of a space with groups."""
        if self.choice == 'group':
            return {group: len(self._tables[group][0]) for group in self.groups}
        return {kind: sum(operator(option[0]).kind == kind for option in self.options) for kind in KINDS}

    def size(self) -> int:
        """The exact number of different degradations: sequences of (operator, direction, level), seeds not counted.

        Sequences that can arise in two ways count once: geometry in pass 1 alone and geometry in pass 2 alone are the
        same degradation. The sequence without steps counts where every kind or group can be skipped. :meth:`paths` is
        the larger number that counts ways.
        """
        return self._size

    def paths(self) -> int:
        """The number of ways to arrive at a degradation: the options of one pass to the power of ``order``.

        With 8, 9 and 9 options in the three kinds, shuffled, skippable and applied twice this is 4365^2 = 1.91e7, near
        the 2e7 that the paper states.
        """
        return count_blocks(self._counted(), self.shuffle) ** self.order

    def __contains__(self, recipe: Recipe) -> bool:
        """Whether a recipe, seeds aside, can be drawn."""
        if any((step.operator, step.level, step.sign) not in self._places for step in recipe.steps):
            return False
        word = [self._places[step.operator, step.level, step.sign] for step in recipe.steps]
        return can_reach(word, self._must, self.shuffle, self.order)

    def draw(self, rng: np.random.Generator | None = None) -> Recipe:
        """Draw a recipe.

        Args:
            rng: the only source of randomness, never left out.

        Raises:
            InputError: ``rng`` is no generator.
        """
        rng = check_rng(rng)
        steps: list[Step] = []
        for _ in range(self.order):
            draws = rng.random(len(self.groups))
            kept = [group for group, draw in zip(self.groups, draws, strict=True) if draw >= self.skip[group]]
            if self.shuffle and len(kept) > 1:
                kept = [kept[place] for place in rng.permutation(len(kept))]
            steps += [self.draw_step(rng, group) for group in kept]
        return Recipe(tuple(steps))

    def draw_step(self, rng: np.random.Generator, group: str | None = None) -> Step:
        """Draw one step of a group, by default of any."""
        if group is None:
            group = self.groups[rng.integers(len(self.groups))]
        options, bounds = self._tables[group]
        option = options[bisect.bisect_right(bounds, rng.random())]
        return Step(*option, int(rng.integers(1 << SEED_BITS)))

    def _table(self, group: str) -> tuple[list[Option], list[float]]:
        """The options of a group and the upper bounds of their shares of [0, 1)."""
        options = [option for option in self.options if self._group_of[option[0]] == group]
        shares = [self.severity[level - 1] for _, level, _ in options]
        of_operator: dict[str, float] = {}
        for option, share in zip(options, shares, strict=True):
            of_operator[option[0]] = of_operator.get(option[0], 0.0) + share
        shares = [
            self.weights.get(name, 1.0) * share / of_operator[name]
            for (name, _, _), share in zip(options, shares, strict=True)
        ]
        bounds = list(itertools.accumulate(shares))
        return options, [bound / bounds[-1] for bound in bounds[:-1]] + [1.0]

    def _counted(self) -> list[Group]:
        """Groups that a pass can take, as counting needs them."""
        return [
            Group(len(self._tables[group][0]), self.skip[group] == 0) for group in self.groups if self.skip[group] < 1
        ]

    def __repr__(self) -> str:
        options = ', '.join(f'{kind} {count}' for kind, count in self.count_options().items())
        return (
            f'DegradationSpace({short(self.size())} recipes in {short(self.paths())} ways: options {options}; '
            f'choice {self.choice}, order {self.order}, shuffle {self.shuffle})'
        )


def short(number: int) -> str:
    """A count for people: in full below a million, else three digits and a power of ten, however large."""
    if number < 10**6:
        return str(number)
    digits, power = f'{Decimal(number):.2e}'.split('e')
    return f'{digits}e{int(power)}'


def check_rng(rng: Any) -> np.random.Generator:
    """The generator, or an InputError that says how to make one."""
    if not isinstance(rng, np.random.Generator):
        got = 'nothing' if rng is None else f'{rng!r:.80}'
        raise InputError(f'rng must be a NumPy generator, such as numpy.random.default_rng(0), got {got}')
    return rng


def _group(name: str, choice: str) -> str:
    return {'kind': operator(name).kind, 'operator': name, 'one': 'any'}[choice]
