"""Photos without labels: found, loaded, skipped by name when they can't be read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.photos.folder import PhotoFolder
from mmqpt.datasets.photos.sampler import SampleKey, SeededSampler
from mmqpt.datasets.transforms import patch_pairs  # noqa: F401 (registers the transforms)
from mmqpt.datasets.transforms.load_photo import LoadPhoto

LOAD = [{'type': 'LoadPhoto'}]
PRETRAIN = [*LOAD, {'type': 'PatchPairs', 'patch_size': 32, 'window': 96}, {'type': 'PackPatchPairs'}]


@pytest.fixture
def folder(photo_folder, tmp_path):
    """A copy to damage."""
    return shutil.copytree(photo_folder, tmp_path / 'photos')


def truncate(path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def test_photos_are_loaded_as_bgr(photo_folder):
    dataset = PhotoFolder(str(photo_folder), LOAD)
    paths = sorted(photo_folder.iterdir())
    assert len(dataset) == len(paths) == 6
    assert dataset.metainfo['photos'] == 6
    for index, path in enumerate(paths):
        results = dataset[index]
        assert results['img_path'] == str(path)
        assert results['skipped'] == []
        assert results['img_shape'] == results['ori_shape'] == (256, 320)
        np.testing.assert_array_equal(results['img'], read_photo(path)[..., ::-1])


def test_sample_is_a_function_of_its_key(photo_folder):
    dataset = PhotoFolder(str(photo_folder), PRETRAIN)
    first = dataset[SampleKey(2, (0, 0, 1))]
    again = PhotoFolder(str(photo_folder), PRETRAIN)[SampleKey(2, (0, 0, 1))]
    assert torch.equal(first['inputs'], again['inputs'])
    assert first['data_samples'].recipes == again['data_samples'].recipes
    for entropy in ((1, 0, 1), (0, 1, 1), (0, 0, 2)):
        other = dataset[SampleKey(2, entropy)]
        assert other['data_samples'].img_path == first['data_samples'].img_path
        assert other['data_samples'].recipes != first['data_samples'].recipes


def test_plain_index_is_a_key(photo_folder):
    dataset = PhotoFolder(str(photo_folder), PRETRAIN)
    assert torch.equal(dataset[3]['inputs'], dataset[SampleKey(3, (0, 0, 3))]['inputs'])
    assert torch.equal(dataset[np.int64(3)]['inputs'], dataset[3]['inputs'])
    assert repr(dataset).startswith(f'PhotoFolder(6 photos in {photo_folder}, pipeline Compose(')


def test_samples_do_not_depend_on_the_workers(photo_folder):
    def two_epochs(workers: int) -> list:
        dataset = PhotoFolder(str(photo_folder), PRETRAIN)
        sampler = SeededSampler(dataset, seed=5)
        loader = DataLoader(dataset, 2, sampler=sampler, num_workers=workers, collate_fn=pseudo_collate)
        samples = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            samples += [
                (x, s.img_path, s.recipes)
                for batch in loader
                for x, s in zip(batch['inputs'], batch['data_samples'], strict=True)
            ]
        return samples

    alone, workers = two_epochs(0), two_epochs(2)
    assert len(alone) == len(workers) == 12
    for (x, path, recipes), (other_x, other_path, other_recipes) in zip(alone, workers, strict=True):
        assert torch.equal(x, other_x)
        assert path == other_path
        assert recipes == other_recipes
    # And the epochs differ.
    assert {recipe.key for _, _, recipes in alone[:6] for recipe in recipes}.isdisjoint(
        recipe.key for _, _, recipes in alone[6:] for recipe in recipes
    )


def test_unreadable_photo_is_skipped_and_named(folder):
    paths = sorted(folder.iterdir())
    truncate(paths[1])
    paths[2].write_text('not a photo')
    dataset = PhotoFolder(str(folder), PRETRAIN)
    sample = dataset[1]['data_samples']
    assert sample.img_path == str(paths[3])
    (first, why_first), (second, why_second) = sample.metainfo['skipped']
    assert (first, second) == (str(paths[1]), str(paths[2]))
    assert paths[1].name in why_first
    assert 'truncated' in why_first
    assert paths[2].name in why_second
    assert 'not an image' in why_second
    assert dataset[3]['data_samples'].metainfo['skipped'] == []


def test_photo_that_vanished_is_skipped_and_named(folder):
    dataset = PhotoFolder(str(folder), PRETRAIN)
    dataset.paths[0].unlink()
    sample = dataset[0]['data_samples']
    assert sample.img_path == str(dataset.paths[1])
    assert 'no such photo' in sample.metainfo['skipped'][0][1]


def test_the_last_photo_is_replaced_by_the_first(folder):
    paths = sorted(folder.iterdir())
    truncate(paths[-1])
    assert PhotoFolder(str(folder), LOAD)[5]['img_path'] == str(paths[0])


def test_replacement_is_the_photo_with_the_entropy_of_the_key(folder):
    """A damaged photo changes no other sample."""
    intact = PhotoFolder(str(folder), PRETRAIN)[SampleKey(1, (7, 0, 0))]
    truncate(sorted(folder.iterdir())[0])
    replaced = PhotoFolder(str(folder), PRETRAIN)[SampleKey(0, (7, 0, 0))]
    assert torch.equal(replaced['inputs'], intact['inputs'])


def test_too_many_unreadable_in_a_row(folder):
    paths = sorted(folder.iterdir())
    for path in paths[1:4]:
        truncate(path)
    dataset = PhotoFolder(str(folder), PRETRAIN, max_tries=3)
    with pytest.raises(InputError, match=rf'3 photos in a row could not be read, the last: .*{paths[3].name}'):
        dataset[1]
    assert dataset[2]['data_samples'].img_path == str(paths[4])


def test_no_readable_photo_at_all(folder):
    for path in folder.iterdir():
        truncate(path)
    dataset = PhotoFolder(str(folder), PRETRAIN)
    with pytest.raises(InputError, match='6 photos in a row could not be read'):
        dataset[0]


def test_other_errors_are_not_swallowed(photo_folder):
    dataset = PhotoFolder(str(photo_folder), [{'type': 'PackPatchPairs'}])
    with pytest.raises(KeyError, match='patches'):
        dataset[0]


def test_listed_photos_only(photo_folder, tmp_path):
    names = [path.name for path in sorted(photo_folder.iterdir())]
    ann_file = tmp_path / 'list.txt'
    ann_file.write_text(f'{names[4]}\n\n  {names[1]}  \n')
    dataset = PhotoFolder(str(photo_folder), LOAD, ann_file=str(ann_file))
    assert dataset.paths == [photo_folder / names[4], photo_folder / names[1]]


def test_errors_about_the_list(photo_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such list of photos: .*nowhere\.txt'):
        PhotoFolder(str(photo_folder), LOAD, ann_file=str(tmp_path / 'nowhere.txt'))
    ann_file = tmp_path / 'list.txt'
    ann_file.write_text('\n')
    with pytest.raises(InputError, match=r'list\.txt: names no photos'):
        PhotoFolder(str(photo_folder), LOAD, ann_file=str(ann_file))
    ann_file.write_text(f'{sorted(photo_folder.iterdir())[0].name}\nnowhere.jpg\nneither.jpg\n')
    with pytest.raises(InputError, match=r'list\.txt: 2 of 3 photos are missing, the first: .*nowhere\.jpg'):
        PhotoFolder(str(photo_folder), LOAD, ann_file=str(ann_file))
    ann_file.write_text(f'{sorted(photo_folder.iterdir())[0].name}\n../secret.jpg\n')
    with pytest.raises(
        InputError, match=r"list\.txt, line 2: '\.\./secret\.jpg' leads out of the folder of the photos"
    ):
        PhotoFolder(str(photo_folder), LOAD, ann_file=str(ann_file))
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*nowhere'):
        PhotoFolder(str(tmp_path / 'nowhere'), LOAD, ann_file=str(ann_file))


def test_links_inside_the_folder_are_followed(photo_folder, tmp_path):
    """Sets are often put together from links; who can make one can write to the folder."""
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos' / 'linked.jpg').symlink_to(sorted(photo_folder.iterdir())[0])
    ann_file = tmp_path / 'list.txt'
    ann_file.write_text('linked.jpg\n')
    assert PhotoFolder(str(tmp_path / 'photos'), LOAD, ann_file=str(ann_file))[0]['img'].ndim == 3


def test_what_is_left_out_of_a_folder_is_told(photo_folder, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr('mmqpt.datasets.photos.folder.print_log', lambda text, *more: told.append(text))
    (tmp_path / 'linked').symlink_to(photo_folder)
    (tmp_path / 'x.cr2').touch()
    (tmp_path / 'dead.jpg').symlink_to('gone.jpg')
    assert len(PhotoFolder(str(tmp_path), LOAD)) == 6
    assert told == [
        f'{tmp_path}: left out 1 .cr2, 1 dead links or other than regular files (first: {tmp_path}/dead.jpg)'
    ]


def test_listed_photos_that_may_not_be_looked_at_are_skipped_later(photo_folder, tmp_path, monkeypatch):
    stat = Path.stat

    def refuse(path, **more):
        if path.name == 'locked.jpg':
            raise PermissionError(13, 'Permission denied', str(path))
        return stat(path, **more)

    monkeypatch.setattr(Path, 'stat', refuse)
    (tmp_path / 'list.txt').write_text(f'{min(photo_folder.iterdir()).name}\nlocked.jpg\n')
    assert len(PhotoFolder(str(photo_folder), LOAD, ann_file=str(tmp_path / 'list.txt'))) == 2


def test_errors_about_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*nowhere'):
        PhotoFolder(str(tmp_path / 'nowhere'), LOAD)
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(PhotoError, match='no photos in this folder'):
        PhotoFolder(str(tmp_path), LOAD)


def test_patch_larger_than_every_photo(folder):
    (folder / 'a.jpg').write_text('not a photo')
    pipeline = [*LOAD, {'type': 'PatchPairs', 'patch_size': 257, 'window': None}]
    with pytest.raises(
        InputError, match='patch_size is 257 px, but the largest of 7 photos has a short side of 256 px'
    ):
        PhotoFolder(str(folder), pipeline)
    pipeline[1]['patch_size'] = 256
    assert PhotoFolder(str(folder), pipeline)[1]['patches'].shape == (2, 2, 256, 256, 3)


def test_index_past_the_end(photo_folder):
    dataset = PhotoFolder(str(photo_folder), LOAD)
    with pytest.raises(IndexError):
        dataset[6]
    with pytest.raises(IndexError):
        dataset[-1]
    assert len(list(dataset)) == 6


def test_load_photo_names_the_file(tmp_path):
    (tmp_path / 'empty.png').touch()
    with pytest.raises(PhotoError, match=r'empty\.png: the file is empty'):
        LoadPhoto()({'img_path': str(tmp_path / 'empty.png')})
