"""``mmqpt report``: everything is in the page, nothing can break out of it."""

import base64
import io
import os
import re
from html import unescape

import pytest
from PIL import Image

from mmqpt.cli.report_page import embedded_thumbnail, write_page
from mmqpt.metric.score_many import Scored

EVIL = '"><script>alert(1)<.jpg'


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
    assert 'in/' + EVIL in unescape(page)
    assert r'in/\xff.jpg' in page
    assert page.count('<script>') == 1
    assert page.count('<figure') == page.count('data:image/jpeg;base64,') == 4
    assert not re.search(r'(src|href)="(?!data:)', page)  # all in one file
    assert "default-src 'none'" in page
    rows = re.findall(r'<tr><td>(0\.\d{4})<td>(.*)<td>', page)
    assert len(rows) == 5
    assert rows == sorted(rows, key=lambda row: -float(row[0]))
    assert re.search(r'sha256<td>[0-9a-f]{64}', page)


def test_flags_are_counted_and_beside_their_photo(tmp_path):
    rows = [Scored('a.jpg', 0.1, None, ('blank', 'nearly black')), Scored('b.jpg', 0.7), Scored('c', None, 'bad')]
    rows.append(Scored('d.jpg', 0.2, None, ('blank', '<b>')))  # of somebody else's file
    write_page(str(tmp_path / 'x.html'), 'x', rows, {})
    page = (tmp_path / 'x.html').read_text()
    assert '>blank <b>2</b></li>' in page
    assert '>nearly black <b>1</b></li>' in page
    assert '<td>a.jpg<td>blank; nearly black' in page
    assert '<td>b.jpg<td>\n' in page
    assert '<td>d.jpg<td>blank; &lt;b&gt;' in page
    assert '<i>blank; nearly black</i>' in page


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
    assert page.count('data:image/jpeg') == 6
    assert f'<h1>s.{suffix}</h1>' in page
    assert 'sha256' in page


def test_photos_that_are_gone_and_results_of_others(mmqpt, tmp_path):
    (tmp_path / 'x.csv').write_text('path,score\na.jpg,0.5\nb.jpg,0.7\n')
    assert mmqpt('report', 'x.csv').exit_code == 0
    page = (tmp_path / 'report.html').read_text()
    assert page.count('no photo here') == 2
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
        (['empty'], 'no photos in this folder'),
    ],
)
def test_mistakes_end_with_one_sentence(mmqpt, tmp_path, args, said):
    (tmp_path / 'x.csv').write_text('path,score,error\n')
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'link.html').symlink_to('x.csv')
    result = mmqpt('report', *args)
    assert result.exit_code == 2
    assert result.stderr.startswith('error: ')
    assert said in result.stderr
    assert not (tmp_path / 'report.html').exists()
    assert (tmp_path / 'x.csv').read_text() == 'path,score,error\n'
