"""The page of ``mmqpt report`` in a real browser: what is seen, marked and saved, and that nothing in a name runs."""

import csv
import io
import os
import re
import subprocess

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmqpt.cli.report_page import write_page
from mmqpt.metric.score_many import Scored
from tests.browser import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason='needs Chromium')
NAMES = (
    '"><script>document.title=1<.jpg',
    '<img src=x onerror=document.title=2>.jpg',
    "it's $(touch no) `touch no` \\ %41 #1?.jpg",
    'line\nbreak.jpg',
    os.fsdecode(b'latin\xe9.jpg'),
    'ä 漢 🙂.jpg',
    '-n.jpg',
)


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    found = Browser(tmp_path_factory.mktemp('browser'))
    yield found
    found.close()


@pytest.fixture
def album(tmp_path):
    """Photos with such names in two folders, and the rows of their scores; the page is ``page.html`` beside them."""
    rows = []
    for number, name in enumerate(NAMES):
        path = tmp_path / 'album' / ('one' if number % 2 else 'two/deep') / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (60 + number, 40), (30 * number, 90, 90)).save(path)
        rows.append(Scored(str(path), (number + 1) / 10, None, ('tiny', 'blank') if number == 2 else ('tiny',)))
    rows.append(Scored(str(tmp_path / 'album' / 'gone.jpg'), 0.95))
    write_page(str(tmp_path / 'page.html'), 'album', rows, {})
    return tmp_path


def shown(browser):
    return browser.run("[...document.querySelectorAll('.row .name')].map(x => x.textContent.split('/').pop())")


def options(browser, name):
    return browser.run(f"[...document.getElementById('{name}').options].map(x => x.textContent)")


def choose(browser, name, value):
    event = "new Event('input', {bubbles: true})"
    found = browser.run(
        f'(() => {{ const x = document.getElementById("{name}"); const o = [...(x.options || [])].find(o => '
        f'o.textContent.startsWith("{value}")); x.value = o ? o.value : "{value}"; x.dispatchEvent({event}); '
        "x.dispatchEvent(new Event('change')); return x.value; })()"
    )
    assert found != ''


def test_names_are_text_and_links_lead_to_their_files(browser, album):
    browser.errors.clear()
    browser.requests.clear()
    browser.open(album / 'page.html')
    expected = ['gone.jpg', '-n.jpg', 'ä 漢 🙂.jpg', r'latin\xe9.jpg', r'line\nbreak.jpg', *NAMES[2::-1]]
    assert shown(browser) == expected
    assert browser.run('document.title') == 'album'
    sizes = []
    for number in range(1, 8):
        browser.run(f"document.querySelectorAll('.row .frame')[{number}].click()")
        browser.run("document.getElementById('viewer-image').decode()")
        sizes.append(browser.run("document.getElementById('viewer-image').naturalWidth"))
        link = browser.run("document.getElementById('viewer-name').href")
        assert link == browser.run(f"document.querySelectorAll('.row .name a')[{number - 1}].href")
    assert sizes == [66, 65, 64, 63, 62, 61, 60]  # the photos themselves, not their thumbnails
    browser.run("document.querySelectorAll('.row .frame')[0].click()")
    assert 'not found' in browser.run("document.getElementById('viewer-note').textContent")
    assert browser.run("document.getElementById('viewer-name').hasAttribute('href')") is False
    assert browser.errors == []
    assert all(url.startswith('file:///') for url in browser.requests)


def test_filters_and_order(browser, album):
    browser.open(album / 'page.html')
    everything = shown(browser)
    choose(browser, 'high', '0.25')
    assert shown(browser) == [NAMES[1], NAMES[0]]
    assert browser.run("document.querySelectorAll('svg rect.out').length") == 6
    choose(browser, 'low', '0.5')  # pushes the other end
    assert browser.run("document.getElementById('high').value") == '0.5'
    assert shown(browser) == [r'latin\xe9.jpg']
    choose(browser, 'low', '0')
    choose(browser, 'high', '1')
    choose(browser, 'flag', 'blank')
    assert shown(browser) == [NAMES[2]]
    choose(browser, 'flag', 'none')
    assert shown(browser) == ['gone.jpg']
    choose(browser, 'flag', 'any or none')
    choose(browser, 'folder', f'{album}/album/two/deep (')  # two holds nothing else
    assert not any(text.startswith(f'{album}/album/two (') for text in options(browser, 'folder'))
    assert len(shown(browser)) == 4
    choose(browser, 'folder', f'{album}/album (8')
    choose(browser, 'text', 'JPG')
    assert shown(browser) == everything
    browser.run("document.querySelector('[data-column=score]').click()")
    assert shown(browser) == everything[::-1]
    browser.run("document.querySelector('[data-column=name]').click()")
    assert shown(browser)[0] == 'gone.jpg'


