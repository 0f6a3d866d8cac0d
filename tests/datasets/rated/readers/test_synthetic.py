"""LIVE, CSIQ, TID2013, KADID-10k, PIPAL: references, distortions, directions of the scores."""

import numpy as np
import pytest
from scipy.io import savemat

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.synthetic import read_csiq, read_kadid, read_live, read_pipal, read_tid2013


def column(labels, name):
    return [row[name] for row in labels.rows]


def test_live_counts_through_the_folders_and_leaves_out_the_references(make):
    labels = read_live(make('live'))
    assert column(labels, 'name') == [
        'jp2k/img1.bmp', 'jp2k/img2.bmp', 'jpeg/img1.bmp', 'wn/img1.bmp', 'gblur/img1.bmp', 'fastfading/img1.bmp'
    ]  # fmt: skip
    assert column(labels, 'score') == ['111.77', '31.25', '33.25', '35.25', '37.25', '39.25']
    assert column(labels, 'ref') == ['womanhat', 'bikes', *['womanhat'] * 4]
    assert column(labels, 'distortion')[::2] == ['jp2k', 'jpeg', 'gblur']
    assert labels.rows[1]['sd'] == '3.125'
    assert 'DMOS of dmos_realigned.mat; 5 undistorted images left out' in labels.notes


def test_live_without_realigned_scores(make):
    labels = read_live(make('live', realigned=False))
    assert labels.rows[1]['score'] == '15.625'
    assert 'sd' not in labels.rows[0]
    assert 'DMOS of dmos.mat' in labels.notes[0]


def test_live_with_files_that_do_not_belong_together(make):
    root = make('live')
    info = root / 'wn' / 'info.txt'
    kept = info.read_text()
    info.write_text(kept.replace('img1', 'img7'))
    with pytest.raises(InputError, match=r'wn/info\.txt: 2 lines, but none of img1\.bmp'):
        read_live(root)
    info.write_text(kept.splitlines()[0].replace('img2', 'img1'))
    with pytest.raises(InputError, match=r'not equally many: dmos 11.* info\.txt of all folders 10'):
        read_live(root)
    info.write_text(kept.replace('womanhat', 'parrots'))
    with pytest.raises(InputError, match=r"reference of wn/img1\.bmp is 'womanhat\.bmp', but info\.txt says 'parrots"):
        read_live(root)


def test_live_with_nothing_but_references(make):
    root = make('live', realigned=False)
    savemat(root / 'dmos.mat', {'dmos': np.zeros((1, 11)), 'orgs': np.ones((1, 11))})
    (root / 'dmos_realigned.mat').unlink(missing_ok=True)
    with pytest.raises(InputError, match='every entry is a reference'):
        read_live(root)


def test_csiq(make):
    labels = read_csiq(make('csiq'))
    assert column(labels, 'name')[:2] == ['1600.AWGN.1.png', 'aerial_city.AWGN.1.png']
    assert column(labels, 'distortion')[::2] == ['awgn', 'jpeg', 'jpeg2000', 'fnoise', 'blur']
    assert labels.rows[0] | {'score': '0.062', 'sd': '0.06', 'ref': '1600', 'level': '1'} == labels.rows[0]


def test_csiq_with_an_unknown_distortion(make):
    import openpyxl

    root = make('csiq')
    book = openpyxl.load_workbook(root / 'csiq.DMOS.xlsx')
    book['all_by_image']['F5'] = 'pixelation'
    book.save(root / 'csiq.DMOS.xlsx')
    with pytest.raises(InputError, match="unknown dst_type 'pixelation'; known are noise, blur"):
        read_csiq(root)


def test_tid2013(make):
    labels = read_tid2013(make('tid2013'))
    assert column(labels, 'ref') == ['I01', 'I01', 'I25', 'I02']  # one reference, whatever the case of its name
    assert column(labels, 'distortion') == ['01', '02', '24', '01']
    assert column(labels, 'level') == ['1', '5', '5', '1']
    assert column(labels, 'score')[0] == '5.51429'
    assert column(labels, 'sd') == ['0.13013'] * 4


def test_tid2013_without_deviations_and_with_bad_lines(make):
    root = make('tid2013')
    (root / 'mos_std.txt').write_text('0.1\n')
    with pytest.raises(InputError, match=r'not equally many: mos_with_names\.txt 4, mos_std\.txt 1'):
        read_tid2013(root)
    (root / 'mos_std.txt').unlink()
    assert 'sd' not in read_tid2013(root).rows[0]
    (root / 'mos_with_names.txt').write_text('5.5 i01_01_1.bmp\n5.5 i01.bmp\n')
    with pytest.raises(InputError, match=r'mos_with_names\.txt, line 2: not a MOS and a name like'):
        read_tid2013(root)


def test_kadid_scores_are_not_turned(make):
    labels = read_kadid(make('kadid10k'))
    assert column(labels, 'score') == ['4.57', '3.57', '2.57', '1.57']
    assert column(labels, 'ref') == ['I01', 'I01', 'I02', 'I81']
    assert column(labels, 'var')[0] == '0.496'
    assert 'dmos' not in labels.rows[0]
    assert 'is a MOS (higher is better)' in labels.notes[0]


@pytest.mark.parametrize(
    ('folders', 'root'), [(('Train_Dist',), 'Train_Dist'), (('Distortion_1', 'Distortion_4'), 'pipal')]
)
def test_pipal(make, folders, root):
    labels = read_pipal(make('pipal', folders=folders))
    assert labels.photo_root.name == root
    assert column(labels, 'ref') == ['A0001', 'A0001', 'A0185', 'A0185']
    assert column(labels, 'distortion') == ['00', '05', '00', '05']
    assert column(labels, 'score') == ['1520.0648', '1370.5', '1520.0648', '1371.5']


def test_pipal_without_labels(make):
    root = make('pipal')
    (root / 'Train_Label' / 'A0001.txt').write_text('A0001.bmp 1520\n')
    with pytest.raises(InputError, match=r'A0001\.txt, line 1: not a name like'):
        read_pipal(root)
    for path in (root / 'Train_Label').iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match='looked for text files of labels'):
        read_pipal(root)
