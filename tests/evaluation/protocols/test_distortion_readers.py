"""Readers of distortions: against a regression of scikit-learn, what they find in known features, and no leaks."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from mmqpt.core.errors import InputError
from mmqpt.degradations import LEVELS
from mmqpt.evaluation.protocols import distortion_readers
from mmqpt.evaluation.protocols.distortion_readers import ordered_pairs, read_distortions
from mmqpt.evaluation.protocols.distortions import CLEAN, RUNGS, Design, assign, find_distortions
from mmqpt.evaluation.protocols.folds import draw_folds
from mmqpt.evaluation.protocols.linear_probe import FLOOR
from mmqpt.evaluation.statistics.correlation import srcc

KINDS = ('gaussian_blur', 'white_noise', 'jpeg', 'quantise')


@pytest.fixture
def design():
    names = [f'{i}.jpg' for i in range(36)]
    groups = [f'g{i // 2}' for i in range(36)]
    folds = draw_folds(groups, 4)
    distortions = find_distortions(KINDS)
    return Design(Path(), names, groups, folds, distortions, assign(folds, len(KINDS), 2), 64)


@pytest.fixture
def features(design, rng):
    """Photos differ at random; every distortion moves along a direction of its own, by its level, with noise."""
    photo, kind, level = design.images.T
    directions = np.where(kind[:, None] == CLEAN, 0, np.eye(len(KINDS), 12)[kind])
    photos = np.concatenate([np.zeros((36, 4)), rng.normal(size=(36, 8))], axis=1)
    noise = 0.3 * rng.normal(size=(len(level), 12))
    return (photos[photo] + level[:, None] * directions + noise).astype(np.float32)


def test_what_is_in_the_features_is_read(design, features):
    counted = []
    found = read_distortions(features, design, counted.append)
    _, kind, level = design.images.T
    assert counted == [1] * 4
    assert srcc(found.level, level) > 0.9
    assert (found.kind[kind == CLEAN] == CLEAN).all()
    assert np.mean(found.kind == kind) > 0.95
    assert srcc(found.level_each.ravel(), np.tile(RUNGS, len(design.ladders))) > 0.95
    assert ordered_pairs(found.position).mean() > 0.95
    assert (found.position[:, 0] == 0).all()


def test_nothing_is_read_where_there_is_nothing(design, rng):
    """A photo's own features at all levels, in all distortions, and noise."""
    photo, kind, level = design.images.T
    blind = rng.normal(size=(36, 12))[photo] + 0.3 * rng.normal(size=(len(photo), 12))
    found = read_distortions(blind, design)
    assert abs(srcc(found.level, level)) < 0.15
    assert abs(np.mean(found.kind[kind != CLEAN] == kind[kind != CLEAN]) - 1 / len(KINDS)) < 0.1
    assert abs(ordered_pairs(found.position).mean() - 0.5) < 0.1


def test_the_level_reader_is_weighted_ridge_regression(design, features, monkeypatch):
    """Photos at level 0 counted once for each of their distortions, as if their rows stood there twice."""
    monkeypatch.setattr(distortion_readers, 'PENALTIES', (7.0,))
    found = read_distortions(features, design)
    rows = design.rungs.ravel()
    fold = design.folds[design.images[:, 0]]
    x, level = features.astype(float), design.images[:, 2]
    for test in range(4):
        train = rows[fold[rows] != test]
        spread = x[train].std(axis=0)
        spread = np.maximum(spread, FLOOR * np.sqrt((spread**2).mean()))
        model = Ridge(alpha=7.0).fit((x[train] - x[train].mean(axis=0)) / spread, level[train])
        expected = model.predict((x[fold == test] - x[train].mean(axis=0)) / spread)
        np.testing.assert_allclose(found.level[fold == test], expected, atol=1e-8)


def test_the_type_reader_is_ridge_regression_to_indicators(design, features, monkeypatch):
    monkeypatch.setattr(distortion_readers, 'PENALTIES', (7.0,))
    found = read_distortions(features, design)
    photo, kind, level = design.images.T
    x, fold, shown = features.astype(float), design.folds[photo], level > 0
    for test in range(4):
        train, here = (fold != test) & shown, (fold == test) & shown
        spread = x[train].std(axis=0)
        spread = np.maximum(spread, FLOOR * np.sqrt((spread**2).mean()))
        model = Ridge(alpha=7.0).fit((x[train] - x[train].mean(axis=0)) / spread, np.eye(len(KINDS))[kind[train]])
        expected = model.predict((x[here] - x[train].mean(axis=0)) / spread).argmax(axis=1)
        np.testing.assert_array_equal(found.kind[here], expected)


def test_positions_are_along_the_mean_difference_of_other_photos(design, features):
    found = read_distortions(features, design)
    number = 5
    photo, kind = design.ladders[number]
    others = (design.ladders[:, 1] == kind) & (design.folds[design.ladders[:, 0]] != design.folds[photo])
    rows = design.rungs[design.folds[design.ladders[:, 0]] != design.folds[photo]].ravel()
    spread = features[rows].astype(float).std(axis=0)
    x = features / np.maximum(spread, FLOOR * np.sqrt((spread**2).mean()))
    direction = (x[design.rungs[others, 5]] - x[design.rungs[others, 0]]).mean(axis=0)
    expected = (x[design.rungs[number]] - x[design.rungs[number, 0]]) @ direction / np.linalg.norm(direction)
    np.testing.assert_allclose(found.position[number], expected, atol=1e-5)


def test_photos_of_a_fold_do_not_touch_each_others_readings(design, features):
    """A photo's features change: the readings of the other photos in its fold stay."""
    changed = features.copy()
    mine = design.images[:, 0] == 0
    changed[mine] += 5
    others = (design.folds[design.images[:, 0]] == design.folds[0]) & ~mine
    one, two = (read_distortions(x, design) for x in (features, changed))
    np.testing.assert_allclose(one.level[others], two.level[others], atol=1e-6)
    np.testing.assert_array_equal(one.kind[others], two.kind[others])
    assert not np.allclose(one.level[mine], two.level[mine])


def test_ordered_pairs():
    rows = np.array([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [1, 1, 1, 1, 1, 1], [0, 2, 1, 3, 4, 5]], float)
    np.testing.assert_allclose(ordered_pairs(rows), [1, 0, 0.5, 14 / 15])
    assert len(RUNGS) == len(LEVELS) + 1


def test_features_of_other_images(design):
    with pytest.raises(InputError, match=r'396 images need as many rows of features, got shape \(3, 2\)'):
        read_distortions(np.zeros((3, 2)), design)
