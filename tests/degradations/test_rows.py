"""What a row holds is checked when it is written, and what its function returns when it is called."""

import importlib
import sys

import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.degradations import Frame, Operator, Region, row
from mmqpt.degradations.rows import row_of, rows_of

FIELDS = {'unit': 'px', 'levels': (1, 2, 3, 4, 5), 'source': 'a test'}
IMAGE = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def shift(image, pixels):
    """Move the photo by ``pixels`` px, as :func:`numpy.roll` does. More is said here.

    And here.
    """
    return np.roll(image, pixels, axis=1)


def noisy(image, sigma, seed):
    """Add noise of some grey levels."""
    return image + np.uint8(seed)


def test_the_function_says_its_name_parameter_seed_and_summary():
    assert row('geometry', **FIELDS, reach=3)(shift) is shift
    assert row_of(shift) == Operator(
        name='shift',
        kind='geometry',
        function=shift,
        parameter='pixels',
        unit='px',
        levels=(1, 2, 3, 4, 5),
        source='a test',
        summary='Move the photo by `pixels` px, as `numpy.roll` does',
        reach=3,
    )
    assert not row_of(shift).seeded
    assert row_of(row('texture', **FIELDS)(noisy)).seeded
    np.testing.assert_array_equal(shift(IMAGE, 1), np.roll(IMAGE, 1, axis=1))


def framed(image, value, seed, frame=None):
    """Return what is asked for, or, from 2 on, something else."""
    return image.copy() if frame is None or value >= 2 else frame.cut(image).copy()


def test_a_frame_is_handed_on_and_what_it_asks_for_checked():
    found = row_of(row('texture', **FIELDS, reach=1)(framed))
    assert found.framed
    frame = Frame(20, 30, Region(3, 4, 7, 9), Region(4, 4, 6, 8))
    np.testing.assert_array_equal(found(IMAGE, 1, frame=frame), IMAGE[1:3, :4])
    np.testing.assert_array_equal(found(IMAGE, 2), IMAGE)
    with pytest.raises(
        InputError, match=r'framed must return a uint8 array of shape \(2, 4, 3\), got uint8 \(4, 5, 3\)'
    ):
        found(IMAGE, 2, frame=frame)


def test_what_a_region_needs():
    asked = Region(10, 20, 30, 41)
    plain, whole = (row_of(row('texture', **FIELDS, **more)(shift)) for more in ({'reach': int, 'grid': 8}, {}))
    assert plain.needs(asked, 3, 1, 0, 50, 44) == Region(0, 16, 40, 44)
    assert whole.needs(asked, 3, 1, 0, 50, 44) == Region(0, 0, 50, 44)
    assert (plain.local, whole.local) == (True, False)


def test_lists_will_do():
    fields = {**FIELDS, 'levels': [1, 2, 3, 4, 5]}
    found = row_of(row('texture', **fields, negative=[-1, -2, -3, -4, -6])(noisy))
    assert found.levels == (1, 2, 3, 4, 5)
    assert found.negative == (-1, -2, -3, -4, -6)
    assert hash(found) is not None


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kind': 'noise'}, r"shift: kind must be one of \('geometry', 'colour', 'texture'\), got 'noise'"),
        ({'unit': ''}, "shift: unit must be a text, got ''"),
        ({'source': None}, 'shift: source must be a text, got None'),
        ({'levels': (1, 2, 3, 4)}, r'shift: levels must be 5 numbers, from mild to harsh, got \(1, 2, 3, 4\)'),
        ({'levels': 3}, 'shift: levels must be 5 numbers, from mild to harsh, got 3'),
        ({'levels': (1, 2, 3, 4, float('nan'))}, 'shift: levels must be 5 numbers'),
        ({'levels': (1, 2, 3, 4, '5')}, 'shift: levels must be 5 numbers'),
        ({'levels': (1, 2, 2, 3, 4)}, r'shift: levels must rise or fall throughout, got \(1, 2, 2, 3, 4\)'),
        ({'negative': (1, 2)}, r'shift: negative must be 5 numbers, from mild to harsh, got \(1, 2\)'),
        ({'negative': (1, 2, 3, 4, 5), 'mirrored': True}, 'shift: give negative levels or mirrored, not both'),
        ({'reach': -1}, 'shift: reach must be px >= 0, a function of the value or None, got -1'),
        ({'reach': 1.5}, 'shift: reach must be px >= 0'),
        ({'reach': 1, 'footprint': print}, 'shift: give reach or footprint, not both'),
        ({'grid': 0}, 'shift: grid must be px >= 1 or a function of the value, got 0'),
        ({'version': 0}, 'shift: version must be an integer >= 1, got 0'),
    ],
)
def test_bad_rows(changes, message):
    with pytest.raises(InputError, match=message):
        row(**{'kind': 'geometry', **FIELDS, **changes})(shift)


