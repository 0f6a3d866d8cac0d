"""Photos in tables of Hugging Face datasets and in Parquet files. That they are read right: test_base.py."""

import io

import numpy as np
import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.photos.table import PhotoTable

datasets = pytest.importorskip('datasets')
LOAD = [{'type': 'LoadPhoto'}]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Nothing into the cache of the user."""
    monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(datasets.config, 'HF_DATASETS_OFFLINE', True)
    monkeypatch.setattr(datasets.config, 'HF_HUB_OFFLINE', True)


@pytest.fixture
def stored(photo_folder):
    return [path.read_bytes() for path in sorted(photo_folder.iterdir())]


def write_parquet(path, **columns):
    datasets.Dataset.from_dict(columns).to_parquet(str(path))
    return str(path)


def test_parquet_files(stored, tmp_path):
    files = [write_parquet(tmp_path / f'{part}.parquet', image=stored[part::2], label=[1, 2, 3]) for part in (0, 1)]
    dataset = PhotoTable(files, LOAD)
    assert len(dataset) == 6
    assert [dataset.read(index) for index in range(6)] == stored[::2] + stored[1::2]
    assert dataset[3]['img_path'] == f'{files} row 3'
    assert len(PhotoTable(str(tmp_path / '*.parquet'), LOAD)) == 6


def test_image_feature_of_a_split_on_disk(stored, photo_folder, tmp_path):
    """As the sets on the Hub are: images with a name, in splits."""
    features = datasets.Features({'picture': datasets.Image()})
    rows = {'picture': [{'bytes': data, 'path': f'{number}.jpg'} for number, data in enumerate(stored)]}
    table = datasets.Dataset.from_dict(rows, features)
    datasets.DatasetDict({'train': table, 'few': table.select([4])}).save_to_disk(str(tmp_path / 'set'))
    dataset = PhotoTable(str(tmp_path / 'set'), LOAD, column='picture', split='few')
    assert len(dataset) == 1
    assert dataset.name(0) == f'{tmp_path / "set"} row 0'
    wanted = read_photo(sorted(photo_folder.iterdir())[4])[..., ::-1]
    np.testing.assert_array_equal(dataset[0]['img'], wanted)
    with pytest.raises(InputError, match=r"set: no split 'test'; there are: train, few"):
        PhotoTable(str(tmp_path / 'set'), LOAD, column='picture', split='test')


def test_turned_photos_are_turned_as_everywhere(tmp_path):
    """`datasets` does not decode them."""
    stored, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (40, 20)).save(stored, 'JPEG', exif=exif)
    path = write_parquet(tmp_path / 'a.parquet', image=[stored.getvalue()])
    assert PhotoTable(path, LOAD)[0]['img'].shape == (40, 20, 3)


def test_rows_without_a_photo_are_skipped(stored, tmp_path):
    path = write_parquet(tmp_path / 'a.parquet', image=[None, stored[0][:99], stored[0]])
    sample = PhotoTable(path, LOAD)[0]
    assert sample['img_path'] == f'{path} row 2'
    assert sample['skipped'][0] == (f'{path} row 0', f'{path} row 0: no photo in this row')
    assert sample['skipped'][1][0] == f'{path} row 1'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'data_root': '{folder}/a.parquet'}, r"a\.parquet: no column 'image'; there are: number, file"),
        ({'data_root': '{folder}/a.parquet', 'column': 'number'}, "column 'number' holds no photos"),
        ({'data_root': '{folder}/a.parquet', 'column': 'file'}, "'file' holds the paths of photos, .* PhotoFolder"),
        ({'data_root': '{folder}/a.parquet', 'split': 'test'}, r"a\.parquet: can't be loaded as a table of photos"),
        ({'data_root': '{folder}/bad.parquet'}, r"bad\.parquet: can't be loaded as a table of photos"),
        ({'data_root': '{folder}/nowhere'}, 'nowhere'),
    ],
)
def test_tables_that_do_not_fit(tmp_path, options, message):
    write_parquet(tmp_path / 'a.parquet', number=[1, 2], file=['a.jpg', 'b.jpg'])
    (tmp_path / 'bad.parquet').write_bytes(b'no parquet')
    options = {key: value.format(folder=tmp_path) for key, value in options.items()}
    with pytest.raises((InputError, FileNotFoundError), match=message):
        PhotoTable(pipeline=LOAD, **options)
