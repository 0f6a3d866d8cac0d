"""Label files from strangers: small on the disk, endless in memory; odd cells; links without end."""

import csv
import io
import struct
import zipfile
import zlib

import numpy as np
import openpyxl
import pytest
import scipy.io

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import read_ratings
from mmqpt.datasets.rated.readers import limits
from mmqpt.datasets.rated.readers.generic import read_meta_info
from mmqpt.datasets.rated.readers.labels import read_csv, read_excel, read_mat
from mmqpt.datasets.rated.readers.prepare import match_photos
from mmqpt.datasets.rated.sets import read_set


def workbook(path, rows, **far):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, value in far.items():
        book.active[cell] = value
    book.save(path)
    return path


def test_a_workbook_with_one_cell_far_away(tmp_path):
    """pandas would fill 17 thousand million cells before it."""
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], ['x.jpg', 1.5]], XFD1048576='x')
    assert read_excel(path, ['name', 'mos']) == [{'name': 'x.jpg', 'mos': '1.5'}]


def test_a_workbook_of_too_many_cells(tmp_path, monkeypatch):
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], *[['x.jpg', 1]] * 20])
    monkeypatch.setattr(limits, 'CELLS', 41)
    with pytest.raises(InputError, match=r'a\.xlsx: refused, a sheet has more than 1048576 rows or 41 cells'):
        read_excel(path, ['name', 'mos'])


def test_a_row_that_is_numbered_beyond_all_rows(tmp_path):
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], ['x.jpg', 1]])
    change_part(path, 'sheet1.xml', b'<row r="2"', b'<row r="999999999999"')
    with pytest.raises(InputError, match=r'a\.xlsx: refused, a sheet has more than 1048576 rows'):
        read_excel(path, ['name', 'mos'])


