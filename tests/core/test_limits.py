"""The limits hold each other."""

from mmqpt.core import limits
from mmqpt.core.photo import FIRST_FORMATS, MORE_FORMATS


def test_every_format_has_its_memory():
    assert {*FIRST_FORMATS, *MORE_FORMATS, 'HEIF'} <= set(limits.DECODING)
