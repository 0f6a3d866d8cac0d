"""Checks of the arguments of a degradation space."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mmqpt.core.errors import InputError
from mmqpt.degradations.recipe import Step
from mmqpt.degradations.registry import all_operators, operator
from mmqpt.degradations.rows import KINDS, LEVELS
from mmqpt.degradations.table import DEFAULT_OPERATORS

CHOICES = ('kind', 'operator', 'one')

Option = tuple[str, int, int]
"""An operator, a level and a direction."""

GROUP_FIELDS = ('operators', 'levels', 'options', 'skip', 'weights')
"""What a named group may give of its own."""


class NamedGroup(NamedTuple):
    """A stage of a space with groups."""

    options: tuple[Option, ...]
    skip: float
    weights: dict[str, float]


def check_options(
    operators: Sequence[str] | None,
    levels: Sequence[int] | None,
    options: Sequence[Sequence[Any]] | None,
    extra: Sequence[str] = (),
) -> tuple[Option, ...]:
    """All options: those given, or the operators at all levels and in both directions; then those of ``extra``."""
    if options is not None:
        if operators is not None or levels is not None:
            raise InputError('options already name operators and levels: leave out operators and levels')
        found = _given(options)
        names = tuple(dict.fromkeys(name for name, _, _ in found))
    else:
        names = DEFAULT_OPERATORS if operators is None else _names('operators', operators)
        levels = LEVELS if levels is None else _levels(levels)
        found = _all_options(names, levels)
    more = _names('extra', extra)
    twice = [name for name in more if name in names]
    if twice:
        raise InputError(f'extra must name other operators than the space has, got {twice[0]!r}')
    return (*found, *_all_options(more, LEVELS if levels is None else levels))


def check_groups(
    groups: Mapping[str, Any], levels: Sequence[int] | None, skip: float | Mapping[str, float], extra: Any
) -> dict[str, NamedGroup]:
    """The groups of a space in the order given, complete.

    Args:
        groups: of each name a dict of :data:`GROUP_FIELDS`, or a list of operators alone.
        levels: those of groups that name none.
        skip: that of groups that name none.
        extra: more operators by the name of the group that they go to.
    """
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(f'groups must hold operators by the name of their group, got {groups!r:.80}')
    if isinstance(skip, Mapping):
        raise InputError('with groups, skip must be one probability: give a group a skip of its own')
    if extra and not isinstance(extra, Mapping):
        raise InputError(f'with groups, extra must hold operators by the name of a group, got {extra!r:.80}')
    more = dict(extra or {})
    unknown = [name for name in more if name not in groups]
    if unknown:
        raise InputError(f'extra names an unknown group {unknown[0]!r}; there are: {", ".join(map(str, groups))}')
    found: dict[str, NamedGroup] = {}
    owner: dict[str, str] = {}
    for name, given in groups.items():
        if not isinstance(name, str) or not name:
            raise InputError(f'the name of a group must be a text, got {name!r}')
        try:
            found[name] = _group(given, levels, skip, more.get(name, ()))
        except InputError as error:
            raise InputError(f'group {name}: {error}') from error
        for used in dict.fromkeys(option[0] for option in found[name].options):
            if used in owner:
                raise InputError(f'an operator must be in one group, got {used!r} in {owner[used]} and {name}')
            owner[used] = name
    return found


def _group(given: Any, levels: Sequence[int] | None, skip: float, extra: Sequence[str]) -> NamedGroup:
    fields = given if isinstance(given, Mapping) else {'operators': given}
    wrong = [field for field in fields if field not in GROUP_FIELDS]
    if wrong:
        raise InputError(f'unknown {wrong[0]!r}; a group takes: {", ".join(GROUP_FIELDS)}')
    operators, options = fields.get('operators'), fields.get('options')
    if operators is None and options is None:
        raise InputError('give operators or options')
    own = fields.get('levels')
    if own is None and options is None:
        own = levels
    chosen = check_options(operators, own, options, extra)
    if not chosen:
        raise InputError('give at least one operator')
    names = tuple(dict.fromkeys(name for name, _, _ in chosen))
    weights = check_weights(fields.get('weights'), names, 'group')
    return NamedGroup(chosen, _probability('skip', fields.get('skip', skip)), weights)


def check_skip(skip: float | Mapping[str, float], groups: Sequence[str], choice: str) -> dict[str, float]:
    """The probability to leave out each group."""
    if not isinstance(skip, Mapping):
        return dict.fromkeys(groups, _probability('skip', skip))
    if choice == 'one':
        raise InputError(f"skip must be one probability with choice 'one', got {dict(skip)}")
    known = KINDS if choice == 'kind' else (*KINDS, *all_operators())
    for name, probability in skip.items():
        if name not in known:
            raise InputError(f'skip names an unknown kind {name!r}; there are: {", ".join(known)}')
        _probability(f'skip of {name}', probability)
    if choice == 'kind':
        return {group: float(skip.get(group, 0.0)) for group in groups}
    return {group: float(skip.get(group, skip.get(operator(group).kind, 0.0))) for group in groups}


def check_weights(weights: Mapping[str, float] | None, names: Sequence[str], choice: str) -> dict[str, float]:
    """The weights given, all of operators of the space."""
    if weights and choice == 'operator':
        raise InputError("weights have no meaning with choice 'operator', where each operator has a skip of its own")
    if weights is not None and not isinstance(weights, Mapping):
        raise InputError(f'weights must be a number for each of some operators, by name, got {weights!r}')
    for name, weight in (weights or {}).items():
        if name not in names:
            raise InputError(f'weights names {name!r}, which is none of the operators of the space')
        _positive(f'weight of {name}', weight)
    return dict(weights or {})


def check_severity(severity: Sequence[float] | None) -> tuple[float, ...]:
    """Five weights."""
    if severity is None:
        return (1.0,) * len(LEVELS)
    if isinstance(severity, str) or not isinstance(severity, Sequence) or len(severity) != len(LEVELS):
        raise InputError(f'severity must be {len(LEVELS)} numbers, one for each level, got {severity!r}')
    for level, weight in zip(LEVELS, severity, strict=True):
        _positive(f'severity of level {level}', weight)
    return tuple(map(float, severity))


def _names(argument: str, given: Any) -> tuple[str, ...]:
    """Names of operators, none of them twice."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f'{argument} must be a list of names of operators, got {given!r}')
    names = tuple(operator(name).name for name in given)
    if len(set(names)) < len(names):
        raise InputError(f'{argument} must not repeat, got {names}')
    return names


