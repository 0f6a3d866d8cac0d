"""``mmqpt report``: everything is in the page, nothing can break out of it."""

import base64
import hashlib
import io
import itertools
import json
import os
import re

import pytest
from PIL import Image

from mmqpt.cli.report_page import write_page
from mmqpt.cli.scoring import Run
from mmqpt.cli.thumbnails import embedded_thumbnail
from mmqpt.metric.score_many import Scored

EVIL = '"><script>alert(1)<.jpg'


def data_of(page):
    """What the script of a page reads."""
    return json.loads(re.search('<script type="application/json" id="data">(.*)</script>', page)[1])


def test_a_page_of_a_folder(mmqpt, photo_folder, tmp_path):
    (tmp_path / 'in').mkdir()
    for number, path in enumerate(sorted(photo_folder.iterdir())[:5]):
        (tmp_path / 'in' / (EVIL if number == 2 else path.name)).write_bytes(path.read_bytes())
    (tmp_path / 'in' / '<img src=x onerror=alert(2)>.jpg').write_text('no photo')
    (tmp_path / 'in' / os.fsdecode(b'\xff.jpg')).write_text('no photo')
    result = mmqpt('report', 'in', '--out', 'page.html', '--photos', 2, '--title', '<b>Mine & yours</b>')
    assert result.exit_code == 1  # two could not be read
    assert '5 scored, 2 failed' in result.stderr
    page = (tmp_path / 'page.html').read_text()
    assert '<h1>&lt;b&gt;Mine &amp; yours&lt;/b&gt;</h1>' in page
    assert '<script>alert' not in page
    assert '<img src=x' not in page
    assert r'in/\xff.jpg' in page
    assert page.count('<script>') == 1
    assert page.count('<figure') == 4
    assert page.count('data:image/webp;base64,') == 4 + 5
    assert not re.search(r'(src|href)="(?!data:)', page)  # all in one file
    assert "default-src 'none'" in page
    data = data_of(page)
    scores = [row[1] for row in data['rows']]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert {row[0] for row in data['rows']} == {
        f'in/{name}' for name in os.listdir('in') if os.path.getsize(f'in/{name}') > 9
    }
    assert {row[3] for row in data['rows']} == {row[0].removeprefix('in/') for row in data['rows']}
    assert (data['base'], data['base_url']) == (str(tmp_path / 'in'), './in/')
    assert re.search(r'sha256<td>[0-9a-f]{64}', page)


@pytest.mark.parametrize('done', [0, 3])
def test_ctrl_c_keeps_what_was_scored(mmqpt, photo_folder, tmp_path, monkeypatch, done):
    whole = Run.over

    def stopped(run, paths):
        yield from itertools.islice(whole(run, paths), done)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, 'over', stopped)
    result = mmqpt('report', photo_folder, '--out', 'page.html')
    assert result.exit_code == 130
    if not done:
        assert not (tmp_path / 'page.html').exists()
        return
    assert f'stopped: a page of 3 of {len(list(photo_folder.iterdir()))} photos' in result.stderr
    assert len(data_of((tmp_path / 'page.html').read_text())['rows']) == done


def test_only_the_script_of_the_page_may_run(tmp_path):
    write_page(str(tmp_path / 'x.html'), 'x', [Scored('a.jpg', 0.5)], {})
    page = (tmp_path / 'x.html').read_text()
    script = re.search(r'<script>(.*)</script>', page, re.S)[1]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in page
    assert "script-src 'unsafe-inline'" not in page


def test_flags_are_counted_and_beside_their_photo(tmp_path):
    rows = [Scored('a.jpg', 0.1, None, ('blank', 'nearly black')), Scored('b.jpg', 0.7), Scored('c', None, 'bad')]
    rows.append(Scored('d.jpg', 0.2, None, ('blank', '<b>')))  # of somebody else's file
    write_page(str(tmp_path / 'x.html'), 'x', rows, {})
    page = (tmp_path / 'x.html').read_text()
    assert '>blank <b>2</b></li>' in page
    assert '>nearly black <b>1</b></li>' in page
    assert '<i>blank; nearly black</i>' in page
    assert '<b></b>' not in page
    data = data_of(page)
    assert data['flags'] == ['blank', '<b>', 'nearly black']
    assert data['rows'] == [['b.jpg', 0.7], ['d.jpg', 0.2, [0, 1]], ['a.jpg', 0.1, [0, 2]]]


def test_photos_are_linked_where_they_lie(tmp_path, monkeypatch, photo_folder):
    """A page beside them has relative links; of names that are the same here and there, the recorded folder counts."""
    photo = sorted(photo_folder.iterdir())[0].read_bytes()
    for place in ('album/ä b', 'elsewhere', 'pages', 'here/ä b'):
        (tmp_path / place).mkdir(parents=True)
    for place in ('album/ä b/x.jpg', 'album/y.jpg', 'album/script.html', 'here/ä b/x.jpg'):
        (tmp_path / place).write_bytes(photo)
    monkeypatch.chdir(tmp_path / 'here')
    rows = [Scored(name, 0.5) for name in ('ä b/x.jpg', 'y.jpg', 'script.html', 'gone.jpg')]
    write_page(str(tmp_path / 'pages' / 'x.html'), 'x', rows, {}, str(tmp_path / 'album'))
    data = data_of((tmp_path / 'pages' / 'x.html').read_text())
    assert data['base_url'] == f'{(tmp_path / "album").as_uri()}/'
    assert [(row[3:4] or [None])[0] for row in data['rows']] == ['ä b/x.jpg', 'y.jpg', None, None]
    assert len(data['rows'][2]) == 5  # a thumbnail, but no link: a browser would run what is called .html
    write_page(str(tmp_path / 'x.html'), 'x', rows, {}, str(tmp_path / 'album'))
    assert data_of((tmp_path / 'x.html').read_text())['base_url'] == './album/'


