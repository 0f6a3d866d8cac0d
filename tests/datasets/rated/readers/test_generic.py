"""pyiqa's meta_info files and plain CSVs."""

from pathlib import Path

import pytest

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.generic import read_meta_info, without_training_photos


def read(tmp_path, text):
    path = tmp_path / 'meta_info.csv'
    path.write_text(text)
    return read_meta_info(path, tmp_path)


def test_name_and_score(tmp_path):
    labels = read(
        tmp_path,
        'img_name,mos,std,split,ratio802_seed123_split_01,official_split,c1\n'
        'a.jpg,77.4,0.5,training,train,train,0.1\nb.jpg,15,0.6,test,test,val,0\n',
    )
    assert labels.rows[0] == {
        'name': 'a.jpg', 'score': '77.4', 'std': '0.5', 'split': 'train', 'ratio802_seed123_split_01': 'train',
        'official_split': 'train', 'c1': '0.1',
    }  # fmt: skip
    assert labels.splits == {
        'split': 'column split of meta_info.csv',
        'ratio802_seed123_split_01': 'random, ratio 802, seed 123, of meta_info.csv',
        'official_split': 'official, of meta_info.csv',
    }


def test_reference_name_and_score(tmp_path):
    labels = read(tmp_path, 'ref_name,dist_name,dmos,dmos_std\nI01.bmp,I01_01_1.bmp,0.5,0.1\n1.bmp,1_1.bmp,0.2,0.1\n')
    assert labels.rows[0] == {'name': 'I01_01_1.bmp', 'score': '0.5', 'ref': 'I01', 'dmos_std': '0.1'}
    assert labels.rows[1]['ref'] == '1'


def test_names_of_our_columns_are_kept_apart(tmp_path):
    labels = read(tmp_path, 'file,score,mos,dmos\na.jpg,1,2,3\nb.jpg,1,2,3\n')
    assert labels.rows[0] == {'name': 'a.jpg', 'score': '2', 'score_of_file': '1', 'dmos_of_file': '3'}


@pytest.mark.parametrize('values', ['0,1', 'train,train', 'fold 1,fold 2'])
def test_a_column_that_is_no_split(tmp_path, values):
    first, second = values.split(',')
    labels = read(tmp_path, f'name,mos,split\na.jpg,1,{first}\nb.jpg,2,{second}\n')
    assert labels.splits == {}
    assert labels.rows[0]['split'] == first


def test_patches_are_left_out(tmp_path):
    labels = read(tmp_path, 'img_name/patch_name,mos\nava/a.jpg,70\npatches/a.jpg_patch_1.jpg,60\n')
    assert [row['name'] for row in labels.rows] == ['ava/a.jpg']
    assert labels.notes == ('1 rows of patches left out',)


def test_clive_without_the_training_photos(tmp_path):
    labels = read(tmp_path, 'name,mos\nt1.bmp,60\nt10.bmp,61\n3.bmp,62\n')
    kept = without_training_photos(labels)
    assert [row['name'] for row in kept.rows] == ['t10.bmp', '3.bmp']
    assert kept.notes == ('left out 1 photos that trained the observers',)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('name,split\na.jpg,train\n', "which column holds the scores? Call it 'MOS'"),
        ('name\na.jpg\n', "which column holds the scores? Call it 'MOS'"),
        ('a,b,c\nx.jpg,y.jpg,good\n', "which column holds the photos? Call it 'name'"),
        ('x.jpg,3\ny.jpg,4\n', "has no header: its first line is 'x.jpg', '3'"),
        ('name,mos\na.jpg,good\n', "the score of 'a.jpg' is 'good', not a number"),
        ('image,path,mos\na.jpg,b,1\n', "the columns 'image', 'path' could all be the one called 'name'"),
        ('name,mos,c1,c1\na.jpg,1,2,3\n', "has the column 'c1' twice"),
        ('name,mos\n', 'no rows below the header'),
        ('name,mos\na.jpg,1,2\n', r'line 2: 3 columns, but the header has 2'),
    ],
)
def test_bad_csv(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such CSV of scores'):
        read_meta_info(tmp_path / 'none.csv', tmp_path)
    (tmp_path / 'a.csv').write_text('name,mos\na,1\n')
    with pytest.raises(FileNotFoundError, match='no such folder of photos: nowhere'):
        read_meta_info(tmp_path / 'a.csv', Path('nowhere'))
