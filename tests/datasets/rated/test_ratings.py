"""Opinion scores in a CSV: its rows, and the part held out for validation."""

import hashlib
from pathlib import Path

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.ratings import (
    Rating,
    check_columns,
    check_files_once,
    read_ratings,
    select_ratings,
    split_holdout,
)

NAMES = [f'{i}.jpg' for i in range(6)]


@pytest.fixture
def csv_file(tmp_path):
    """Six photos, MOS 1 to 3.5; column split: train, train, test, ...; column scene: two photos each."""
    rows = [f'{name},{1 + i / 2},{"test" if i % 3 == 2 else "train"},{i // 2},{i}' for i, name in enumerate(NAMES)]
    path = tmp_path / 'meta_info.csv'
    path.write_text('\n'.join(['img_name,mos,split,scene,number', *rows, '']))
    return path


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / 'scores.csv'
    path.write_text(text)
    return path


def ratings(count: int) -> list[Rating]:
    return [Rating(f'{i}.jpg', 3.0, {'scene': f'scene {i // 3}'}) for i in range(count)]


def test_read_ratings(csv_file):
    read = read_ratings(csv_file, (1, 5))
    assert [r.name for r in read] == NAMES
    assert [r.mos for r in read] == [1, 1.5, 2, 2.5, 3, 3.5]
    assert read[2].row == {
        'img_name': NAMES[2],
        'mos': '2.0',
        'split': 'test',
        'scene': '1',
        'number': '2',
    }
    assert read_ratings(str(csv_file), (1, 5)) == read


def test_columns_are_found_by_name(tmp_path):
    """KonIQ-10k's own file has its MOS in the seventh column."""
    text = 'image_name,c1,c2,c_total,MOS ,SD,MOS_zscore\na.png,0,5,105,77,9,60\nb.png,2,9,105,55,9,50\n'
    read = read_ratings(written(tmp_path, text), (0, 100))
    assert [(r.name, r.mos) for r in read] == [('a.png', 77), ('b.png', 55)]
    assert list(read[0].row) == ['image_name', 'c1', 'c2', 'c_total', 'MOS', 'SD', 'MOS_zscore']
    read = read_ratings(written(tmp_path, 'split,score,photo\ntrain,2,a.png,\n'), (0, 100))
    assert [(r.name, r.mos, r.row['split']) for r in read] == [('a.png', 2, 'train')]


def test_a_file_under_two_names(tmp_path):
    for name in ('a.jpg', 'b.jpg'):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / 'soft.jpg').symlink_to('a.jpg')
    (tmp_path / 'hard.jpg').hardlink_to(tmp_path / 'b.jpg')
    (tmp_path / 'sub').symlink_to('.')
    for other, first in (('soft.jpg', 'a.jpg'), ('hard.jpg', 'b.jpg'), ('sub/a.jpg', 'a.jpg'), ('A.JPG', 'a.jpg')):
        read = read_ratings(written(tmp_path, f'name,mos\na.jpg,1\nb.jpg,2\n{other},3\n'), (0, 5))
        with pytest.raises(InputError, match=rf"photo '{other}' is listed twice; the first time as '{first}'"):
            check_files_once(read, tmp_path, 'scores.csv')
    read = read_ratings(written(tmp_path, 'name,mos\na.jpg,1\nb.jpg,2\ngone.jpg,3\n'), (0, 5))
    check_files_once(read, tmp_path, 'scores.csv')


def test_read_ratings_takes_bom_quotes_and_blank_lines(tmp_path):
    path = tmp_path / 'scores.csv'
    path.write_bytes('\ufeffname,mos\r\n"a, b.jpg",1e0\r\n\r\nümlaut.jpg,2\r\n'.encode())
    read = read_ratings(path, (0, 2))
    assert [(r.name, r.mos) for r in read] == [('a, b.jpg', 1.0), ('ümlaut.jpg', 2.0)]
    assert read[0].row['name'] == 'a, b.jpg'