def change_part(path, name, old, new):
    with zipfile.ZipFile(path) as whole:
        parts = {part: whole.read(part) for part in whole.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as made:
        for part, data in parts.items():
            made.writestr(part, data.replace(old, new) if part.endswith(name) else data)


def test_a_workbook_that_unpacks_to_more_than_labels_take(tmp_path):
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], ['x.jpg', 1]])
    change_part(path, 'sheet1.xml', b'</sheetData>', b'</sheetData>' + b' ' * (65 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=r'a\.xlsx: refused, it unpacks to more than 64 MiB'):
        read_excel(path, ['name', 'mos'])


def test_entities_that_grow_are_not_expanded(tmp_path):
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], ['x.jpg', 1]])
    change_part(path, 'sheet1.xml', b'<worksheet', b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet')
    change_part(path, 'sheet1.xml', b'<v>1</v>', b'<v>&a;</v>')
    with pytest.raises(InputError, match=r'a\.xlsx: not an Excel file that can be read'):
        read_excel(path, ['name', 'mos'])


def test_formulas_and_errors_are_not_values(tmp_path):
    """What a formula gave is stored beside it by Excel; where it is not, there is no value, and nothing is computed."""
    path = workbook(tmp_path / 'a.xlsx', [['name', 'mos'], ['x.jpg', '=1+1'], ['y.jpg', '#N/A']])
    assert [row['mos'] for row in read_excel(path, ['name', 'mos'])] == ['', '']


def element(kind, data):
    return struct.pack('<II', kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(content, array_class=6, name=b''):
    header = element(6, struct.pack('<II', array_class, 0)) + element(5, struct.pack('<ii', 1, 1)) + element(1, name)
    return element(14, header + content)


def save_mat(path, content):
    path.write_bytes(b'MATLAB 5.0 MAT-file'.ljust(124) + struct.pack('<HH', 0x0100, 0x4D49) + content)
    return path


@pytest.mark.parametrize('is_packed', [False, True])
def test_arrays_in_arrays_without_end(tmp_path, is_packed):
    """SciPy follows them by recursion in C until the process crashes."""
    content = matrix(element(9, struct.pack('<d', 1.0)))
    for _ in range(2000):
        content = matrix(content, array_class=1)
    content = matrix(content, 1, b'mos')
    if is_packed:
        packed = zlib.compress(content)
        content = struct.pack('<II', 15, len(packed)) + packed
    with pytest.raises(InputError, match=r'a\.mat: refused, arrays are nested in it more than 8 times'):
        read_mat(save_mat(tmp_path / 'a.mat', content), 'mos')


def test_a_packed_array_of_more_than_labels_take(tmp_path):
    packed = zlib.compress(matrix(element(9, bytes(65 << 20)), name=b'mos'), 9)
    assert len(packed) < 1 << 20
    path = save_mat(tmp_path / 'a.mat', struct.pack('<II', 15, len(packed)) + packed)
    with pytest.raises(InputError, match=r'a\.mat: refused, it unpacks to more than 64 MiB'):
        read_mat(path, 'mos')


def test_honest_files_pass(tmp_path):
    cells = np.empty(2, object)
    cells[:] = ['a.bmp', 'b.bmp']
    for packed in (False, True):
        scipy.io.savemat(tmp_path / 'a.mat', {'n': cells, 'mos': np.array([1.0, 2.5])}, do_compression=packed)
        assert read_mat(tmp_path / 'a.mat', 'mos') == [1.0, 2.5]
        assert read_mat(tmp_path / 'a.mat', 'n') == ['a.bmp', 'b.bmp']


@pytest.mark.parametrize('read', [read_csv, lambda path: read_ratings(path, (1, 5))])
def test_a_field_without_end(read, tmp_path):
    (tmp_path / 'a.csv').write_text('name,mos\n"' + 'x' * (csv.field_size_limit() + 1) + '",1\n')
    with pytest.raises(InputError, match=r'a\.csv, line [12]: field larger than field limit'):
        read(tmp_path / 'a.csv')


@pytest.mark.parametrize('value', ['nan', 'inf', '-inf', '1e999', '0x1', '=1+1', '9' * 5000])
def test_scores_that_are_no_numbers(value, tmp_path):
    (tmp_path / 'a.csv').write_text(f'name,mos\nx.jpg,{value}\n')
    with pytest.raises(InputError, match=r'a\.csv, line 2: '):
        read_ratings(tmp_path / 'a.csv', (1, 5))


@pytest.mark.parametrize('text', ['[' * 100_000, '{"name": "x", "mos_range": [1, ' + '9' * 5000 + ']}', '[1e999]'])
def test_json_that_python_stumbles_over(text, tmp_path):
    (tmp_path / 'a.csv').write_text('name,mos\nx.jpg,1\n')
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(InputError, match=r'a\.json: '):
        read_set(tmp_path / 'a.csv')


NAMES = ['../secret.jpg', '/etc/secret.jpg', 'in/../../secret.jpg', 'a\0b.jpg', '..\\secret.jpg', 'C:\\secret.jpg', '.']


@pytest.mark.parametrize('name', NAMES)
def test_labels_find_no_photo_outside_of_the_folder(name, tmp_path):
    """Names of labels are compared with those in the folder, so there is nothing to climb."""
    (tmp_path / 'photos' / 'in').mkdir(parents=True)
    (tmp_path / 'photos' / 'in' / 'x.jpg').touch()
    (tmp_path / 'secret.jpg').touch()
    stream = io.StringIO(newline='')
    csv.writer(stream).writerows([['name', 'mos'], ['x.jpg', 1], [name, 2]])
    (tmp_path / 'a.csv').write_text(stream.getvalue(), newline='')
    labels = read_meta_info(tmp_path / 'a.csv', tmp_path / 'photos')
    assert match_photos([row['name'] for row in labels.rows], labels.photo_root, []) == {'x.jpg': 'in/x.jpg'}


def test_links_that_lead_back_have_an_end(tmp_path):
    root = tmp_path / 'photos'
    (root / 'in').mkdir(parents=True)
    (root / 'in' / 'x.jpg').touch()
    (tmp_path / 'elsewhere').mkdir()
    (tmp_path / 'elsewhere' / 'y.jpg').touch()
    for name in 'abcdef':
        (root / name).symlink_to(root)
        (root / 'in' / name).symlink_to('.')
        (tmp_path / 'elsewhere' / name).symlink_to(root)
    (root / 'linked').symlink_to(tmp_path / 'elsewhere')
    assert match_photos(['x.jpg', 'y.jpg'], root, []) == {'x.jpg': 'in/x.jpg', 'y.jpg': 'linked/y.jpg'}


@pytest.mark.parametrize('kind', [0x71, 0x0E, 99])
def test_a_file_at_which_scipy_crashes(tmp_path, kind):
    """Found by fuzzing: SciPy 1.17 looks numbers of kinds up beyond the end of its table."""
    path = save_mat(tmp_path / 'a.mat', matrix(element(kind, struct.pack('<dd', 1, 2)), name=b'mos'))
    with pytest.raises(InputError, match=r'a\.mat: '):
        read_mat(path, 'mos')
