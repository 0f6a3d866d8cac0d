"""Counting sequences of groups against a walk through every way to make the choices."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmqpt.degradations._count import Group, can_reach, count_blocks, count_sequences

seeded = settings(derandomize=True, deadline=None, database=None, max_examples=150)
groups = st.lists(st.builds(Group, st.integers(1, 4), st.booleans()), max_size=5)


def blocks(some: list[Group], shuffle: bool) -> set[tuple[int, ...]]:
    """Every sequence of places that one pass can take."""
    places = range(len(some))
    kept = [
        chosen
        for length in range(len(some) + 1)
        for chosen in itertools.combinations(places, length)
        if all(place in chosen for place in places if some[place].must)
    ]
    return {word for chosen in kept for word in (itertools.permutations(chosen) if shuffle else [chosen])}


def words(some: list[Group], shuffle: bool, order: int) -> set[tuple[int, ...]]:
    found = {()}
    for _ in range(order):
        found = {before + after for before in found for after in blocks(some, shuffle)}
    return found


def options(some: list[Group], word: tuple[int, ...]) -> int:
    return math.prod(some[place].options for place in word)


@seeded
@given(groups, st.booleans())
def test_blocks_equal_brute_force(some, shuffle):
    assert count_blocks(some, shuffle) == sum(options(some, word) for word in blocks(some, shuffle))


@pytest.mark.parametrize('order', [1, 2, 3])
@seeded
@given(some=groups, shuffle=st.booleans())
def test_sequences_equal_brute_force(order, some, shuffle):
    some = some[: 5 if order < 3 else 3]
    assert count_sequences(some, shuffle, order) == sum(options(some, word) for word in words(some, shuffle, order))


@seeded
@given(groups.map(lambda some: some[:3]), st.booleans(), st.integers(1, 3))
def test_reached_sequences_are_the_counted_ones(some, shuffle, order):
    must = {place for place, group in enumerate(some) if group.must}
    alphabet = range(len(some))
    tried = (word for length in range(7) for word in itertools.product(alphabet, repeat=length))
    reached = {word for word in tried if can_reach(word, must, shuffle, order)}
    assert reached == {word for word in words(some, shuffle, order) if len(word) < 7}


def test_closed_forms():
    assert count_blocks([Group(8, False), Group(9, False), Group(9, False)], True) == 4365
    assert count_sequences([Group(5, True)], True, 3) == 5**3
    assert count_sequences([Group(5, False)], True, 3) == 1 + 5 + 25 + 125
    assert count_sequences([], True, 2) == 1
    assert count_sequences([Group(1, True)] * 65, True, 1) == math.factorial(65)
    assert count_sequences([Group(2, False)] * 65, False, 1) == 3**65
