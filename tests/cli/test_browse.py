"""The contact sheet and the page of degradations."""

import re

import pytest
from PIL import Image


def test_sheet_and_page(run_command, photo_folder, tmp_path):
    photo = sorted(photo_folder.iterdir())[0]
    options = ['--operators', 'jpeg', 'hue', '--recipes', 3, '--preset', 'single', '--seed', 4]
    done = run_command('browse', photo, '--out', tmp_path, *options, '--side', 64, '--tile', 32)
    assert done.returncode == 0, done.err
    assert '2 operators, 3 recipes' in done.out
    with Image.open(tmp_path / 'contact_sheet.png') as sheet:
        assert sheet.width > 6 * 32
        assert sheet.height > 3 * 24
    page = (tmp_path / 'index.html').read_text(encoding='utf-8')
    assert page.count('<img') == 1 + 3 * 5 + 3
    assert 'astronaut_0.jpg' in page
    assert len(re.findall(r'<figcaption>\d\. \w+[+-]? \d</figcaption>', page)) == 3
    # Nothing is loaded from elsewhere.
    assert set(re.findall(r'src="(.{10})', page)) == {'data:image'}
    assert 'http' not in page


def test_operators_of_ones_own(run_command, own_operator, photo_folder, tmp_path):
    photo = sorted(photo_folder.iterdir())[0]
    options = ['--import', own_operator, '--operators', 'dead_rows', '--recipes', 0]
    done = run_command('browse', photo, '--out', tmp_path, *options, '--side', 64, '--tile', 32)
    assert done.returncode == 0, done.err
    assert '1 operators, 0 recipes' in done.out
    assert 'dead rows' in (tmp_path / 'index.html').read_text(encoding='utf-8').replace('_', ' ')
    nothing = run_command('browse', photo, '--out', tmp_path, '--import', 'json')
    assert nothing.returncode == 2
    assert 'json registers no operator' in nothing.err


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['missing.jpg'], 'no such photo: missing.jpg'),
        (['PHOTO', '--operators', 'blurr'], "unknown degradation operator 'blurr'"),
        (['PHOTO', '--recipes', '-1'], '--recipes and --seed must be >= 0'),
        (['PHOTO', '--tile', '2'], '--side and --tile must be >= 16'),
    ],
)
def test_errors(run_command, options, message, photo_folder, tmp_path):
    photo = sorted(photo_folder.iterdir())[0]
    done = run_command('browse', *[photo if option == 'PHOTO' else option for option in options], '--out', tmp_path)
    assert done.returncode == 2
    assert message in done.err
