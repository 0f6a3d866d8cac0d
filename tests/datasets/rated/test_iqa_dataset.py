"""Photos with opinion scores: rows, parts, samples. The CSV itself: test_ratings.py."""

import numpy as np
import pytest
import torch

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.datasets.rated.iqa_dataset import IQADataset
from mmqpt.datasets.rated.sets import SetInfo, write_set

LOAD = [{'type': 'LoadPhoto'}]
TRAIN = [*LOAD, {'type': 'RandomQualityCrop', 'crop': 48, 'view': {'min_side': 64}}, {'type': 'PackRatedPhoto'}]


@pytest.fixture
def names(photo_folder):
    return sorted(path.name for path in photo_folder.iterdir())


@pytest.fixture
def csv_file(names, tmp_path):
    """Six photos, MOS 1 to 3.5; column split: train, train, test, ...; column scene: two photos each."""
    rows = [
        f'{name},{1 + i / 2},{"test" if i % 3 == 2 else "train"},{name.split("_")[0]},{i}'
        for i, name in enumerate(names)
    ]
    path = tmp_path / 'meta_info.csv'
    path.write_text('\n'.join(['img_name,mos,split,scene,number', *rows, '']))
    return path


def dataset(photo_folder, csv_file, **options) -> IQADataset:
    return IQADataset(str(photo_folder), str(csv_file), **{'mos_range': (1, 5), 'pipeline': LOAD, **options})


def test_samples(photo_folder, csv_file, names):
    data = dataset(photo_folder, csv_file)
    assert len(data) == 6
    for index, name in enumerate(names):
        results = data[index]
        assert results['name'] == name
        assert results['img_path'] == str(photo_folder / name)
        assert results['mos'] == 1 + index / 2
        assert results['score'] == pytest.approx(index / 8)
        np.testing.assert_array_equal(results['img'], read_photo(photo_folder / name)[..., ::-1])


def test_range_and_meaning_come_from_the_json_file(photo_folder, names, tmp_path):
    path = tmp_path / 'koniq.csv'
    write_set(path, SetInfo('koniq', (0, 4)), [{'name': name, 'mos': i / 2} for i, name in enumerate(names)])
    data = dataset(photo_folder, path, mos_range=None)
    assert data.mos_range == (0, 4)
    assert data[3]['score'] == pytest.approx(1.5 / 4)
    assert data.metainfo == {'dataset': 'koniq', 'mos_range': [0.0, 4.0], 'photos': 6}
    # What is given wins.
    assert dataset(photo_folder, path, mos_range=(0, 3)).mos_range == (0, 3)


def test_neither_range_nor_json_file(photo_folder, csv_file):
    with pytest.raises(FileNotFoundError, match=r'no such file: .*meta_info\.json.*or give the range of the scores'):
        dataset(photo_folder, csv_file, mos_range=None)


def test_metainfo(photo_folder, csv_file):
    assert dataset(photo_folder, csv_file).metainfo == {'dataset': 'meta_info', 'mos_range': [1.0, 5.0], 'photos': 6}
    assert dataset(photo_folder, csv_file, name='mine').metainfo['dataset'] == 'mine'


def test_sample_is_a_function_of_its_key(photo_folder, csv_file):
    data = dataset(photo_folder, csv_file, pipeline=TRAIN)
    first, again, other = data[SampleKey(1, (0, 1, 2))], data[SampleKey(1, (0, 1, 2))], data[SampleKey(1, (0, 2, 2))]
    assert torch.equal(first['inputs'], again['inputs'])
    assert not torch.equal(first['inputs'], other['inputs'])
    assert torch.equal(data[1]['inputs'], data[SampleKey(1, (0, 0, 1))]['inputs'])


def test_a_pass_over_the_dataset_ends(photo_folder, csv_file, names):
    assert [results['name'] for results in dataset(photo_folder, csv_file)] == names