def other_arguments(photo, value):
    """Has another first argument."""


def too_many_arguments(image, value, seed, more):
    """Has one too many."""


def no_docstring(image, value):
    return image


def texture(image, value):
    """Is called like a kind."""


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        (other_arguments, r'other_arguments must take image, a value and perhaps seed and frame, got \(photo, value\)'),
        (too_many_arguments, r'must take image, a value and perhaps seed and frame, got \(image, value, seed, more\)'),
        (no_docstring, 'no_docstring needs a docstring, whose first sentence says what it does'),
        (texture, "name of an operator must be a Python identifier and no kind, got 'texture'"),
        (np.add, 'an operator must be a function, got <ufunc'),
    ],
)
def test_bad_functions(function, message):
    with pytest.raises(InputError, match=message):
        row('texture', **FIELDS)(function)


def test_a_lambda_has_no_name():
    nameless = lambda image, value: image  # noqa: E731
    nameless.__doc__ = 'Do nothing.'
    with pytest.raises(InputError, match="must be a Python identifier and no kind, got '<lambda>'"):
        row('texture', **FIELDS)(nameless)


def operator_of(function) -> Operator:
    return Operator('mine', 'texture', function, 'value', '1', (1, 2, 3, 4, 5), 'a test')


@pytest.mark.parametrize(
    ('function', 'message'),
    [
        (lambda image, value: image / 2, r'operator mine must return a uint8 array of shape \(4, 5, 3\), got float64'),
        (lambda image, value: image[:2], r'of shape \(4, 5, 3\), got uint8 \(2, 5, 3\)'),
        (lambda image, value: None, r'of shape \(4, 5, 3\), got NoneType'),
    ],
)
def test_bad_results(function, message):
    with pytest.raises(InputError, match=message):
        operator_of(function)(IMAGE, 1)


def test_an_operator_cannot_write_to_the_photo():
    def darken(image, value):
        image[:] = 0
        return image

    before = IMAGE.copy()
    with pytest.raises(RuntimeError, match=r'operator .*, level 1: ValueError: .*read-only'):
        operator_of(darken)(IMAGE, 1)
    np.testing.assert_array_equal(IMAGE, before)
    assert IMAGE.flags.writeable


def test_what_shares_memory_with_the_photo_is_copied():
    for function in (lambda image, value: image, lambda image, value: image[:, ::-1]):
        out = operator_of(function)(IMAGE, 1)
        assert not np.shares_memory(out, IMAGE)
        assert out.flags.writeable
        assert out.flags.c_contiguous


def test_rows_of_a_module_are_those_it_defines_in_their_order(tmp_path, monkeypatch):
    text = """
from mmqpt.degradations import row
from mmqpt.degradations.blur import gaussian_blur
for_all = dict(unit='px', levels=(1, 2, 3, 4, 5), source='a test')
@row('texture', **for_all)
def second(image, value):
    'Come first.'
@row('texture', **for_all)
def first(image, value):
    'Come second.'
def helper(image, value):
    'Have no row.'
"""
    (tmp_path / 'some_rows.py').write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        found = rows_of(importlib.import_module('some_rows'))
    finally:
        sys.modules.pop('some_rows', None)
    assert [one.name for one in found] == ['second', 'first']


def failing(image, value):
    """Fail in one of three ways."""
    if value == 1:
        return {}[value]
    if value == 2:
        image[0] = 0  # the versions of a photo share it
    raise InputError('this photo is too dark')


@pytest.mark.parametrize(
    ('level', 'reason'), [(1, 'KeyError: 1'), (2, 'ValueError: assignment destination is read-only')]
)
def test_a_bug_of_an_operator_names_it_and_its_place(level, reason):
    found = row_of(row('texture', **FIELDS)(failing))
    with pytest.raises(
        RuntimeError, match=rf'operator failing, level {level}: {reason} \(.*test_rows\.py:\d+\)'
    ) as error:
        found(IMAGE, level)
    assert error.value.__cause__ is not None
    with pytest.raises(InputError, match=r'^this photo is too dark$'):
        found(IMAGE, 3)
