"""Opinions behind a MOS: histogram and deviation, from further columns of the CSV."""

import pytest
import torch

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.iqa_dataset import IQADataset

COLUMNS = ['c1', 'c2', 'c3']


def opinions(photo_folder, tmp_path, row, **options):
    names = sorted(path.name for path in photo_folder.iterdir())[:2]
    path = tmp_path / 'koniq.csv'
    path.write_text(f'name,mos,c1,c2,c3,sd\n{names[0]},2,1,2,1,0.7\n{names[1]},{row}\n')
    return IQADataset(
        str(photo_folder), str(path), [{'type': 'LoadPhoto'}, {'type': 'PackRatedPhoto'}], (1, 3), **options
    )


def test_opinions_of_the_csv(photo_folder, tmp_path):
    data = opinions(photo_folder, tmp_path, '3,0,0,0.5,0', histogram_columns=COLUMNS, sd_column='sd')
    first, second = data[0]['data_samples'], data[1]['data_samples']
    assert first.gt_histogram.tolist() == [0.25, 0.5, 0.25]
    assert first.gt_score_sd.tolist() == pytest.approx([0.35])  # of a scale of 2
    assert second.gt_histogram.tolist() == [0, 0, 1]  # shares need not sum to 1
    assert 'gt_histogram' not in opinions(photo_folder, tmp_path, '3,0,0,0.5,0')[0]['data_samples']


@pytest.mark.parametrize(
    ('row', 'options', 'message'),
    [
        ('3,1,-1,2,0', {}, r"koniq\.csv, row of '.*jpg': c2 must be a finite number >= 0, got '-1'"),
        ('3,1,,2,0', {}, "c2 must be a finite number >= 0, got ''"),
        ('3,1,nan,2,0', {}, "c2 must be a finite number >= 0, got 'nan'"),
        ('3,1,inf,2,0', {}, "got 'inf'"),
        ('3,1,many,2,0', {}, "got 'many'"),
        ('3,0,0,0,0', {}, r"row of '.*jpg': no opinions, c1, c2, c3 are all 0"),
        ('3,1,1,1,-2', {}, "sd must be a finite number >= 0, got '-2'"),
        ('3,1,1,1,0', {'histogram_columns': ['c1', 'c9']}, r"koniq\.csv: no column 'c9'"),
        ('3,1,1,1,0', {'histogram_columns': ['c1']}, r"histogram_columns must be 2 or more columns, got \['c1'\]"),
        ('3,1,1,1,0', {'sd_column': 'std'}, "no column 'std'"),
    ],
)
def test_bad_opinions(photo_folder, tmp_path, row, options, message):
    with pytest.raises(InputError, match=message):
        opinions(photo_folder, tmp_path, row, **{'histogram_columns': COLUMNS, 'sd_column': 'sd', **options})


def test_bad_opinions_of_rows_left_out_do_not_matter(photo_folder, tmp_path):
    data = opinions(photo_folder, tmp_path, '3,1,x,1,0', histogram_columns=COLUMNS, where={'mos': 2})
    assert len(data) == 1
    assert torch.is_tensor(data[0]['data_samples'].gt_histogram)
