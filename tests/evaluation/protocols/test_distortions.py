"""The images of the protocol: distortions by name, squares, who gets what, and the pixels."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.degradations import KADID, LEVELS, OPERATORS, DegradationSpace, apply
from mmqpt.evaluation.protocols.distortions import (
    CLEAN,
    Design,
    Distortion,
    assign,
    distortions_of,
    find_distortions,
    square,
    usable_photos,
)


@pytest.fixture
def design(photo_folder):
    names = sorted(path.name for path in photo_folder.iterdir())
    folds = np.array([0, 0, 1, 1, 2, 2])
    distortions = find_distortions(['gaussian_blur', 'white_noise', 'midtones'])
    return Design(photo_folder, names, names, folds, distortions, assign(folds, 4, 2), 64)


def test_kadid_has_25_under_their_names():
    found = find_distortions()
    assert [d.name for d in found] == list(KADID)
    assert [(d.operator, d.sign) for d in found] == list(KADID.values())


def test_all_operators_in_all_directions():
    found = find_distortions(['single'])
    assert len(found) == sum(len(row.signs) for row in OPERATORS.values())
    assert len({d.name for d in found}) == len(found)


def test_names_of_operators_and_their_directions():
    assert [d.name for d in find_distortions(['midtones', 'jpeg'])] == ['midtones+', 'midtones-', 'jpeg']
    assert find_distortions(['midtones-', 'jpeg'])[0] == Distortion('midtones-', 'midtones', -1)
    both = find_distortions(['kadid', 'jpeg', 'webp'])  # jpeg is there already, under KADID's name
    assert [d.name for d in both[24:]] == ['contrast change', 'webp']


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['jpeg'], 'at least two distortions are needed, got 1'),
        (['jpeg', 'nothing'], "unknown degradation operator 'nothing'"),
        (['jpeg-', 'webp'], "jpeg has one direction: write it without '-'"),
    ],
)
def test_wrong_names(names, message):
    with pytest.raises(InputError, match=message):
        find_distortions(names)


def test_a_space_gives_its_operators_in_its_directions():
    space = DegradationSpace(options=[('midtones', 2, -1), ('midtones', 5, -1), ('jpeg', 1, 1)], choice='one', skip=0)
    assert distortions_of(space) == find_distortions(['midtones-', 'jpeg'])


def test_the_square_is_the_middle(rng):
    photo = rng.integers(0, 256, (64, 100, 3), dtype=np.uint8)
    np.testing.assert_array_equal(square(photo, 64), photo[:, 18:82])
    half = square(photo, 32)
    means = photo.reshape(32, 2, 50, 2, 3).mean(axis=(1, 3))[:, 9:41]
    assert half.shape == (32, 32, 3)
    assert np.abs(half - means).max() <= 0.5
    with pytest.raises(InputError, match='100x64 px is smaller than 65 px'):
        square(photo, 65)


@pytest.mark.parametrize('per_photo', [3, 7, 10])
def test_distortions_are_shared_out_evenly_in_every_fold(per_photo):
    folds = np.arange(60) % 3
    given = assign(folds, 10, per_photo)
    assert (given.sum(axis=1) == per_photo).all()
    for fold in range(3):
        counts = given[folds == fold].sum(axis=0)
        assert counts.max() - counts.min() <= 1
    assert (given != assign(folds, 10, per_photo, seed=1)).any() == (per_photo < 10)


def test_every_distortion_needs_a_photo_in_every_fold():
    with pytest.raises(InputError, match='2 photos of a fold with 3 of 10 distortions each leave some distortion out'):
        assign(np.arange(6) % 3, 10, 3)
    with pytest.raises(InputError, match='per_photo must be from 1 to 10, the number of distortions, got 11'):
        assign(np.arange(6) % 3, 10, 11)


def test_images_ladders_and_rungs_agree(design):
    assert design.images.shape == (6 * (1 + 2 * 5), 3)
    assert design.ladders.shape == (12, 2)
    for (photo, kind), rungs in zip(design.ladders, design.rungs, strict=True):
        assert design.given[photo, kind]
        images = design.images[rungs]
        assert (images[:, 0] == photo).all()
        assert images[:, 1].tolist() == [CLEAN, *[kind] * 5]
        assert images[:, 2].tolist() == [0, *LEVELS]


def test_pixels_are_those_of_the_recipe(design):
    for image in (0, 1, 7, 40):
        photo = square(read_photo(design.root / design.names[design.images[image, 0]], min_side=64), 64)
        np.testing.assert_array_equal(design.make(image), apply(design.recipe(image), photo))
    assert design.recipe(0).steps == ()
    assert replace(design, side=32).make(0).shape == (32, 32, 3)  # with squares of its own
    assert np.array_equal(design.make(0), square(read_photo(design.root / design.names[0], min_side=64), 64))


def test_threads_make_the_same(design):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(design.make, range(len(design.images))))
    again = replace(design)
    assert all(np.array_equal(pixels, again.make(image)) for image, pixels in enumerate(found))


def test_a_photo_has_one_seed_a_distortion_whoever_is_beside_it(design):
    seeds = {design.recipe(image).steps[0].seed for image in design.rungs[0, 1:]}
    assert len(seeds) == 1
    fewer = Design(
        design.root, design.names[1:], design.groups[1:], design.folds[1:], design.distortions, design.given[1:], 64
    )
    assert [fewer.recipe(i) for i in range(11)] == [design.recipe(i + 11) for i in range(11)]
    assert replace(design, seed=1).recipe(1) != design.recipe(1)


def test_stamps_tell_images_apart(design):
    stamps = design.stamps()
    assert len(set(stamps)) == len(design.images)
    assert not set(stamps) & set(replace(design, side=32).stamps())


def test_photos_that_cannot_be_used_are_left_out_and_told(photo_folder, tmp_path):
    for path in photo_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Image.new('RGB', (300, 40)).save(tmp_path / 'small.png')
    (tmp_path / 'broken.jpg').write_text('no photo')
    paths = sorted(tmp_path.iterdir())
    counted = []
    found, notes = usable_photos(paths, 64, None, 0, counted.append)
    assert [path.name for path in found] == sorted(path.name for path in photo_folder.iterdir())
    assert notes[0] == '1 photos are smaller than 64 px and were left out'
    assert notes[1].startswith('1 photos could not be read and were left out, the first: ')
    assert len(counted) == 8
    some = [usable_photos(paths, 64, 3, seed)[0] for seed in range(5)]
    assert {len(one) for one in some} == {3}
    assert len({tuple(one) for one in some}) > 1
