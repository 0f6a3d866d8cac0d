"""Photos with opinion scores: rows, parts, crops. The CSV itself: test_ratings.py."""

import numpy as np
import pytest
import torch
from scipy import stats

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.core.view import View
from mmqpt.datasets.photos.sampler import SampleKey
from mmqpt.datasets.rated.iqa_dataset import IQADataset, PackRatedPhoto, RandomQualityCrop
from mmqpt.datasets.rated.sets import SetInfo, write_set
from mmqpt.datasets.transforms.load_photo import LoadPhoto

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
        ({'where': {'split': 'valid'}}, "no rows left with {'split': 'valid'} and part 'all'"),
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


@pytest.fixture
def numbered():
    """Every pixel is different, so that a crop tells where it comes from."""
    number = np.arange(90 * 120)
    return np.stack([number % 256, number // 256, number * 0], axis=-1).astype(np.uint8).reshape(90, 120, 3)


def crop_of(transform: RandomQualityCrop, image: np.ndarray, seed: int) -> np.ndarray:
    return transform({'img': image, 'rng': np.random.default_rng(seed)})['img']


@pytest.mark.parametrize('flip', [0, 1])
def test_crop_is_a_window_of_the_photo(numbered, flip):
    transform = RandomQualityCrop(32, flip=flip, view={'min_side': 32})
    kept = numbered.copy()
    corners = set()
    for seed in range(60):
        out = crop_of(transform, numbered, seed)
        out = out[:, ::-1] if flip else out
        assert out.dtype == np.uint8
        number = out[..., 0].astype(int) + 256 * out[..., 1].astype(int)
        y, x = divmod(int(number[0, 0]), 120)
        np.testing.assert_array_equal(out, numbered[y : y + 32, x : x + 32])
        assert out.shape == (32, 32, 3)
        corners.add((y, x))
    assert len(corners) > 50
    np.testing.assert_array_equal(numbered, kept)


def test_flip_is_a_probability(numbered):
    transform = RandomQualityCrop(32, flip=0.3, view={'min_side': 32})
    outs = [crop_of(transform, numbered, seed)[0, :2].astype(int) for seed in range(500)]
    mirrored = sum(out[0] @ (1, 256, 0) > out[1] @ (1, 256, 0) for out in outs)
    assert stats.binomtest(int(mirrored), 500, 0.3).pvalue > 1e-3


def test_crop_is_a_function_of_the_rng(numbered):
    transform = RandomQualityCrop(32, view={'min_side': 32})
    np.testing.assert_array_equal(crop_of(transform, numbered, 4), crop_of(transform, numbered, 4))
    assert not np.array_equal(crop_of(transform, numbered, 4), crop_of(transform, numbered, 5))


def test_every_place_is_reached(numbered):
    transform = RandomQualityCrop(32, flip=0, view={'min_side': 32})
    image = numbered[:33, :34]
    corners = {tuple(crop_of(transform, image, seed)[0, 0]) for seed in range(100)}
    assert corners == {tuple(image[y, x]) for y in range(2) for x in range(3)}


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 3), (33, 64), (200, 40)])
def test_small_and_large_photos_follow_the_size_rule(photos, size):
    image = np.ascontiguousarray(photos[0][: size[0], : size[1], ::-1])
    view = View(min_side=48, max_side=150)
    out = crop_of(RandomQualityCrop(48, flip=0, view=view.as_dict()), image, 0)
    height, width = view.target_size(*size)
    assert out.shape == (min(48, height), min(48, width), 3)
    assert out.dtype == np.float32
    assert out.min() >= 0
    assert out.max() <= 255
    resized = (
        view.resize(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0].permute(1, 2, 0).numpy() * 255
    )
    windows = np.lib.stride_tricks.sliding_window_view(resized, out.shape).reshape(-1, *out.shape)
    assert np.abs(windows - out).max(axis=(1, 2, 3)).min() < 1e-3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'crop': 0}, 'crop must be >= 1 px and flip a probability, got 0 and 0.5'),
        ({'crop': 8, 'flip': 1.5}, 'crop must be >= 1 px and flip a probability, got 8 and 1.5'),
        ({'crop': 33, 'view': {'min_side': 32}}, r'crop is 33 px, more than min_side \(32 px\) of the view'),
        ({'crop': 8, 'view': {'min_side': 0}}, 'min_side must be >= 1 px'),
    ],
)
def test_crop_errors(options, message):
    with pytest.raises(InputError, match=message):
        RandomQualityCrop(**options)


@pytest.mark.parametrize('mirrored', [False, True])
def test_pack(photo_folder, names, mirrored):
    results = {'img_path': str(photo_folder / names[0]), 'name': names[0], 'mos': 4.0, 'score': 0.75}
    results = LoadPhoto()(results)
    image = results['img'][:, ::-1] if mirrored else results['img']
    packed = PackRatedPhoto()({**results, 'img': image})
    assert packed['inputs'].shape == (3, 256, 320)
    assert packed['inputs'].dtype == torch.uint8
    np.testing.assert_array_equal(packed['inputs'].permute(1, 2, 0).numpy(), image)
    sample = packed['data_samples']
    assert sample.gt_score.tolist() == [0.75]
    assert sample.gt_score.dtype == torch.float32
    assert (sample.img_path, sample.name, sample.mos) == (results['img_path'], names[0], 4.0)


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
    with pytest.raises(InputError, match="no column 'nothing'"):
        dataset(photo_folder, csv_file, scale_column='nothing')
    with pytest.raises(InputError, match='not both'):
        dataset(photo_folder, csv_file, scale_column='scene', scale='all')
