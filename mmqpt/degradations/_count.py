"""Which sequences of groups a space can take, and how many there are: exact, and without listing them.

One pass takes a *block*: every group at most once, those that can't be skipped exactly once, in any order or in the
order given. ``order`` blocks follow each other. A sequence can be cut into blocks in several ways; it is counted once,
by the cut that makes each block as long as possible: the next block then begins with a group that the block before
could not have taken. If any cut into blocks works, this one does: a part of a block lacks only groups that may be
skipped, and what a longer block takes from the next one are never groups that the next one must have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Group(NamedTuple):
    """Options of which a pass takes one."""

    options: int
    """How many."""

    must: bool
    """Whether every pass takes one; else it may take none."""


def count_blocks(groups: Sequence[Group], shuffle: bool) -> int:
    """Number of ways to take one pass, with the choice of options."""
    must = [group.options for group in groups if group.must]
    may = [group.options for group in groups if not group.must]
    if not shuffle:
        return math.prod(must) * math.prod(1 + options for options in may)
    return math.prod(must) * _orders(len(must), _symmetric(may))


def count_sequences(groups: Sequence[Group], shuffle: bool, order: int) -> int:
    """Number of different sequences of options that ``order`` passes can come to."""
    found = _count_shuffled(groups, order) if shuffle else _count_fixed(groups, order)
    if any(group.must for group in groups):
        return found[-1]  # every pass takes a step, so that every cut has as many blocks as there are passes
    return 1 + sum(found)


def can_reach(word: Sequence[int], must: set[int], shuffle: bool, order: int) -> bool:
    """Whether ``order`` passes can come to this sequence of groups, each given by its place in the order of a pass."""
    blocks: list[set[int]] = []
    last = -1
    for group in word:
        if not blocks or (group in blocks[-1] if shuffle else group <= last):
            blocks.append(set())
        blocks[-1].add(group)
        last = group
    if must:
        return len(blocks) == order and all(must <= block for block in blocks)
    return len(blocks) <= order


def _count_shuffled(groups: Sequence[Group], order: int) -> list[int]:
    """Number of sequences of exactly 1, 2, ... ``order`` longest blocks."""
    kinds = Counter(groups)  # groups with the same number of options count the same

    def blocks(*inside: Group) -> int:
        """Number of blocks that start with the first of these groups and hold the others."""
        rest = kinds.copy()
        rest.subtract(inside)
        must = [group.options for group in rest.elements() if group.must]
        may = [group.options for group in rest.elements() if not group.must]
        inner = len(inside) - 1 + len(must)
        return math.prod(group.options for group in inside) * math.prod(must) * _orders(inner, _symmetric(may))

    def beside(one: Group, two: Group) -> int:
        """Number of groups like ``two`` beside one like ``one``."""
        return kinds[two] - 1 if one == two else kinds[two]

    alone = {one: blocks(one) for one in kinds}
    pairs = {(one, two): blocks(one, two) for one in kinds for two in kinds if beside(one, two) > 0}
    begins = dict(alone)  # sequences that begin with one group of a kind
    totals = [sum(kinds[one] * begins[one] for one in kinds)]
    for _ in range(1, order):
        begins = {
            one: alone[one] * begins[one]
            + sum(beside(one, two) * pairs.get((one, two), 0) * begins[two] for two in kinds)
            for one in kinds
        }
        totals.append(sum(kinds[one] * begins[one] for one in kinds))
    return totals


def _count_fixed(groups: Sequence[Group], order: int) -> list[int]:
    """As :func:`_count_shuffled`, for groups that come in the order given."""
    places = range(len(groups))
    needed = [place for place in places if groups[place].must]
    first, last = (needed[0], needed[-1]) if needed else (len(groups), -1)
    begins = [1] * len(groups)  # before the last block: one way to go on, whatever the block ends with
    totals = []
    for number in range(order):
        after = [1] * len(groups)
        if number:
            after = [sum(begins[: place + 1]) for place in places]
        new = [0] * len(groups)
        for start in places[: first + 1]:
            between = groups[start].options
            if start >= last:
                new[start] += between * after[start]
            for end in places[start + 1 :]:
                group = groups[end]
                if end >= last:
                    new[start] += between * group.options * after[end]
                between *= group.options if group.must else group.options + 1
        begins = new
        totals.append(sum(begins))
    return totals


def _symmetric(values: Sequence[int]) -> list[int]:
    """Sums over all sets of 0, 1, 2, ... values of their products."""
    sums = [1]
    for value in values:
        sums = [one + value * two for one, two in zip([*sums, 0], [0, *sums], strict=True)]
    return sums


def _orders(always: int, chosen: Sequence[int]) -> int:
    """Number of ways to take ``always`` groups and some more, in any order."""
    return sum(math.factorial(always + more) * sets for more, sets in enumerate(chosen))
