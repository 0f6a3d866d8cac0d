"""Rating scales of rated photos."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import Rating
from mmqpt.datasets.rated.scales import group_labels, scale_of


def test_scale_of():
    rating = Rating('a.png', 1.0, {'name': 'a.png', 'subset': 'ss01', 'empty': ''})
    assert scale_of(rating, 'subset') == 'ss01'
    with pytest.raises(InputError, match=r"a.png: column 'empty' is empty"):
        scale_of(rating, 'empty')


def test_group_labels():
    rows = [('a', 0.1, (0, 1)), ('b', 0.2, (1, 5)), (None, 0.3, (0, 9)), ('a', 0.4, (0, 1))]
    assert group_labels(rows) == {'a': ([0.1, 0.4], (0, 1)), 'b': ([0.2], (1, 5))}
    with pytest.raises(InputError, match="scale 'a' has two ranges"):
        group_labels([('a', 0.1, (0, 1)), ('a', 0.1, (0, 2))])
