"""Order of scores along the levels of a degradation."""

import cv2
import numpy as np
import pytest

from mmqpt.core.errors import InputError
from mmqpt.degradations import OPERATORS
from mmqpt.degradations.blank import BLANK_KINDS
from mmqpt.evaluation.protocols.level_order import blank_scores, level_orders, ordered_shares


def sharpness(photo):
    return float(np.log(1 + np.abs(cv2.Laplacian(photo, cv2.CV_64F)).mean()))


def test_sharpness_knows_blur_and_takes_noise_for_sharpness(photos):
    small = [photo[:120, :160].copy() for photo in photos]
    blur, noise = level_orders(sharpness, small, ['gaussian_blur', 'white_noise'])
    assert (blur.operator, blur.kind, blur.sign) == ('gaussian_blur', OPERATORS['gaussian_blur'].kind, 1)
    assert blur.ordered == blur.below == 1
    assert blur.by_photo == (1.0,) * len(small)
    assert list(blur.drop) == sorted(blur.drop)
    assert noise.ordered == noise.below == 0
    assert max(noise.drop) < 0


def test_both_directions(photos):
    found = list(level_orders(lambda photo: photo.mean(), [photos[0][:60, :60].copy()], ['brightness']))
    assert [(row.sign, row.ordered) for row in found] == [(1, 0.0), (-1, 1.0)]


def test_constant_scores_are_at_chance(photos):
    (row,) = level_orders(lambda photo: 0.5, [photos[0][:60, :60].copy()], ['jpeg'])
    assert row.ordered == 0.5
    assert row.below == 0


def test_ordered_shares():
    assert ordered_shares(np.array([[3.0, 2.0, 1.0]])).mean() == 1
    assert ordered_shares(np.array([[3.0, 1.0, 2.0]])).mean() == pytest.approx(2 / 3)
    assert ordered_shares(np.array([[1.0, 2.0], [2.0, 1.0]])).mean() == 0.5


def test_frames_without_a_picture_by_kind(photos):
    found = blank_scores(lambda frame: frame.mean() / 255, [photo[:60, :60].copy() for photo in photos])
    assert tuple(found) == BLANK_KINDS
    assert all(0 <= low <= high <= 1 for low, high in found.values())
    assert found['black'][1] < 0.05
    assert found['white'][0] > 0.95
    assert blank_scores(sharpness, photos) == blank_scores(sharpness, photos)


def test_bad_input(photos):
    with pytest.raises(InputError, match='no photos to degrade'):
        next(level_orders(sharpness, []))
    with pytest.raises(InputError, match="unknown degradation operator 'rain'"):
        next(level_orders(sharpness, photos, ['rain']))
