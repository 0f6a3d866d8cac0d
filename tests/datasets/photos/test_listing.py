"""Names in little memory. What lists may hold is tested with PhotoFolder."""

import pytest

from mmqpt.datasets.photos.listing import Packed


def test_packed_strings_come_back():
    items = [b'a.jpg', b'', b'caf\xe9\n.png', b'x' * 300]
    packed = Packed(iter(items))
    assert list(packed) == items
    assert len(packed) == 4
    assert packed[1:3] == items[1:3]
    with pytest.raises(IndexError):
        packed[4]
    assert list(Packed([])) == []
