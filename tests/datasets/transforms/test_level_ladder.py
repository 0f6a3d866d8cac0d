"""Ladders: the rungs are the levels of one operator at one place, and the photo itself is left alone."""

import cv2
import numpy as np
import pytest

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.datasets.transforms.level_ladder import BLANK_LEVEL, TASTE, LevelLadder
from mmqpt.degradations import OPERATORS, Recipe, Step, apply


@pytest.fixture
def photo():
    """BGR, with detail."""
    ramp = np.linspace(0, 200, 90 * 120).reshape(90, 120, 1)
    noise = np.random.default_rng(0).normal(0, 20, (90, 120, 3))
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def draw(photo, seed=0, **options):
    options = {'crop': 32, 'view': {'min_side': 32}, **options}
    return LevelLadder(**options)({'img': photo, 'rng': np.random.default_rng(seed)})


def only(name):
    return {'leave_out': [other for other in OPERATORS if other != name]}


@pytest.mark.parametrize('name', ['gaussian_blur', 'white_noise', 'jpeg', 'pixelate'])
def test_rungs_are_the_levels_of_one_operator_at_one_place(name, photo):
    found = draw(photo, rungs=6, **only(name))
    assert found['ladder_levels'].tolist() == [0, 1, 2, 3, 4, 5]
    assert found['ladder_operator'] == name
    crop = found['ladder'][0]
    windows = np.lib.stride_tricks.sliding_window_view(photo, (32, 32, 3))[:, :, 0]
    ((top, left),) = np.argwhere((windows == crop).all(axis=(2, 3, 4)))
    rng = np.random.default_rng(0)
    rng.integers(0, 90 - 31), rng.integers(0, 120 - 31), rng.integers(1), rng.choice((1,))
    seed = int(rng.integers(0, 2**62))
    for level, rung in enumerate(found['ladder'][1:], 1):
        whole = apply(Recipe((Step(name, level, 1, seed),)), photo[:, :, ::-1])
        np.testing.assert_array_equal(rung, whole[top : top + 32, left : left + 32, ::-1])
    difference = np.abs(found['ladder'].astype(float) - crop).mean(axis=(1, 2, 3))
    assert (np.diff(difference) > 0).all()


def test_the_photo_stays_and_draws_differ(photo):
    before = photo.copy()
    found = [draw(photo, seed) for seed in range(40)]
    np.testing.assert_array_equal(photo, before)
    assert all(x['img'] is photo for x in found)
    assert all(x['ladder'].shape == (2, 32, 32, 3) and x['ladder'].dtype == np.uint8 for x in found)
    assert all(x['ladder_levels'][0] < x['ladder_levels'][1] for x in found)
    assert len({x['ladder_operator'] for x in found}) > 15
    assert not {x['ladder_operator'] for x in found} & set(TASTE)
    assert len({x['ladder'].tobytes() for x in found}) == 40


def test_size_rule_comes_first(photo):
    found = draw(photo, crop=16, view={'min_side': 16, 'max_side': 60}, rungs=6)
    small = View(16, 60).resize_photo(photo)
    assert small.shape == (45, 60, 3)
    windows = np.lib.stride_tricks.sliding_window_view(small, (16, 16, 3))[:, :, 0]
    assert (windows == found['ladder'][0]).all(axis=(2, 3, 4)).any()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'crop': 0}, 'crop must be >= 1 px, got 0'),
        ({'rungs': 1}, 'rungs must be from 2 to 6, got 1'),
        ({'rungs': 7}, 'rungs must be from 2 to 6, got 7'),
        ({'leave_out': ['blurr']}, "leave_out: unknown operator 'blurr'"),
        ({'leave_out': list(OPERATORS)}, 'leave_out names all operators'),
        ({'crop': 64}, r'crop is 64 px, more than min_side \(32 px\) of the view'),
    ],
)
def test_bad_arguments(options, message, photo):
    with pytest.raises(InputError, match=message):
        draw(photo, **options)


def test_left_out_operators_exist():
    assert set(TASTE) <= set(OPERATORS)


def test_much_of_what_is_a_matter_of_taste_harms(photos):
    ladder = LevelLadder(
        48, view={'min_side': 48}, leave_out=[name for name in OPERATORS if name != 'jpeg'], from_level={'sharpen': 3}
    )
    assert ladder.operators == ['sharpen', 'jpeg']
    levels = {'sharpen': set(), 'jpeg': set()}
    for seed in range(60):
        found = ladder({'img': photos[0], 'rng': np.random.default_rng(seed)})
        levels[found['ladder_operator']] |= set(found['ladder_levels'].tolist())
    assert levels == {'sharpen': {0, 3, 4, 5}, 'jpeg': {0, 1, 2, 3, 4, 5}}


