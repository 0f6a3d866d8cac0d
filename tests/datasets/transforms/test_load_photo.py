"""Loading a photo from a file, or from bytes."""

import numpy as np
import pytest

from mmqpt.core.errors import PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.transforms.load_photo import LoadPhoto


def test_bytes_go_before_the_path(photo_folder):
    first, second = sorted(photo_folder.iterdir())[:2]
    results = LoadPhoto()({'img_path': str(first), 'img_bytes': second.read_bytes()})
    np.testing.assert_array_equal(results['img'], read_photo(second)[..., ::-1])
    assert results['img_path'] == str(first)
    assert 'img_bytes' not in results


def test_errors_about_bytes_name_the_photo():
    with pytest.raises(PhotoError, match=r'a\.tar/1\.jpg: not an image'):
        LoadPhoto()({'img_path': 'a.tar/1.jpg', 'img_bytes': b'nothing'})
