"""What a search meets: photos, each once; other kinds, counted; links, loops and locked folders."""

import os
from pathlib import Path

import pytest

from mmqpt.core import photo_search
from mmqpt.core.photo import find_photos
from mmqpt.core.photo_search import search_folder, search_pattern

JPEG = ('.jpg',)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to search in: ``set`` with a photo and a subfolder, ``disk`` beside it."""
    for name in ('set/a.jpg', 'set/sub/b.jpg', 'disk/c.jpg', 'disk/deep/d.jpg'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def locked(monkeypatch):
    """Makes the listing of a folder fail, as it does without the right to read it; root may read all."""
    scandir, refused = os.scandir, set()

    def refuse(path):
        if os.path.basename(path) in refused:
            raise PermissionError(13, 'Permission denied', path)
        return scandir(path)

    monkeypatch.setattr(photo_search.os, 'scandir', refuse)
    return refused.add


def test_linked_folders_are_searched(here):
    (here / 'set' / 'more').symlink_to('../disk')
    assert search_folder('set', JPEG).photos == [
        'set/a.jpg', 'set/more/c.jpg', 'set/more/deep/d.jpg', 'set/sub/b.jpg'
    ]  # fmt: skip
    assert search_folder('set', JPEG, recursive=False).photos == ['set/a.jpg']


def test_no_photo_is_found_twice(here):
    """Loops, a link to a sibling, to the folder itself, to what holds it, and to single photos."""
    for link, target in (
        ('set/0', 'sub'), ('set/loop', '.'), ('set/sub/up', '..'), ('set/out', '..'), ('set/root', '/'),
        ('set/1.jpg', 'a.jpg'), ('set/2.jpg', 'sub/b.jpg'), ('set/3.jpg', '../disk/c.jpg'), ('set/4.jpg', '3.jpg'),
    ):  # fmt: skip
        (here / link).symlink_to(target)
    found = search_folder('set', JPEG)
    assert found.photos == ['set/3.jpg', 'set/a.jpg', 'set/sub/b.jpg']
    assert found.skipped == {'folder linked a second time': 5, 'photo linked a second time': 3}
    assert find_photos('set') == [Path(path) for path in found.photos]


def test_kinds_are_counted(here):
    for name in ('x.CR2', 'y.cr2', 'z.svg', 'README', '.hidden', 'sub/w.tar.gz'):
        (here / 'set' / name).touch()
    assert search_folder('set', JPEG).skipped == {'.cr2': 2, '.svg': 1, 'without an ending': 1, '.gz': 1}
    assert search_folder('set', JPEG, recursive=False).skipped == {'.cr2': 2, '.svg': 1, 'without an ending': 1}
    told = []
    find_photos('set', tell=told.append)
    assert len(told) == 1
    assert told[0].startswith('set: left out 2 .cr2, 1 ')


def test_dead_links_and_pipes_are_named(here):
    (here / 'set' / 'dead.jpg').symlink_to('gone.jpg')
    (here / 'set' / 'dead').symlink_to('gone')
    (here / 'set' / 'round.jpg').symlink_to('round.jpg')
    os.mkfifo(here / 'set' / 'pipe.jpg')
    found = search_folder('set', JPEG)
    assert found.photos == ['set/a.jpg', 'set/sub/b.jpg']
    assert found.broken == ['set/dead.jpg', 'set/pipe.jpg', 'set/round.jpg']
    assert found.skipped == {'without an ending': 1}
    with pytest.warns(UserWarning, match=r'3 dead links or other than regular files \(first: set/dead\.jpg\)'):
        assert len(find_photos('set')) == 2


def test_a_locked_folder_ends_nothing(here, locked):
    locked('sub')
    found = search_folder('set', JPEG)
    assert found.photos == ['set/a.jpg']
    assert found.refused == ["set/sub: this folder can't be searched (Permission denied)"]
    with pytest.warns(UserWarning, match=r"1 folders that can not be searched \(first: set/sub: this folder can't"):
        assert find_photos('set') == [Path('set/a.jpg')]
    assert search_pattern('set/**/*.jpg').photos == ['set/a.jpg']
    assert search_pattern('*/sub/*.jpg').refused == found.refused


def test_photos_of_a_folder_that_may_not_be_entered_are_listed(here, monkeypatch):
    """Their names can be read, they can not: reading them says so."""

    class Entry:
        def __init__(self, name):
            self.name, self.path = name, f'set/sub/{name}'

        def is_symlink(self):
            return False

        def is_dir(self):
            raise PermissionError(13, 'Permission denied')

        is_file = is_dir

    entries = photo_search._entries
    fake = [Entry('b.jpg'), Entry('n.txt')]
    monkeypatch.setattr(photo_search, '_entries', lambda f, r: fake if f == 'set/sub' else entries(f, r))
    found = search_folder('set', JPEG)
    assert found.photos == ['set/a.jpg', 'set/sub/b.jpg']
    assert found.skipped == {'.txt': 1}


def test_patterns(here):
    (here / 'set' / '.h').mkdir()
    (here / 'set' / '.h' / 'x.jpg').touch()
    (here / 'set' / 'sub' / '[1].jpg').touch()
    assert search_pattern('set/*').photos == ['set/a.jpg']
    assert search_pattern('set/*').skipped == {'folder': 1}
    assert search_pattern('*/*.jpg').photos == ['disk/c.jpg', 'set/a.jpg']
    assert search_pattern('**/*.jpg').photos == [
        'disk/c.jpg', 'disk/deep/d.jpg', 'set/a.jpg', 'set/sub/[1].jpg', 'set/sub/b.jpg'
    ]  # fmt: skip
    assert search_pattern('set/**').photos == ['set/a.jpg', 'set/sub/[1].jpg', 'set/sub/b.jpg']
    assert search_pattern('**/deep/**/d.jpg').photos == ['disk/deep/d.jpg']
    assert search_pattern('set/.h/*.jpg').photos == ['set/.h/x.jpg']
    assert search_pattern('set/sub/[[]1].jpg').photos == ['set/sub/[1].jpg']
    assert search_pattern(f'{here}/s?t/a.jpg').photos == [f'{here}/set/a.jpg']
    assert search_pattern('nowhere/*').photos == []


def test_loops_of_patterns_end(here):
    """Python's glob gives a.jpg 41 times for one loop, and never ends for several."""
    for number in range(4):
        (here / 'set' / f'loop{number}').symlink_to('.')
    assert search_pattern('set/**/*.jpg').photos == ['set/a.jpg', 'set/sub/b.jpg']
    assert search_pattern('**/a.jpg').photos == ['set/a.jpg']
