"""Files are written whole or not at all."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mmqpt.core.errors import InputError
from mmqpt.core.files import check_inside, replacing, same_file, target_file, write_json


def write(path, text):
    with replacing(path) as name, open(name, 'w') as file:
        file.write(text)


def test_a_file_is_made_and_replaced(tmp_path, monkeypatch):
    write(tmp_path / 'a.b.png', 'one')
    write(str(tmp_path / 'a.b.png'), 'two')
    monkeypatch.chdir(tmp_path)
    write('here', 'three')
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {'a.b.png': 'two', 'here': 'three'}


def test_the_name_is_hidden_beside_the_file_and_keeps_its_suffix(tmp_path):
    with replacing(tmp_path / 'a.b.png') as one, replacing(tmp_path / 'a.b.png') as other:
        assert one != other
        for name in (one, other):
            assert os.path.dirname(name) == str(tmp_path)
            assert os.path.basename(name).startswith('.a.b.')
            assert name.endswith('.png')
            open(name, 'w').close()


@pytest.mark.parametrize('error', [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_file_as_it_was(tmp_path, error):
    path = tmp_path / 'a.csv'
    path.write_text('before')

    def fail():
        with replacing(path) as name:
            open(name, 'w').close()
            raise error('full')

    with pytest.raises(error, match='full'):
        fail()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [('a.csv', 'before')]


def test_an_error_before_anything_is_written_is_the_one_that_is_seen(tmp_path):
    with pytest.raises(KeyError), replacing(tmp_path / 'a.csv'):
        raise KeyError('x')
    assert not list(tmp_path.iterdir())


def test_names_as_long_as_can_be(tmp_path):
    name = 'ü' * 125 + '.png'  # 254 bytes
    write(tmp_path / name, 'x')
    assert os.listdir(tmp_path) == [name]


def test_links_are_followed(tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'real').write_text('before')
    (tmp_path / 'link').symlink_to('sub/real')
    (tmp_path / 'broken').symlink_to('sub/new')
    write(tmp_path / 'link', 'after')
    write(tmp_path / 'broken', 'made')
    assert (tmp_path / 'link').is_symlink()
    assert {p.name: p.read_text() for p in (tmp_path / 'sub').iterdir()} == {'real': 'after', 'new': 'made'}


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'to_pipe').symlink_to('pipe')
    (tmp_path / 'loop').symlink_to('loop')
    (tmp_path / 'null').symlink_to('/dev/null')
    for name in ('pipe', 'to_pipe', 'loop', 'null', '.'):
        with pytest.raises(InputError, match='is no regular file'), replacing(tmp_path / name):
            pytest.fail('began to write')
    with pytest.raises(FileNotFoundError, match=r'no/x.csv: no such folder: .*no'):
        target_file(tmp_path / 'no' / 'x.csv')
    assert sorted(os.listdir(tmp_path)) == ['loop', 'null', 'pipe', 'to_pipe']


def test_an_open_pipe_is_refused_under_its_name_in_dev():
    reader, writer = os.pipe()
    try:
        with pytest.raises(InputError, match='is no regular file'):
            target_file(f'/dev/fd/{writer}')
    finally:
        os.close(reader)
        os.close(writer)


def test_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a').touch()
    (tmp_path / 'b').touch()
    (tmp_path / 'link').symlink_to('a')
    os.link('a', 'hard')
    for other in ('a', './a', tmp_path / 'a', 'link', 'hard'):
        assert same_file('a', other)
    assert not same_file('a', 'b')
    assert not same_file('a', 'none')
    assert same_file('none', tmp_path / 'none')


@pytest.mark.parametrize('name', ['../x.jpg', 'a/../../x.jpg', '/etc/passwd', '..', 'a/..'])
def test_names_that_lead_out_of_the_folder_are_refused(name):
    with pytest.raises(InputError, match=r'list\.txt, line 3: .* leads out of the folder of the photos'):
        check_inside(name, 'list.txt, line 3')


@pytest.mark.parametrize('name', ['x.jpg', 'a/b.jpg', './a.jpg', '..a.jpg', 'a..b/c...jpg', ''])
def test_names_inside_are_not(name):
    check_inside(name, 'list.txt')


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'a.json'
    write_json(path, {'score': 0.5, 'name': 'ä'})
    assert path.read_text(encoding='utf-8').endswith('}\n')
    assert json.loads(path.read_text(encoding='utf-8')) == {'score': 0.5, 'name': 'ä'}
    with pytest.raises(TypeError):
        write_json(str(path), {'score': object()})
    assert json.loads(path.read_text(encoding='utf-8'))['score'] == 0.5
    assert [found.name for found in path.parent.iterdir()] == ['a.json']


@pytest.mark.parametrize('mode', [0o600, 0o640, 0o664, 0o755])
def test_a_replaced_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / 'x.csv'
    path.write_text('old')
    path.chmod(mode)
    (tmp_path / 'link.csv').symlink_to(path)
    for name in ('x.csv', 'link.csv'):
        with replacing(tmp_path / name) as partial:
            Path(partial).write_text('new')
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize('umask', [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_new_files(tmp_path, umask):
    """Also where its writer makes private ones, as safetensors does: a wheel of unreadable weights is of no use."""
    before = os.umask(umask)
    try:
        write(tmp_path / 'text', 'one')
        with replacing(tmp_path / 'private') as name:
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600))
        with replacing(tmp_path / 'weights.safetensors') as name:
            save_file({'a': np.zeros(2)}, name)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_a_folder_that_can_not_be_written_to_is_named_at_once(tmp_path, monkeypatch):
    """Not after an hour of scoring, by the hidden name of a partial file."""
    monkeypatch.setattr(os, 'access', lambda path, mode: os.fspath(path) != str(tmp_path))
    with pytest.raises(PermissionError, match=r'page\.html: no permission to write to its folder'):
        target_file(tmp_path / 'page.html')
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(PermissionError, match=r'^page\.html: no permission'):
        target_file('page.html')
