"""Flags: what is wrong with a file rather than with its picture."""

import cv2
import numpy as np
import pytest

from mmqpt.core.photo_flags import FLAGS, _lost, fine_detail, photo_flags


def frame(colour, noise=0.0, size=(300, 400)):
    values = np.full((*size, 3), colour, np.float64) + noise * np.random.default_rng(0).normal(size=(*size, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_real_photos_have_none(photos):
    assert [photo_flags(photo) for photo in photos] == [()] * 3


@pytest.mark.parametrize('noise', [0, 2])
@pytest.mark.parametrize('colour', [0, 255, 128, (200, 30, 40)])
def test_frames_without_a_picture(colour, noise):
    found = photo_flags(frame(colour, noise))
    assert 'blank' in found
    assert ('nearly black' in found) == (colour == 0)
    assert ('nearly white' in found) == (colour == 255)
    assert 'upscaled' not in found  # said already


def test_dark_and_bright_photos_are_not_blank(photos):
    assert photo_flags((photos[0] / 12).astype(np.uint8)) == ('nearly black',)
    assert photo_flags((255 - photos[0] / 12).astype(np.uint8)) == ('nearly white',)
    night = frame(0)
    cv2.circle(night, (200, 150), 25, (255, 240, 200), -1)  # the moon
    assert 'blank' not in photo_flags(night)


def test_shape(photos):
    assert photo_flags(photos[0][:95]) == ('tiny', 'extreme aspect')
    assert photo_flags(photos[0][:96, :120]) == ()
    assert photo_flags(np.tile(photos[0], (1, 5, 1))) == ('extreme aspect',)
    assert photo_flags(frame(7, size=(1, 1))) == ('blank', 'nearly black', 'tiny')


@pytest.mark.parametrize('how', [cv2.INTER_CUBIC, cv2.INTER_LINEAR])
@pytest.mark.parametrize('times', [4, 6])
def test_enlarged_thumbnails(photos, times, how):
    for photo in photos:
        height, width = photo.shape[:2]
        small = cv2.resize(photo, (width // times, height // times), interpolation=cv2.INTER_AREA)
        large = cv2.resize(small, (width, height), interpolation=how)
        assert photo_flags(large) == ('upscaled',)
        half = cv2.resize(cv2.resize(photo, None, fx=2 / 3, fy=2 / 3), (width, height), interpolation=how)
        assert photo_flags(half) == ()


def test_detail_does_not_depend_on_contrast(photos):
    luma = photos[1].mean(axis=2).astype(np.float32)
    assert fine_detail(luma / 3 + 50) == pytest.approx(fine_detail(luma), rel=0.02)


@pytest.mark.parametrize('times', [2, 8])
@pytest.mark.parametrize('part', [(400, 448), (403, 453), (100, 97)])
def test_lost_detail_is_what_opencv_says(photos, part, times):
    luma = photos[1][: part[0], : part[1]].mean(axis=2).astype(np.float32)
    height, width = (side // times * times for side in luma.shape)
    luma = luma[:height, :width]
    small = cv2.resize(luma, (width // times, height // times), interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    rim = slice(times, -times)
    assert _lost(luma, times) == pytest.approx(float(np.mean((luma - back)[rim, rim] ** 2)), rel=1e-5)


def test_every_flag_is_explained():
    assert list(FLAGS) == ['blank', 'nearly black', 'nearly white', 'tiny', 'extreme aspect', 'upscaled']
    assert all(FLAGS.values())