def test_keys_mark_and_what_is_saved_moves_the_files(browser, album):
    browser.open(album / 'page.html')
    browser.run("document.getElementById('list').focus()")
    for key in ('ArrowDown', 'k', 'r', 'End', 'r', 'ArrowUp', 'k', 'ArrowUp', 'u'):
        browser.press(key)
    browser.press('Enter')  # large, the one that was cleared
    assert browser.run("document.getElementById('viewer').open") is True
    browser.press('ArrowLeft')
    browser.press('r')
    browser.press('Escape')
    assert browser.run("document.getElementById('viewer').open") is False
    table = browser.download("document.getElementById('save-csv').click()").decode()
    rows = {row['path'].split('/')[-1]: row['mark'] for row in csv.DictReader(io.StringIO(table))}
    assert rows['-n.jpg'] == 'keep'
    assert rows['ä 漢 🙂.jpg'] == 'reject'
    assert rows[NAMES[0]] == 'reject'
    assert sorted(rows.values()) == ['keep', 'reject', 'reject', 'reject']
    browser.open(album / 'page.html')  # marks are remembered
    assert '1 to keep, 3 to reject' in browser.run("document.getElementById('shown').textContent")
    browser.run("document.getElementById('reject-all').click()")
    browser.run("document.getElementById('undo').click()")
    assert '1 to keep, 3 to reject' in browser.run("document.getElementById('shown').textContent")
    browser.run("document.getElementById('reject-all').click()")
    script = browser.download("document.getElementById('save-script').click()")
    (album / 'reject.sh').write_bytes(script)
    done = subprocess.run(['bash', 'reject.sh'], cwd=album, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.endswith('album-rejected, 0 left\n')
    assert done.stdout.startswith('7 moved')
    assert [path for path in (album / 'album').rglob('*') if path.is_file()] == []
    moved = {os.fsencode(path.name) for path in (album / 'album-rejected').rglob('*') if path.is_file()}
    assert moved == {os.fsencode(name) for name in NAMES}
    assert (album / 'album-rejected' / 'one' / NAMES[1]).is_file()
    assert not list(album.rglob('no'))


def test_the_script_replaces_nothing(browser, album):
    browser.open(album / 'page.html')
    browser.run("document.getElementById('reject-all').click()")
    (album / 'reject.sh').write_bytes(browser.download("document.getElementById('save-script').click()"))
    (album / 'away' / 'one').mkdir(parents=True)
    (album / 'away' / 'one' / NAMES[1]).write_text('mine')
    (album / 'album' / 'one' / NAMES[3]).unlink()
    done = subprocess.run(['bash', 'reject.sh', 'away'], cwd=album, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == f'5 moved to {album}/away, 2 left\n'
    assert 'already: ./one/<img' in done.stderr
    assert 'not there: ./one/line' in done.stderr
    assert (album / 'away' / 'one' / NAMES[1]).read_text() == 'mine'


def test_twenty_thousand_rows_are_a_few_elements(browser, tmp_path):
    rows = [Scored(f'photos/{number % 7}/{number:05d}.jpg', number / 20000) for number in range(20000)]
    write_page(str(tmp_path / 'page.html'), 'x', rows, {})
    browser.open(tmp_path / 'page.html')
    count = "document.querySelectorAll('.row').length"
    assert 5 < browser.run(count) < 30
    browser.run("document.getElementById('list').scrollTop = 1e9")
    assert shown(browser)[-1] == '00000.jpg'
    assert browser.run(count) < 30
    choose(browser, 'text', '1999')
    assert browser.run("document.getElementById('shown').textContent").startswith('12 of 20000 shown')
    assert browser.run(count) == 12


def test_m_shows_the_map(browser, album):
    (album / 'maps' / 'one').mkdir(parents=True)
    mark = PngInfo()
    mark.add_text('Software', 'mmqpt map')
    for name in (f'one/{NAMES[1]}', f'one/{NAMES[3]}', NAMES[0]):  # the last has the name of a photo elsewhere
        Image.new('RGB', (300, 40)).save(album / 'maps' / f'{name}-map.png', pnginfo=mark)
    rows = [Scored(str(album / 'album' / 'one' / NAMES[n]), n / 10) for n in (1, 3, 5)]
    rows.append(Scored(str(album / 'album' / 'two' / 'deep' / NAMES[0]), 0.9))
    write_page(str(album / 'page.html'), 'album', rows, {}, maps=str(album / 'maps'))
    browser.open(album / 'page.html')
    browser.run("document.getElementById('list').focus()")
    browser.press('Enter')
    browser.press('m')
    widths = []
    for _ in range(4):
        browser.run("document.getElementById('viewer-image').decode()")
        widths.append(browser.run("document.getElementById('viewer-image').naturalWidth"))
        browser.press('ArrowRight')
    assert widths == [60, 65, 300, 300]
    browser.press('m')
    browser.run("document.getElementById('viewer-image').decode()")
    assert browser.run("document.getElementById('viewer-image').naturalWidth") == 61


@pytest.mark.parametrize('width', [390, 1280])
def test_nothing_is_wider_than_the_screen(browser, album, width):
    browser.open(album / 'page.html', width=width)
    assert browser.run('document.documentElement.scrollWidth') <= width
    overlaps = browser.run(
        "[...document.querySelectorAll('.row')].some(x => [...x.querySelectorAll('.frame, .score, .marks')]"
        '.some(y => y.getBoundingClientRect().bottom > x.getBoundingClientRect().bottom + 1))'
    )
    assert overlaps is False


def test_dark_where_the_system_is(browser, album):
    seen = []
    for dark in (False, True):
        browser.open(album / 'page.html', dark=dark)
        colour = browser.run('getComputedStyle(document.body).backgroundColor')
        seen.append(sum(map(int, re.findall(r'\d+', colour)[:3])))
    assert seen[0] > 700
    assert seen[1] < 100
