"""Finding photos, holding scores against the scale, leaving out what can't be used."""

import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.authentic import read_biq2021
from mmqpt.datasets.rated.readers.labels import Labels
from mmqpt.datasets.rated.readers.prepare import match_photos, prepare
from mmqpt.datasets.rated.sets import SetInfo

INFO = SetInfo('mine', (0, 10))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / 'photos'
    for name in ('a.jpg', 'B.JPG', 'sub/c.png', 'sub/.hidden/d.png'):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (8, 8)).save(root / name)
    return root


def rows(*pairs, **columns):
    return [{'name': name, 'score': str(score), **columns} for name, score in pairs]


def test_photos_are_found_whatever_their_case_and_folder(folder):
    notes = []
    names = ['a.jpg', 'b.jpg', 'c.png', 'sub/c.png', 'd.png']
    assert match_photos(names[:3] + names[4:], folder, notes) == {
        'a.jpg': 'a.jpg', 'b.jpg': 'B.JPG', 'c.png': 'sub/c.png'
    }  # fmt: skip
    assert notes[0].startswith('1 names differ from their file in upper and lower case, the first: b.jpg is B.JPG;')
    assert notes[1:] == ['1 photos were found in subfolders']
    with pytest.raises(InputError, match=r"'c\.png' and 'sub/c\.png' of the labels are the same file sub/c\.png"):
        match_photos(names, folder, [])


def test_the_exact_name_comes_first(folder):
    Image.new('RGB', (8, 8)).save(folder / 'b.jpg')
    notes = []
    assert match_photos(['b.jpg', 'B.JPG'], folder, notes) == {'b.jpg': 'b.jpg', 'B.JPG': 'B.JPG'}
    assert notes == []
    with pytest.raises(InputError, match=r"'b\.JPG' of the labels fits 2 files: B\.JPG, b\.jpg"):
        match_photos(['b.JPG'], folder, [])


def test_a_name_in_two_subfolders_is_refused(folder):
    (folder / 'other').mkdir()
    Image.new('RGB', (8, 8)).save(folder / 'other' / 'c.png')
    with pytest.raises(InputError, match=r"'c\.png' of the labels fits 2 files: other/c\.png, sub/c\.png"):
        match_photos(['c.png'], folder, [])
    assert match_photos(['other/c.png'], folder, []) == {'other/c.png': 'other/c.png'}


def test_backslashes_and_leading_dots_are_folders(folder):
    assert match_photos(['.\\sub\\c.png', './a.jpg'], folder, []) == {'.\\sub\\c.png': 'sub/c.png', './a.jpg': 'a.jpg'}


def test_missing_and_unreadable_photos_are_named(folder):
    (folder / 'bad.jpg').write_text('no photo')
    (folder / 'cut.jpg').write_bytes((folder / 'a.jpg').read_bytes()[:200])
    labels = Labels(folder, rows(('a.jpg', 1), ('gone.jpg', 2), ('bad.jpg', 3), ('cut.jpg', 4)))
    done = prepare(labels, INFO)
    assert [row['name'] for row in done.rows] == ['a.jpg']
    assert [photo.name for photo in done.left_out] == ['gone.jpg', 'bad.jpg', 'cut.jpg']
    assert done.left_out[0].reason == 'missing'
    assert 'not an image' in done.left_out[1].reason
    assert [photo.name for photo in prepare(labels, INFO, decode=False).left_out] == ['gone.jpg']


def test_announced_gaps_are_no_errors_but_others_are(make):
    root = make('biq2021 part')
    labels = read_biq2021(root)
    done = prepare(labels, SetInfo('biq2021', (0, 1), group_column='cluster'))
    assert (len(done.rows), done.announced, done.left_out) == (3, 2, [])
    assert '2 photos are missing, as the labels say (a part of the set)' in done.notes
    # A photo that is here is used, whatever the labels say.
    Image.new('RGB', (8, 8)).save(root / 'images' / 'ss01 (3).jpg')
    (root / 'images' / 'ss01 (1).jpg').unlink()
    done = prepare(labels, SetInfo('biq2021', (0, 1)))
    assert [row['name'] for row in done.rows] == ['ss01 (2).jpg', 'ss01 (3).jpg', 'ss01 (4).jpg']
    assert [photo.name for photo in done.left_out] == ['ss01 (1).jpg']


def test_dmos_is_turned_and_kept(folder):
    done = prepare(Labels(folder, rows(('a.jpg', '0.1'), ('B.JPG', '10'), ref='x')), SetInfo('mine', (0, 10), 'DMOS'))
    assert done.rows == [
        {'name': 'a.jpg', 'mos': '9.9', 'dmos': '0.1', 'ref': 'x'},
        {'name': 'B.JPG', 'mos': '0', 'dmos': '10', 'ref': 'x'},
    ]


def test_columns_that_the_labels_lack_are_not_named(folder):
    info = SetInfo('mine', (0, 10), group_column='cluster', subset_column='ref')
    done = prepare(Labels(folder, rows(('a.jpg', 1), ref='x')), info)
    assert (done.info.group_column, done.info.subset_column) == (None, 'ref')


def test_word_for_word_repetition_is_merged(folder):
    done = prepare(Labels(folder, rows(('a.jpg', 1), ('B.JPG', 2), ('a.jpg', 1))), INFO)
    assert len(done.rows) == 2
    assert done.notes == ['1 rows repeat another one word for word and were left out']


@pytest.mark.parametrize(
    ('pairs', 'message'),
    [
        ([('a.jpg', 1), ('a.jpg', 2)], "'a.jpg' is listed twice, with the scores 1 and 2"),
        ([('a.jpg', 1), ('B.JPG', 10.5), ('c.png', -1)], r"2 of 3 scores are outside 0 to 10, the first: 'B.JPG' 10.5"),
        ([('a.jpg', 'nan')], "the score of 'a.jpg' is nan, not a finite number"),
        ([('a.jpg', '')], "the score of 'a.jpg' is '', not a number"),
        ([], 'mine: the labels list no photos'),
    ],
)
def test_bad_labels(folder, pairs, message):
    with pytest.raises(InputError, match=message):
        prepare(Labels(folder, rows(*pairs)), INFO)


def test_bad_workers(folder):
    with pytest.raises(InputError, match='workers must be >= 1, got 0'):
        prepare(Labels(folder, rows(('a.jpg', 1))), INFO, workers=0)
