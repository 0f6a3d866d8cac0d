"""Several crops of a photo, and what is packed about its opinions. One crop: test_iqa_dataset.py."""

import numpy as np
import pytest
import torch

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.iqa_dataset import IQADataset
from mmqpt.datasets.transforms.packing import PackRatedPhoto
from mmqpt.datasets.transforms.quality_crop import RandomQualityCrop


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def cut(crops, photo, seed=0, **options):
    transform = RandomQualityCrop(32, view={'min_side': 32}, crops=crops, **options)
    return transform({'img': photo, 'rng': np.random.default_rng(seed)})['img']


def test_many_crops_are_windows_of_the_photo_and_differ(photo):
    found = cut(5, photo)
    assert found.shape == (5, 32, 32, 3)
    assert found.dtype == np.uint8
    windows = np.lib.stride_tricks.sliding_window_view(photo, (32, 32, 3)).reshape(-1, 32, 32, 3)
    for crop in found:
        assert any(np.array_equal(windows[i], x) for x in (crop, crop[:, ::-1]) for i in _starting(windows, x))
    assert len({crop.tobytes() for crop in found}) == 5


def _starting(windows, crop):
    return np.flatnonzero((windows[:, 0, 0] == crop[0, 0]).all(axis=1))


def test_first_of_many_crops_is_the_only_one(photo):
    np.testing.assert_array_equal(cut(3, photo, seed=4)[0], cut(1, photo, seed=4))


def test_every_crop_is_mirrored_on_its_own(photo):
    small = photo[:32, :32]
    mirrored = [np.array_equal(crop, small[:, ::-1]) for crop in cut(200, small, flip=0.5)]
    assert 60 < sum(mirrored) < 140
    assert all(np.array_equal(crop, small) for crop in cut(5, small, flip=0))


def test_crops_of_a_resized_photo_are_float(photo):
    found = RandomQualityCrop(48, view={'min_side': 48}, crops=2)({'img': photo[:20], 'rng': np.random.default_rng(0)})
    assert found['img'].shape == (2, 48, 48, 3)
    assert found['img'].dtype == np.float32


def test_no_crops():
    with pytest.raises(InputError, match='crops must be >= 1, got 0'):
        RandomQualityCrop(32, view={'min_side': 32}, crops=0)


def test_pack_crops_and_opinions(photo):
    results = {'img_path': 'a.png', 'name': 'a', 'mos': 3.0, 'score': 0.5, 'histogram': [0.25, 0.75], 'score_sd': 0.1}
    crops = cut(2, photo)
    packed = PackRatedPhoto()({**results, 'img': crops})
    assert packed['inputs'].shape == (2, 3, 32, 32)
    np.testing.assert_array_equal(packed['inputs'][1].permute(1, 2, 0).numpy(), crops[1])
    sample = packed['data_samples']
    assert sample.gt_score.tolist() == [0.5]
    assert sample.gt_histogram.tolist() == [0.25, 0.75]
    assert sample.gt_score_sd.tolist() == pytest.approx([0.1])
    plain = PackRatedPhoto()({'img_path': 'a.png', 'name': 'a', 'mos': 3.0, 'score': 0.5, 'img': photo})['data_samples']
    assert 'gt_histogram' not in plain
    assert 'gt_score_sd' not in plain


def opinions(photo_folder, tmp_path, row, **options):
    names = sorted(path.name for path in photo_folder.iterdir())[:2]
    path = tmp_path / 'koniq.csv'
    path.write_text(f'name,mos,c1,c2,c3,sd\n{names[0]},2,1,2,1,0.7\n{names[1]},{row}\n')
    return IQADataset(
        str(photo_folder), str(path), [{'type': 'LoadPhoto'}, {'type': 'PackRatedPhoto'}], (1, 3), **options
    )


COLUMNS = ['c1', 'c2', 'c3']


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
