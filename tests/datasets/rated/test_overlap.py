"""Photos that two folders share: renamed copies, near-duplicates, and none."""

import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.duplicates import fingerprint_photos
from mmqpt.datasets.rated.overlap import find_overlap


@pytest.fixture
def trained(photo_folder, tmp_path):
    """Training photos: one copied under another name, one recompressed and smaller, one broken, one of its own."""
    (tmp_path / 'deep').mkdir()
    (tmp_path / 'deep' / 'copy.jpg').write_bytes((photo_folder / 'coffee_0.jpg').read_bytes())
    with Image.open(photo_folder / 'astronaut_1.jpg') as photo:
        photo.resize((200, 160)).save(tmp_path / 'small.jpg', quality=60)
    with Image.open(photo_folder / 'chelsea_0.jpg') as photo:
        photo.rotate(90, expand=True).save(tmp_path / 'turned.jpg')
    (tmp_path / 'broken.jpg').write_text('no photo')
    return tmp_path


def test_copies_and_near_duplicates(photo_folder, trained):
    names = sorted(path.name for path in photo_folder.iterdir())
    others = ['broken.jpg', 'deep/copy.jpg', 'small.jpg', 'turned.jpg']
    counted = []
    prints = fingerprint_photos(photo_folder, names)
    found = find_overlap(photo_folder, prints, trained, others, done=counted.append)
    assert found.same == {'coffee_0.jpg': 'deep/copy.jpg'}
    assert found.near == {'astronaut_1.jpg': 'small.jpg'}
    assert found.names == ['astronaut_1.jpg', 'coffee_0.jpg']
    assert (found.compared, found.unreadable) == (3, 1)
    assert len(counted) == 4


def test_no_relatives(photo_folder, trained):
    prints = fingerprint_photos(photo_folder, ['coffee_1.jpg', 'chelsea_0.jpg'])
    found = find_overlap(photo_folder, prints, trained, ['small.jpg', 'turned.jpg'])
    assert found.names == []


def test_training_photos_that_are_missing_or_unreadable(photo_folder, trained):
    prints = fingerprint_photos(photo_folder, ['coffee_1.jpg'])
    with pytest.raises(FileNotFoundError, match='nowhere'):
        find_overlap(photo_folder, prints, trained, ['nowhere.jpg'])
    with pytest.raises(InputError, match='none of 1 photos could be read'):
        find_overlap(photo_folder, prints, trained, ['broken.jpg'])
