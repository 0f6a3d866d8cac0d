"""mmqpt find-duplicates as a user runs it."""

import csv
import json
import re
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from mmqpt.datasets.rated.sets import SetInfo, read_set, write_set
from mmqpt.datasets.rated.splits import add_random_splits

ROOT = Path(__file__).parent.parent.parent
PARTS = {
    'astronaut.png': 'train', 'astronaut.jpg': 'test', 'coffee.png': 'train', 'coffee small.png': 'train',
    'chelsea.png': 'test', 'rocket.png': 'test', 'broken.jpg': 'train',
}  # fmt: skip


@pytest.fixture
def tool(run_command):
    return partial(run_command, 'find-duplicates')


@pytest.fixture
def photos(tmp_path):
    """Two pairs of near-duplicates, one of them across the split, two other photos and a broken file."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name in PARTS:
        scene = Image.fromarray(getattr(data, name.split('.')[0].split()[0].replace('broken', 'rocket'))())
        scene = scene.resize((200, 150)) if 'small' in name else scene
        scene.save(folder / name)
    (folder / 'broken.jpg').write_bytes((folder / 'broken.jpg').read_bytes()[:1000])
    return folder


@pytest.fixture
def ann_file(tmp_path):
    """A prepared set of the photos; they come in two series."""
    rows = [
        {'name': name, 'mos': i, 'official': part, 'series': f's{i}'} for i, (name, part) in enumerate(PARTS.items())
    ]
    path = tmp_path / 'set.csv'
    write_set(path, SetInfo('x', (0, 9), splits={'official': 'official'}), rows)
    return path


def test_a_folder(tool, photos, tmp_path):
    done = tool(photos, '--out', tmp_path / 'out' / 'c.csv', '--sheet', tmp_path / 'out' / 'sheet.png')
    assert done.returncode == 0, done.err
    assert '6 photos, 2 near-duplicate pairs, 2 clusters of 2 or more:\n  2 of 2\n' in done.out
    assert '1 photos could not be read' in done.out
    assert 'broken.jpg: damaged or truncated' in done.out
    assert 'fingerprints' in done.err  # the progress bar
    rows = {row['name']: row for row in csv.DictReader((tmp_path / 'out' / 'c.csv').open(newline=''))}
    assert set(rows) == set(PARTS)
    assert rows['coffee.png'] == {'name': 'coffee.png', 'cluster': 'coffee small.png', 'photos': '2'}
    assert rows['broken.jpg'] == {'name': 'broken.jpg', 'cluster': 'broken.jpg', 'photos': '1'}
    assert Image.open(tmp_path / 'out' / 'sheet.png').size == (5 * 264, 156)
    assert (tmp_path / 'out' / 'c_fingerprints.npz').is_file()


def test_leaks_and_add_to(tool, photos, ann_file):
    add_random_splits(ann_file, 1, 3)
    done = tool(photos, '--ann-file', ann_file, '--split', 'official', '--add-to', ann_file)
    assert done.returncode == 0, done.err
    assert 'official: 1 pairs across parts, 0 within test, 1 within train' in done.out
    assert 'official: 1 of 3 test photos have a near-duplicate in train or val (1 directly, 0 through' in done.out
    assert '  astronaut.jpg  like  astronaut.png (train)\n' in done.out
    found = read_set(ann_file)
    assert found.info.group_column == 'cluster'
    clusters = {rating.name: rating.row['cluster'] for rating in found.ratings}
    assert clusters == {
        **{name: name for name in PARTS}, 'astronaut.png': 'astronaut.jpg', 'coffee.png': 'coffee small.png'
    }  # fmt: skip
    before = ann_file.read_bytes()
    assert tool(photos, '--add-to', ann_file).returncode == 0
    assert ann_file.read_bytes() == before


def test_groups_that_a_set_has_stay_together(tool, photos, ann_file):
    text = ann_file.read_text().replace('s4', 's5')  # chelsea and rocket
    ann_file.write_text(text)
    info = ann_file.with_suffix('.json')
    info.write_text(json.dumps({**json.loads(info.read_text()), 'group_column': 'series'}))
    assert tool(photos, '--add-to', ann_file).returncode == 0
    clusters = {rating.name: rating.row['cluster'] for rating in read_set(ann_file).ratings}
    assert clusters['rocket.png'] == clusters['chelsea.png'] == 'chelsea.png'
    assert clusters['astronaut.png'] == 'astronaut.jpg'
    for threshold in (0, 48):  # earlier clusters stay: a narrower search tears nothing apart
        assert tool(photos, '--add-to', ann_file, '--threshold', threshold).returncode == 0
        assert {r.name: r.row['cluster'] for r in read_set(ann_file).ratings} == clusters


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--split', 'official'], '--split is a column of a CSV: give it with --ann-file'),
        (['--ann-file', 'SET', '--split', 'fold'], "set.csv: no column 'fold'; there are: name, mos, official, series"),
        (['--ann-file', 'none.csv'], 'no such CSV: none.csv'),
        (['--threshold', '300'], 'threshold must be from 0 to 256 bits, got 300'),
        (['--workers', '0'], 'at least one photo and one worker, got 7 photos and 0 workers'),
    ],
)
def test_mistakes_end_with_one_sentence(tool, photos, ann_file, arguments, message):
    done = tool(photos, *[str(ann_file) if argument == 'SET' else argument for argument in arguments])
    assert done.returncode == 2
    assert message in done.err
    assert 'Traceback' not in done.err


@pytest.mark.parametrize(
    ('text', 'message'),
    [('name\n../x.jpg\n', 'line 2.*leads out of the folder'), ('name\n' + 'x' * 200_000, 'not a CSV')],
    ids=['climbs', 'huge field'],
)
def test_lists_of_strangers(tool, photos, tmp_path, text, message):
    (tmp_path / 'list.csv').write_text(text)
    done = tool(photos, '--ann-file', tmp_path / 'list.csv')
    assert done.returncode == 2
    assert re.search(message, done.err)
