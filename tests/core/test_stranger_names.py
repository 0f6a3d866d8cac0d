"""Names out of lists that strangers wrote, at every door by which they enter."""

import pytest

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside
from mmqpt.datasets.photos.folder import list_photos
from mmqpt.datasets.rated.ratings import read_ratings


@pytest.mark.parametrize('name', ['a\0.jpg', 'x' * 256, '\u732b' * 86 + '/a.jpg', 'a/' * 2100 + 'b.jpg'])
def test_what_no_file_can_be_called(name):
    with pytest.raises(InputError, match=r'list\.txt, line 3: .* is no name that a file can have') as found:
        check_inside(name, 'list.txt, line 3')
    assert len(str(found.value)) < 500


@pytest.mark.parametrize('name', ['x' * 255, 'a/' * 1000 + 'b.jpg', '\u732b' * 85, '\udcff.jpg'])
def test_long_and_odd_names_that_files_can_have(name):
    check_inside(name, 'list.txt')


@pytest.mark.parametrize('name', ['../secret.jpg', '/etc/passwd', 'a/../../secret.jpg', 'x' * 300, 'a\0b.jpg'])
def test_doors(name, tmp_path):
    (tmp_path / 'photos' / 'a').mkdir(parents=True)
    (tmp_path / 'secret.jpg').touch()
    (tmp_path / 'list.txt').write_text(f'{name}\n')
    (tmp_path / 'list.csv').write_text(f'name,mos\n"{name}",1\n')
    for read in (
        lambda: list_photos(tmp_path / 'photos', tmp_path / 'list.txt'),
        lambda: read_ratings(tmp_path / 'list.csv', (1, 5)),
    ):
        with pytest.raises(InputError, match=r'list\.(txt|csv), line [12]'):
            read()


def test_names_of_windows_on_windows(monkeypatch):
    """There, a drive and a share are no part of the folder; here they are names like any other."""
    import pathlib

    monkeypatch.setattr('mmqpt.core.files.Path', pathlib.PureWindowsPath)
    for name in (
        'C:x.jpg',
        'C:\\x.jpg',
        '\\\\server\\share\\x.jpg',
        '..\\x.jpg',
        'a\\..\\..\\x.jpg',
        '//server/share/x',
    ):
        with pytest.raises(InputError, match='leads out of the folder'):
            check_inside(name, 'list.txt')
    check_inside('a\\b.jpg', 'list.txt')


@pytest.mark.parametrize('name', ['\\x.jpg', '/x.jpg'])
def test_names_from_the_root_of_a_drive_of_windows(name, monkeypatch):
    """pathlib does not call them absolute, since they lack the drive; joined to a folder they leave it all the same."""
    import pathlib

    monkeypatch.setattr('mmqpt.core.files.Path', pathlib.PureWindowsPath)
    with pytest.raises(InputError, match='leads out of the folder'):
        check_inside(name, 'list.txt')