def _levels(given: Any) -> tuple[int, ...]:
    levels = tuple(given) if isinstance(given, Iterable) else ()
    bad = any(type(level) is not int or level not in LEVELS for level in levels)
    if not levels or bad or len(set(levels)) < len(levels):
        raise InputError(f'levels must be different values out of {LEVELS}, got {given!r}')
    return levels


def _all_options(names: Sequence[str], levels: Sequence[int]) -> tuple[Option, ...]:
    return tuple((name, level, sign) for name in names for level in levels for sign in operator(name).signs)


def _given(options: Any) -> tuple[Option, ...]:
    if isinstance(options, str) or not isinstance(options, Sequence):
        raise InputError(f'options must be a list of (operator, level, direction), got {options!r}')
    found = []
    for option in options:
        if isinstance(option, str) or not isinstance(option, Sequence) or len(option) != 3:
            raise InputError(f'an option must be an operator, a level and a direction (1 or -1), got {option!r}')
        step = Step(*option)
        found.append((step.operator, step.level, step.sign))
    if len(set(found)) < len(found):
        repeated = next(option for option in found if found.count(option) > 1)
        raise InputError(f'options must not repeat, got {repeated} more than once')
    return tuple(found)


def _probability(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f'{name} must be a probability from 0 to 1, got {value!r}')
    return float(value)


def _positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise InputError(f'{name} must be a number > 0, got {value!r}')