def test_frames_without_a_picture_are_the_worst_rung(photos):
    without = LevelLadder(48, view={'min_side': 48})({'img': photos[0], 'rng': np.random.default_rng(4)})
    found = LevelLadder(48, view={'min_side': 48}, blank=1)({'img': photos[0], 'rng': np.random.default_rng(4)})
    np.testing.assert_array_equal(found['ladder'][0], without['ladder'][0])
    assert found['ladder_levels'].tolist() == [without['ladder_levels'][0], BLANK_LEVEL]
    counts = [
        LevelLadder(48, view={'min_side': 48}, blank=0.3)({'img': photos[0], 'rng': np.random.default_rng(seed)})[
            'ladder_levels'
        ][-1]
        for seed in range(200)
    ]
    assert 0.2 < np.mean(np.array(counts) == BLANK_LEVEL) < 0.4


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'blank': 1.5}, 'blank must be a share from 0 to 1, got 1.5'),
        ({'from_level': {'x': 1}}, "from_level: unknown operator 'x'"),
        ({'from_level': {'sharpen': 0}}, 'from_level of sharpen must be a level from 1 to 5'),
        ({'from_level': {'sharpen': 5}, 'rungs': 3}, 'from_level of sharpen must be a level from 1 to 4'),
    ],
)
def test_bad_values_of_further_rungs(options, message):
    with pytest.raises(InputError, match=message):
        LevelLadder(48, **options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'shrink': 0}, 'shrink must be a factor over 0 and up to 1, got 0'),
        ({'shrink': 1.5}, 'shrink must be a factor over 0 and up to 1, got 1.5'),
        ({'weights': {'blur': 2}}, "weights: unknown operator 'blur'"),
        ({'weights': {'jpeg': 0}}, 'weights must be > 0 and finite, got 0 of jpeg'),
        ({'weights': {'jpeg': np.inf}}, 'weights must be > 0 and finite, got inf of jpeg'),
        ({'weights': {'jpeg': 2}, 'leave_out': ['jpeg']}, 'weights names jpeg, which leave_out keeps out'),
    ],
)
def test_bad_values_of_reductions_and_weights(options, message):
    with pytest.raises(InputError, match=message):
        LevelLadder(crop=32, **options)


def test_weights_set_how_often_an_operator_is_drawn(photo):
    kept = {'leave_out': [other for other in OPERATORS if other not in ('jpeg', 'white_noise')]}
    ladder = LevelLadder(32, view={'min_side': 32}, weights={'jpeg': 4}, **kept)
    rng = np.random.default_rng(0)
    drawn = [ladder({'img': photo, 'rng': rng})['ladder_operator'] for _ in range(500)]
    assert drawn.count('jpeg') / 500 == pytest.approx(0.8, abs=0.06)


def test_reduced_photos_have_no_traces_of_their_compression():
    """8 px blocks of a strongly compressed photo: steps across their borders stand out, and not once it is reduced."""

    def blockiness(rungs):
        steps = np.abs(np.diff(rungs[0].astype(float), axis=1)).mean(axis=(0, 2))
        phases = [steps[phase::8].mean() for phase in range(8)]
        return max(phases) / np.median(phases)

    ramp = np.tile(np.linspace(0, 255, 512), (512, 1))[:, :, None].repeat(3, axis=2)
    detail = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 120, ramp.shape), (0, 0), 3)
    _, jpeg = cv2.imencode('.jpg', np.clip(ramp + detail, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 10])
    photo = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    view = {'min_side': 320, 'max_side': 512}

    def mildest(shrink):
        ladder = LevelLadder(160, view=view, shrink=shrink, **only('white_noise'))
        found = [ladder({'img': photo, 'rng': np.random.default_rng(seed)}) for seed in range(30)]
        return [x['ladder'] for x in found if x['ladder_levels'][0] == 0]

    mild = mildest(1.0), mildest(0.4)
    assert min(map(len, mild)) >= 2
    assert np.median([blockiness(x) for x in mild[0]]) > 1.5
    assert np.median([blockiness(x) for x in mild[1]]) < 1.3
    assert {rungs.shape for rungs in mild[1]} == {(2, 160, 160, 3)}


def test_a_photo_is_never_reduced_below_the_crop(photo):
    found = draw(photo, crop=64, view={'min_side': 64}, shrink=0.1)
    assert found['ladder'].shape == (2, 64, 64, 3)


def test_rungs_of_a_very_long_photo_have_the_size_of_others():
    strip = np.random.default_rng(0).integers(0, 256, (40, 800, 3), dtype=np.uint8)
    view = {'min_side': 32, 'max_side': 320}
    found = draw(strip, rungs=3, view=view, **only('gaussian_blur'))['ladder']
    assert found.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(found[:, 16:], found[:, 15::-1])  # 16 px are left of 40