def test_as_many_thumbnails_as_asked_for(tmp_path, photo_folder):
    names = sorted(str(path) for path in photo_folder.iterdir())
    rows = [Scored(name, number / 10) for number, name in enumerate(names)]
    write_page(str(tmp_path / 'x.html'), 'x', rows, {}, photos=1, thumbnails=3)
    found = [len(row) == 5 for row in data_of((tmp_path / 'x.html').read_text())['rows']]
    assert found == [True, True, False, False, False, True]  # from both ends


@pytest.mark.parametrize('kind', ['csv', 'json', 'parquet'])
def test_a_page_of_results_scores_nothing(mmqpt, photo_folder, tmp_path, monkeypatch, kind):
    suffix = {'csv': 'csv', 'json': 'jsonl', 'parquet': 'parquet'}[kind]
    assert mmqpt('score', os.path.relpath(photo_folder, tmp_path), f'--{kind}', f's.{suffix}').exit_code == 0
    monkeypatch.setattr('mmqpt.cli.report.scorer_and_facts', None)
    (tmp_path / 'other').mkdir()
    monkeypatch.chdir(tmp_path / 'other')  # relative paths of photos still hold
    result = mmqpt('report', f'../s.{suffix}')
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / 'other' / 'report.html').read_text()
    assert page.count('data:image/webp') == 12  # a card and a line each
    assert f'<h1>s.{suffix}</h1>' in page
    assert 'sha256' in page


def test_photos_that_are_gone_and_results_of_others(mmqpt, tmp_path):
    (tmp_path / 'x.csv').write_text('path,score\na.jpg,0.5\nb.jpg,0.7\n')
    assert mmqpt('report', 'x.csv').exit_code == 0
    page = (tmp_path / 'report.html').read_text()
    assert page.count('>no photo here<') == 2
    assert 'Not known' in page


@pytest.mark.parametrize(
    'rows', [[], [Scored('a', None, 'bad')], [Scored('a', 1.0)], [Scored('a', 0.0), Scored('b', 0.0)]]
)
def test_few_photos(tmp_path, rows):
    write_page(str(tmp_path / 'x.html'), 'x', rows, {})
    page = (tmp_path / 'x.html').read_text()
    good = sum(row.score is not None for row in rows)
    assert page.count('<rect') == (1 if good else 0)
    assert page.count('<figure') == 2 * ((good + 1) // 2)


def test_ten_thousand_rows_stay_small(tmp_path):
    rows = [Scored(f'photos/{number:05d}.jpg', number / 10000) for number in range(10000)]
    write_page(str(tmp_path / 'x.html'), 'x', rows, {})
    assert (tmp_path / 'x.html').stat().st_size < 600_000


def test_thumbnails_are_upright_and_small(tmp_path):
    image = Image.new('RGB', (600, 300), 'red')
    image.paste('blue', (0, 0, 300, 300))
    exif = image.getexif()
    exif[0x112] = 6  # to be turned clockwise: blue is then at the top
    image.save(tmp_path / 'x.jpg', exif=exif)
    data = base64.b64decode(embedded_thumbnail(str(tmp_path / 'x.jpg')).split(',')[1])
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (120, 240)
        assert small.getpixel((60, 20))[2] > 200
        assert small.getpixel((60, 220))[0] > 200
    assert embedded_thumbnail(str(tmp_path / 'none.jpg')) is None


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['none.csv'], 'none.csv'),
        (['none'], 'must end with one of'),
        (['x.csv', '--device', 'cpu'], '--device is for a folder'),
        (['x.csv', '--out', 'no/such.html'], 'no such folder: no'),
        (['x.csv', '--out', 'x.csv'], '--out must end with .html or .htm'),
        (['x.csv', '--out', ''], '--out must end with .html or .htm'),
        (['x.csv', '--out', 'link.html'], '--out is the file that the report is made of'),
        (['x.csv'], 'holds no photos'),
        (['x.csv', '--maps', 'none'], '--maps: no such folder: none'),
        (['y.csv', '--maps', 'empty'], 'empty: no maps of these photos'),
        (['empty'], 'no photos in this folder'),
    ],
)
def test_mistakes_end_with_one_sentence(mmqpt, tmp_path, args, said):
    (tmp_path / 'x.csv').write_text('path,score,error\n')
    (tmp_path / 'y.csv').write_text('path,score\na.jpg,0.5\n')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'link.html').symlink_to('x.csv')
    result = mmqpt('report', *args)
    assert result.exit_code == 2
    assert result.stderr.startswith('error: ')
    assert said in result.stderr
    assert not (tmp_path / 'report.html').exists()
    assert (tmp_path / 'x.csv').read_text() == 'path,score,error\n'
