"""The contact sheet and the page of degradations."""

import re

import numpy as np
import pytest
from PIL import Image

from mmqpt.cli.browse_page import draw_recipes, page, shows_whole, tile_of, unit_text
from mmqpt.degradations import OPERATORS


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


def test_what_a_crop_would_hide_is_shown_whole():
    whole = {name for name, row in OPERATORS.items() if shows_whole(row)}
    assert {'vignette', 'lens', 'zoom_blur', 'contrast', 'lost_blocks'} <= whole
    assert not {'gaussian_blur', 'white_noise', 'jpeg', 'pixelate'} & whole
    grey = np.full((120, 200, 3), 200, np.uint8)
    dark = tile_of(OPERATORS['vignette'], OPERATORS['vignette'](grey, 5), 50)
    assert dark.shape == (30, 50, 3)
    assert dark[0, 0].max() < 100 < dark[15, 25].min()  # corner and middle
    image = np.arange(120 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(120, 200, 3)
    np.testing.assert_array_equal(tile_of(OPERATORS['jpeg'], image, 40), image[45:75, 80:120])


def test_rows_say_what_an_operator_does():
    photo = np.full((30, 40, 3), 128, np.uint8)
    text = page(photo, 'a <b>', [OPERATORS['gaussian_blur'], OPERATORS['lens']], [], 'single', 0)
    assert 'Blur with a Gaussian of standard deviation <code>sigma</code> px, cut at 3 sigma.' in text
    assert 'sigma, px' in text
    assert [unit_text(OPERATORS[name]) for name in ('jpeg', 'lens', 'lost_blocks')] == [
        'libjpeg quality', 'strength', 'share of the area',
    ]  # fmt: skip
    assert text.count('; whole photo<') == 2  # both directions of the lens
    assert 'a &lt;b&gt;' in text
    assert '>1: 0.7 px<' in text


def test_the_page_stays_below_its_limit():
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    rows, recipes = [OPERATORS['white_noise']], draw_recipes('single', 3, 0)
    free, tight, tighter = (page(noise, '', rows, recipes, 'single', 0, limit) for limit in (10**9, 150_000, 60_000))
    assert len(free) > 150_000 >= len(tight) > 60_000 >= len(tighter)
    assert free.count('<img') == tighter.count('<img')


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