def test_where_keeps_rows(photo_folder, csv_file, names):
    assert [r.name for r in dataset(photo_folder, csv_file, where={'split': 'test'}).ratings] == [names[2], names[5]]
    both = dataset(photo_folder, csv_file, where={'split': 'train', 'number': 3})
    assert [r.name for r in both.ratings] == [names[3]]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'where': {'fold': '1'}}, r"meta_info\.csv: no column 'fold'; there are: img_name, mos, split, scene, number"),
        ({'group_column': 'reference', 'holdout': 0.5, 'part': 'fit'}, "no column 'reference'"),
        ({'where': {'split': 'valid'}}, "no row has 'valid' in column 'split'; there are: "),
        ({'part': 'train'}, "part must be 'all', or 'fit' or 'holdout' with 0 < holdout < 1, got 'train' and 0.0"),
        ({'part': 'fit'}, "got 'fit' and 0.0"),
        ({'holdout': 0.5}, "got 'all' and 0.5"),
        ({'part': 'fit', 'holdout': 1.0}, "got 'fit' and 1.0"),
        ({'part': 'fit', 'holdout': -0.1}, "got 'fit' and -0.1"),
        ({'where': {'number': 0}, 'part': 'fit', 'holdout': 0.5}, "no rows left .* and part 'fit'"),
        ({'mos_range': (1, 3)}, r'meta_info\.csv, line 7: MOS of .* is 3.5, outside mos_range'),
    ],
)
def test_dataset_errors(photo_folder, csv_file, options, message):
    with pytest.raises(InputError, match=message):
        dataset(photo_folder, csv_file, **options)


def test_missing_photos(photo_folder, csv_file, names):
    csv_file.write_text(f'name,mos\n{names[0]},2\nnowhere.jpg,2\nneither.jpg,3\n')
    with pytest.raises(InputError, match=r'meta_info\.csv: 2 of 3 photos are not in .*, the first: nowhere\.jpg'):
        dataset(photo_folder, csv_file)


def test_photos_of_rows_left_out_may_be_missing(photo_folder, csv_file, names):
    csv_file.write_text(f'name,mos,split\n{names[0]},2,train\nnowhere.jpg,2,test\n')
    assert len(dataset(photo_folder, csv_file, where={'split': 'train'})) == 1


def test_row_shorter_than_the_header(photo_folder, csv_file, names):
    csv_file.write_text(f'name,mos,split\n{names[0]},2,train\n{names[1]},2\n')
    with pytest.raises(InputError, match='line 3'):
        dataset(photo_folder, csv_file, where={'split': 'train'})


def test_unreadable_photo_is_named(csv_file, tmp_path):
    (tmp_path / 'bad.jpg').write_text('not a photo')
    csv_file.write_text('name,mos\nbad.jpg,2\n')
    with pytest.raises(PhotoError, match=r'bad\.jpg: not an image'):
        dataset(tmp_path, csv_file)[0]


@pytest.mark.parametrize('column', [None, 'scene'])
def test_parts_of_the_dataset(photo_folder, csv_file, names, column):
    options = {'holdout': 0.3, 'group_column': column}
    fit = dataset(photo_folder, csv_file, part='fit', **options)
    held = dataset(photo_folder, csv_file, part='holdout', **options)
    assert sorted(r.name for r in fit.ratings + held.ratings) == names
    assert len(held) == 2
    if column:
        assert len({r.row['scene'] for r in held.ratings}) == 1


def test_rating_scales(photo_folder, csv_file):
    assert 'scale' not in dataset(photo_folder, csv_file)[0]
    assert dataset(photo_folder, csv_file).labels() == {}
    data = dataset(photo_folder, csv_file, scale_column='scene')
    assert data[0]['scale'] == data.scales[0] == 'astronaut'
    assert data[0]['mos_range'] == (1, 5)
    assert data.labels()['chelsea'] == ([0.25, 0.375], (1.0, 5.0))
    assert set(dataset(photo_folder, csv_file, scale='all').scales) == {'all'}
    packed = dataset(photo_folder, csv_file, scale_column='scene', pipeline=TRAIN)[5]['data_samples']
    assert packed.scale == 'coffee'
    assert f'6 photos in {photo_folder}, MOS from 1 to 5, scales astronaut, chelsea, coffee, ' in repr(data)
    with pytest.raises(InputError, match="no column 'nothing'"):
        dataset(photo_folder, csv_file, scale_column='nothing')
    with pytest.raises(InputError, match='not both'):
        dataset(photo_folder, csv_file, scale_column='scene', scale='all')
