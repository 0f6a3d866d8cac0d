"""Spaces with a name."""

from collections import Counter

import numpy as np
import pytest
from mmengine.config import Config
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.degradations import KADID, KINDS, LEVELS, OPERATORS, PRESETS, DegradationSpace, apply


@pytest.mark.parametrize(('name', 'target'), KADID.items())
def test_each_distortion_of_kadid_has_a_row(name, target):
    row = OPERATORS[target[0]]
    assert target[1] in row.signs
    assert f': {name}' in row.source or f', {name}' in row.source


def test_kadid_is_complete():
    assert len(set(KADID.values())) == len(KADID) == 25


def test_qpt_paper_has_nine_options_a_kind(rng):
    space = DegradationSpace.preset('qpt-paper')
    assert space.count_options() == dict.fromkeys(KINDS, 9)
    assert space.paths() == 4888**2
    assert space.size() == 23_007_997
    drawn = Counter((s.operator, s.level, s.sign) for _ in range(3000) for s in space.draw(rng).steps)
    for kind in KINDS:
        counts = [drawn[option] for option in space.options if OPERATORS[option[0]].kind == kind]
        assert stats.chisquare(counts).pvalue > 1e-3


def test_large_is_the_default():
    assert repr(DegradationSpace.preset('large')) == repr(DegradationSpace()) == repr(DegradationSpace.from_config())
    assert DegradationSpace().size() >= 10**10


def test_large_is_all_that_shows_on_every_patch():
    names = {option[0] for option in DegradationSpace().options}
    assert set(OPERATORS) - names == {'lost_blocks', 'colour_blocks'}
    assert {option[0] for option in DegradationSpace(extra=['lost_blocks']).options} == names | {'lost_blocks'}


STAGES = {
    'light': 'exposure contrast haze',
    'optics': 'defocus_blur motion_blur gaussian_blur anisotropic_blur',
    'sensor': 'sensor_noise white_noise grain chroma_blotches',
    'processing': 'denoise over_smoothing smear sharpen',
    'resampling': 'resample_area resample_bilinear resample_bicubic resample_lanczos',
    'codec': 'jpeg webp avif',
}


def test_camera_goes_through_its_stages_in_order(rng):
    space = DegradationSpace.preset('camera')
    stage_of = {name: stage for stage, names in enumerate(STAGES.values()) for name in names.split()}
    assert space.groups == tuple(STAGES)
    assert {option[0] for option in space.options} == set(stage_of)
    drawn = [space.draw(rng) for _ in range(6000)]
    for recipe in drawn:
        stages = [stage_of[step.operator] for step in recipe.steps]
        assert stages == sorted(set(stages))
    counts = Counter(stage_of[step.operator] for recipe in drawn for step in recipe.steps)
    for stage in range(6):
        assert stats.binomtest(counts[stage], 6000, 0.5).pvalue > 1e-3
    levels = Counter(step.level for recipe in drawn for step in recipe.steps)
    expected = np.array([5, 4, 2, 1, 0.5]) / 12.5 * levels.total()
    assert stats.chisquare([levels[level] for level in LEVELS], expected).pvalue > 1e-3


def test_camera_by_night_darkens_and_is_noisy(rng):
    space = DegradationSpace.preset('camera-lowlight')
    assert space.groups == ('light', 'optics', 'sensor', 'white balance', 'processing', 'resampling', 'codec')
    drawn = [space.draw(rng) for _ in range(2000)]
    light = [(step.operator, step.sign) for recipe in drawn for step in recipe.steps if step.operator in LIGHT]
    assert set(light) == {('exposure', -1), ('midtones', -1), ('contrast', -1)}
    noisy = [recipe for recipe in drawn if any(step.operator in NOISE for step in recipe.steps)]
    assert stats.binomtest(len(light), 2000, 0.8).pvalue > 1e-3
    assert stats.binomtest(len(noisy), 2000, 0.8).pvalue > 1e-3


LIGHT = ('exposure', 'midtones', 'contrast', 'brightness', 'haze')
NOISE = ('sensor_noise', 'colour_noise', 'chroma_blotches', 'line_noise')


def test_camera_is_milder_than_large(photos):
    """In the mean squared error of a degraded photo, median of 60 recipes each."""

    def median_error(name):
        space, rng = DegradationSpace.preset(name), np.random.default_rng(1)
        errors = []
        for number in range(60):
            photo = photos[number % len(photos)]
            errors.append(float(np.square(apply(space.draw(rng), photo).astype(float) - photo).mean()))
        return float(np.median(errors))

    assert 1.5 * median_error('camera') < median_error('large')


def test_kadid_is_one_of_its_distortions_at_any_level(rng):
    space = DegradationSpace.preset('kadid')
    assert space.size() == space.paths() == 125
    recipes = [space.draw(rng) for _ in range(5000)]
    assert {len(recipe.steps) for recipe in recipes} == {1}
    drawn = Counter(recipe.key for recipe in recipes)
    everything = [((name, sign, level),) for name, sign in KADID.values() for level in LEVELS]
    assert set(drawn) == set(everything)
    assert stats.chisquare([drawn[key] for key in everything]).pvalue > 1e-3


def test_single_is_any_operator_at_any_level(rng):
    space = DegradationSpace.preset('single')
    assert space.size() == space.paths() == sum(5 * len(row.signs) for row in OPERATORS.values())
    assert {len(space.draw(rng).steps) for _ in range(300)} == {1}


@pytest.mark.parametrize('name', PRESETS)
def test_config_names_a_preset(name, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(f"pairs = dict(space=dict(preset='{name}', order=2), patch_size=32)\n")
    pairs = PatchPairs(**Config.fromfile(path).pairs)
    assert repr(pairs.space) == repr(DegradationSpace.preset(name, order=2))


def test_preset_that_is_not_there():
    with pytest.raises(
        InputError, match=r"unknown preset 'small'; there are: qpt-paper, large, camera, camera-lowlight, kadid"
    ):
        DegradationSpace.preset('small')
    with pytest.raises(InputError, match='unknown preset'):
        PatchPairs(space={'preset': None})


def test_preset_whose_operators_are_changed():
    with pytest.raises(InputError, match='options already name operators and levels'):
        DegradationSpace.preset('qpt-paper', levels=(3,))
    assert DegradationSpace.preset('single', operators=['jpeg']).size() == 5
