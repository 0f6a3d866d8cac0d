import cv2
import numpy as np
import pytest
import scipy.ndimage

from mmqpt.degradations import colour

LUMA = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def image(photos) -> np.ndarray:
    return np.ascontiguousarray(photos[1][100:260, 150:350])


def test_no_saturation_in_lab_is_grey_of_the_same_lightness(image):
    grey = colour.saturation_lab(image, 0)
    assert np.ptp(grey, axis=2).max() <= 1
    lightness = [cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)[..., 0].astype(int) for photo in (image, grey)]
    assert np.abs(lightness[0] - lightness[1]).max() <= 2


def test_tint_is_magenta_or_green():
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert colour.tint(grey, 0.2)[0, 0].tolist() == [110, 80, 110]
    assert colour.tint(grey, -0.2)[0, 0].tolist() == [90, 120, 90]


def test_cast_has_no_luma():
    grey = np.full((2, 2, 3), 128, np.uint8)
    casts = np.array([colour.colour_cast(grey, 20, seed)[0, 0] for seed in range(50)], float) - 128
    assert np.abs(casts @ LUMA).max() < 1
    cr, cb = casts[:, 0] / 1.402, casts[:, 2] / 1.772
    assert np.hypot(cr, cb) == pytest.approx(np.full(50, 20), abs=0.6)
    assert np.abs([cr.mean(), cb.mean()]).max() < 6


def test_fade_ends_on_yellowed_paper():
    image = np.array([[[0, 0, 0], [200, 30, 60]]], np.uint8)
    dark, red = colour.fade(image, 0.4)[0].astype(float)
    assert dark == pytest.approx(0.2 * np.array([205, 190, 160]), abs=1)
    assert np.ptp(red) < np.ptp(image[0, 1].astype(float))


def test_whole_channel_shift_moves_red_and_blue_apart(image):
    out = colour.channel_shift(image, 3, 0)
    np.testing.assert_array_equal(out[..., 1], image[..., 1])
    centre = slice(20, -20)

    def offset(channel):
        best = min(
            ((dy, dx) for dy in range(-4, 5) for dx in range(-4, 5)),
            key=lambda at: np.abs(np.roll(image[..., channel].astype(float), at, (0, 1)) - out[..., channel])[
                centre, centre
            ].mean(),
        )
        return np.array(best)

    red, blue = offset(0), offset(2)
    assert np.abs(red + blue).max() <= 1
    assert np.hypot(*red) == pytest.approx(3, abs=0.75)


def test_chromatic_aberration_grows_from_the_centre():
    dots = np.zeros((101, 101, 3), np.uint8)
    dots[50, [50, 70, 90]] = 255
    out = colour.chromatic_aberration(dots, 7.0711)
    assert out[50, 50].tolist() == [255, 255, 255]
    for x, shift in ((70, 2), (90, 4)):
        assert out[50, x + shift - 1 : x + shift + 2, 0].argmax() == 1
        assert out[50, x - shift - 1 : x - shift + 2, 2].argmax() == 1
        assert out[50, x, 1] == 255


def test_blotches_keep_luma_and_are_smooth():
    grey = np.full((300, 400, 3), 128, np.uint8)
    added = colour.chroma_blotches(grey, 12, 0).astype(float) - 128
    assert np.abs(added @ LUMA).max() < 1
    assert np.abs(np.diff(added, axis=1)).max() <= 4
    assert 5 < (added[..., 0] / 1.402).std() < 12


def test_diffusion_is_a_blur_of_chroma_alone(image):
    before, after = (
        cv2.cvtColor(photo, cv2.COLOR_RGB2YCrCb).astype(float) for photo in (image, colour.colour_diffusion(image, 8))
    )
    expected = before[..., 1:]
    for _ in range(3):
        expected = scipy.ndimage.uniform_filter(expected, (17, 17, 0), mode='mirror')
    inside = ((colour.colour_diffusion(image, 8) > 0) & (colour.colour_diffusion(image, 8) < 255)).all(2)
    assert np.abs(after[..., 0] - before[..., 0])[inside].max() <= 2
    assert np.abs(after[..., 1:] - expected)[inside].max() <= 3


@pytest.mark.parametrize('colours', [10, 64])
def test_palette_has_at_most_that_many_colours(image, colours):
    found = len(np.unique(colour.palette(image, colours).reshape(-1, 3), axis=0))
    assert colours / 2 <= found <= colours