def test_both_ends_of_the_range_count(tmp_path):
    read = read_ratings(written(tmp_path, 'name,mos\na,0\nb,100\n'), (0, 100))
    assert [r.mos for r in read] == [0, 100]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('name,mos\na,3\nb,nan\n', r"scores\.csv, line 3: MOS of 'b' is nan, not a finite number"),
        ('name,mos\na,inf\n', r"line 2: MOS of 'a' is inf, not a finite number"),
        ('name,mos\na,5.01\n', r"scores\.csv, line 2: MOS of 'a' is 5.01, outside mos_range 1 to 5"),
        ('name,mos\na,0.5\n', "MOS of 'a' is 0.5, outside mos_range 1 to 5"),
        ('name,mos\na,good\n', r"scores\.csv, line 2: no MOS in the column 'mos': \['a', 'good'\]"),
        ('name,mos\na,\n', "line 2: no MOS in the column 'mos'"),
        ('name,mos\na\n', r"line 2: 1 columns, but the header has 2: \['a'\]"),
        ('name,mos\n../a,3\n', r"scores\.csv, line 2: '\.\./a' leads out of the folder of the photos"),
        ('name,mos\n/a,3\n', r"scores\.csv, line 2: '/a' leads out of the folder of the photos"),
        ('name\na\n', r"scores\.csv: needs a header and at least the columns name and MOS, got \['name'\]"),
        ('', r'scores\.csv: needs a header'),
        ('name,mos\n', r'scores\.csv: no rows below the header'),
        ('a.jpg,3\nb.jpg,4\n', r"scores\.csv: has no header: its first line is 'a\.jpg', '3'"),
        ('image_name,c1,SD\na,3,1\n', r"which column holds the scores\?.* got 'image_name', 'c1', 'SD'"),
        ('name,mos,MOS\na,3,1\n', "the columns 'mos', 'MOS' could all be the one called 'mos'"),
        ('name,mos,x,x\na,3,1,2\n', "has the column 'x' twice"),
        ('name,dmos\na,3\n', "'dmos' is a score that rises with distortion, or not"),
        ('name,mos\na, b.jpg,3\n', r'line 2: 3 columns, but the header has 2'),
        ('name,mos\n ,3\n', "line 2: no photo in the column 'name'"),
        ('name,mos\na,3\nb,2\na,4\n', r"line 4: the photo 'a' is listed twice; the first time in .*line 2"),
        ('name,mos\nx/a,3\n./x//a,3\n', r"line 3: the photo '\./x//a' is listed twice; the first time as 'x/a' in"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_ratings(written(tmp_path, text), (1, 5))


def test_missing_csv(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such CSV of scores: .*nowhere\.csv'):
        read_ratings(tmp_path / 'nowhere.csv', (1, 5))


@pytest.mark.parametrize('mos_range', [(5, 1), (1, 1), (float('nan'), 5)])
def test_bad_range(csv_file, mos_range):
    with pytest.raises(InputError, match=r'mos_range must be \(low, high\) with low < high, got'):
        read_ratings(csv_file, mos_range)


@pytest.mark.parametrize('share', [0.1, 0.2, 0.5, 0.9])
@pytest.mark.parametrize('column', [None, 'scene'])
def test_holdout_is_disjoint_and_as_large_as_asked(share, column):
    everything = ratings(60)
    fit, held = split_holdout(everything, share, column)
    assert sorted(fit + held, key=everything.index) == everything
    assert not {r.name for r in fit} & {r.name for r in held}
    # Whole groups until the share is reached, no group more.
    assert share * 60 <= len(held) < share * 60 + (3 if column else 1)
    # In the order given.
    assert fit == [r for r in everything if r in fit]
    assert held == [r for r in everything if r in held]


def test_holdout_keeps_groups_together():
    fit, held = split_holdout(ratings(60), 0.3, 'scene')
    assert not {r.row['scene'] for r in fit} & {r.row['scene'] for r in held}


def test_holdout_is_stable(rng):
    everything = ratings(40)
    expected = {r.name for r in split_holdout(everything, 0.25, None)[1]}
    for _ in range(5):
        shuffled = [everything[i] for i in rng.permutation(40)]
        assert {r.name for r in split_holdout(shuffled, 0.25, None)[1]} == expected
    rescored = [Rating(r.name, 1.0, {}) for r in everything]
    assert {r.name for r in split_holdout(rescored, 0.25, None)[1]} == expected
    # The same on every machine: the first by SHA-256.
    by_hash = sorted((hashlib.sha256(r.name.encode()).hexdigest(), r.name) for r in everything)
    assert expected == {name for _, name in by_hash[:10]}


def test_smaller_holdout_is_part_of_a_larger_one():
    small = {r.name for r in split_holdout(ratings(40), 0.2, None)[1]}
    large = {r.name for r in split_holdout(ratings(40), 0.4, None)[1]}
    assert small < large


def test_no_share_holds_out_nothing():
    assert split_holdout(ratings(5), 0, None) == (ratings(5), [])


def test_another_salt_gives_another_part():
    everything = ratings(60)
    parts = [{r.name for r in split_holdout(everything, 0.2, None, salt)[1]} for salt in ('', 'a', 'b')]
    assert [len(part) for part in parts] == [12, 12, 12]
    assert parts[0] != parts[1] != parts[2] != parts[0]
    by_hash = sorted((hashlib.sha256(f'a{r.name}'.encode()).hexdigest(), r.name) for r in everything)
    assert parts[1] == {name for _, name in by_hash[:12]}


def test_salted_parts_keep_groups_and_nest():
    fit, held = split_holdout(ratings(60), 0.3, 'scene', 'salt')
    assert not {r.row['scene'] for r in fit} & {r.row['scene'] for r in held}
    more = split_holdout(ratings(60), 0.5, 'scene', 'salt')[1]
    assert {r.name for r in held} < {r.name for r in more}


def test_select_and_check(csv_file):
    read = read_ratings(csv_file, (1, 5))
    assert [r.name for r in select_ratings(read, {'split': 'test', 'number': 5}, csv_file)] == ['5.jpg']
    assert select_ratings(read, {}, csv_file) == read
    with pytest.raises(InputError, match=r"meta_info\.csv: no column 'spilt'; there are: img_name, mos, split"):
        check_columns(read, ['split', 'spilt'], csv_file)
