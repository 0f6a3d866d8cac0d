"""BID, CLIVE, KonIQ-10k, SPAQ, FLIVE, BIQ2021: what their files say, and what is easily read wrongly."""

import numpy as np
import pytest
import xlwt
from scipy.io import savemat

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.authentic import read_bid, read_biq2021, read_clive, read_flive, read_koniq, read_spaq


def column(labels, name):
    return [row[name] for row in labels.rows]


def test_bid(make):
    labels = read_bid(make('bid'))
    assert column(labels, 'name') == [f'DatabaseImage{number}.JPG' for number in ('0001', '0002', '0013', '0586')]
    assert column(labels, 'score') == ['2.25', '4', '0.1', '3.3']


def test_bid_without_its_columns(make):
    root = make('bid')
    book = xlwt.Workbook()
    book.add_sheet('Plan1').write(0, 0, 'Image Number')
    book.save(root / 'DatabaseGrades.xls')
    with pytest.raises(InputError, match="no row of a header with the columns 'Image Number', 'Average"):
        read_bid(root)
    (root / 'DatabaseGrades.xls').write_text('<html>moved</html>')
    with pytest.raises(InputError, match=r'DatabaseGrades\.xls: not an Excel file that can be read'):
        read_bid(root)


def test_clive_leaves_out_the_training_photos(make):
    labels = read_clive(make('clive'))
    assert column(labels, 'name') == ['8.bmp', '9.bmp', '10.JPG', '11.bmp', '12.bmp']
    assert column(labels, 'score') == ['17.0', '18.0', '19.0', '20.0', '21.0']  # the 8th and later
    assert column(labels, 'sd')[0] == '4.25'
    assert 'left out the 7 photos that trained the observers' in labels.notes[0]


def test_clive_with_lists_of_different_length(make):
    root = make('clive')
    savemat(root / 'Data' / 'AllMOS_release.mat', {'AllMOS_release': np.ones((1, 11))})
    with pytest.raises(InputError, match='not equally many: AllImages 12, AllMOS 11, AllStdDev 12'):
        read_clive(root)


def test_clive_with_a_damaged_or_other_mat(make):
    root = make('clive')
    (root / 'Data' / 'AllMOS_release.mat').write_text('<html>')
    with pytest.raises(InputError, match=r'AllMOS_release\.mat: not a MATLAB file'):
        read_clive(root)
    savemat(root / 'Data' / 'AllMOS_release.mat', {'MOS': np.ones((1, 12))})
    with pytest.raises(InputError, match=r"AllMOS_release\.mat: no variable 'AllMOS_release'"):
        read_clive(root)


def test_koniq(make):
    labels = read_koniq(make('koniq10k'))
    assert labels.photo_root.name == '1024x768'
    assert float(labels.rows[0]['score']) == pytest.approx((3 * 25 + 4 * 73 + 5 * 7) / 105)
    assert column(labels, 'official_split') == ['train', 'test', 'val', 'train']
    assert [labels.rows[0][c] for c in ('c3', 'c4', 'c5', 'c_total', 'sd')] == ['25', '73', '7', '105', '0.53']
    assert float(labels.rows[0]['mos_zscore']) > 70


def test_koniq_without_the_file_of_scores_keeps_the_scale(make):
    """The file of the split calls MOS what is on another scale."""
    labels = read_koniq(make('koniq10k', scores=False, folder='512x384'))
    assert labels.photo_root.name == '512x384'
    assert [float(s) for s in column(labels, 'score')] == pytest.approx([402 / 105, 334 / 96, 1.75, 3.0])
    assert float(labels.rows[0]['mos_zscore']) > 70
    assert 'MOS from 1 to 5 is the mean of c1 to c5' in labels.notes[0]


def test_koniq_without_the_file_of_the_split(make):
    labels = read_koniq(make('koniq10k', sets=False))
    assert labels.splits == {}
    assert 'official_split' not in labels.rows[0]
    assert 'no official split' in labels.notes[0]


def test_koniq_with_a_split_of_other_photos(make):
    root = make('koniq10k')
    path = root / 'koniq10k_distributions_sets.csv'
    path.write_text('\n'.join(path.read_text().splitlines()[:-1]))
    with pytest.raises(InputError, match=r"sets\.csv: says nothing of '826373\.jpg'"):
        read_koniq(root)
    path.write_text(path.read_text().replace('validation', 'held out'))
    with pytest.raises(InputError, match="the set of a row is 'held out'"):
        read_koniq(root)


def test_spaq_keeps_the_attributes(make):
    labels = read_spaq(make('spaq'))
    assert labels.rows[0] == {'name': '00001.jpg', 'score': '20.5', 'brightness': '40', 'color_fulness': '41.5'}
    assert column(labels, 'score') == ['20.5', '41', '61.5', '82']


def test_flive_official_split(make):
    labels = read_flive(make('flive'))
    assert column(labels, 'official_split') == ['train', 'val', 'train', 'test']
    assert column(labels, 'score') == ['70.5', '71.5', '72.5', '73.5']
    assert not any('patch' in name for name in column(labels, 'name'))
    assert 'PaQ-2-PiQ' in labels.splits['official_split']


def test_flive_with_is_valid_in_its_labels_has_a_split_of_another_name(make):
    root = make('flive')
    for path in root.glob('labels*640*'):
        path.unlink()
    path = root / 'labels_image.csv'
    names = [line.split(',')[0] for line in path.read_text().splitlines()[1:]]
    path.write_text('name_image,mos_image,is_valid\n' + ''.join(f'{n},50,{i > 1}\n' for i, n in enumerate(names)))
    labels = read_flive(root)
    assert list(labels.splits) == ['is_valid_split']
    assert column(labels, 'is_valid_split') == ['train', 'train', 'test', 'test']
    path.write_text(path.read_text().replace('False', 'maybe'))
    with pytest.raises(InputError, match="is_valid is 'maybe', not True or False"):
        read_flive(root)


def test_flive_with_one_file_of_the_split_has_none(make):
    root = make('flive')
    (root / 'labels>640.csv').unlink()
    labels = read_flive(root)
    assert labels.splits == {}
    assert "needs 'labels<=640_padded.csv' and 'labels>640.csv'" in labels.notes[0]


def test_biq2021_original(make):
    labels = read_biq2021(make('biq2021'))
    assert column(labels, 'official_split') == ['train', 'train', 'test', 'test']
    assert column(labels, 'subset') == ['ss01', 'ss02', 'ss03', 'ss01']
    assert list(labels.splits) == ['official_split']
    assert 'cluster' not in labels.rows[0]


def test_biq2021_labels_say_which_photos_are_not_here(make):
    labels = read_biq2021(make('biq2021 part'))
    assert labels.absent == {'ss01 (3).jpg', 'ss01 (5).jpg'}
    assert column(labels, 'split') == ['train', 'test', 'drop', 'train', 'train']
    assert set(labels.splits) == {'split', 'official_split'}
    assert 'in_subset' not in labels.rows[0]
