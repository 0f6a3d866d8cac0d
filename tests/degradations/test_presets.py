"""Spaces with a name."""

from collections import Counter

import pytest
from mmengine.config import Config
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.degradations import KADID, KINDS, LEVELS, OPERATORS, PRESETS, DegradationSpace


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
    with pytest.raises(InputError, match=r"unknown preset 'small'; there are: qpt-paper, large, kadid, single"):
        DegradationSpace.preset('small')
    with pytest.raises(InputError, match='unknown preset'):
        PatchPairs(space={'preset': None})


def test_preset_whose_operators_are_changed():
    with pytest.raises(InputError, match='options already name operators and levels'):
        DegradationSpace.preset('qpt-paper', levels=(3,))
    assert DegradationSpace.preset('single', operators=['jpeg']).size() == 5
