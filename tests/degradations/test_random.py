import cv2
import numpy as np
import pytest
import scipy.stats

from mmqpt.degradations._random import LARGEST_NORMAL, ByteRows, NormalRows, generator, normal_field, whole_numbers
from mmqpt.degradations.frame import Frame, Region


@pytest.fixture(scope='module')
def field() -> np.ndarray:
    return normal_field(3, Frame.sized(384, 512), 1, 1.0)


def test_a_row_of_bytes_begins_at_a_word_of_the_bit_generator():
    words = np.random.PCG64(5).random_raw(6).tolist()
    rows = [b''.join(word.to_bytes(8, 'little') for word in words[start : start + 2]) for start in (0, 2, 4)]
    assert [row.tobytes() for row in ByteRows(5, Frame.sized(3, 11), 1).read(3)] == rows
    below = Frame(3, 11, Region(1, 4, 3, 9), Region(2, 4, 3, 9))
    reader = ByteRows(5, below, 1)
    assert [reader.read(1).tobytes(), reader.read(1).tobytes()] == rows[1:]


@pytest.mark.parametrize('channels', [1, 2, 3])
def test_noise_of_a_region_is_that_of_the_photo_there(channels):
    whole = normal_field(9, Frame.sized(90, 200), channels, 5.0)
    assert whole.shape == ((90, 200, channels) if channels > 1 else (90, 200))
    region = Region(17, 31, 88, 200)
    part = normal_field(9, Frame(90, 200, region, region), channels, 5.0)
    np.testing.assert_array_equal(part, region.cut(whole, Region(0, 0, 90, 200)))
    rows = NormalRows(9, Frame(90, 200, region, region), channels)
    np.testing.assert_array_equal(np.concatenate([rows.read(count, 5.0) for count in (1, 40, 30)]), part)


def test_no_value_is_larger_than_the_bound():
    assert normal_field(0, Frame.sized(2000, 2000), 1, 1.0).max() < LARGEST_NORMAL


def test_field_is_normal(field):
    assert field.mean() == pytest.approx(0, abs=0.01)
    assert field.std() == pytest.approx(1, abs=0.01)
    assert scipy.stats.skew(field, axis=None) == pytest.approx(0, abs=0.03)
    assert scipy.stats.kurtosis(field, axis=None) == pytest.approx(0, abs=0.05)
    assert np.abs(field).max() > 3.8
    assert scipy.stats.kstest(field.ravel(), 'norm').statistic < 0.004


def test_field_is_white(field):
    spectrum = np.abs(np.fft.fft2(field)) ** 2 / field.size
    correlation = np.fft.ifft2(spectrum).real
    correlation[0, 0] = 0
    assert np.abs(correlation).max() < 5.5 / np.sqrt(field.size)
    bands = spectrum.reshape(24, 16, 32, 16).mean((1, 3))
    assert bands == pytest.approx(np.ones_like(bands), abs=0.35)


def test_fields_of_two_seeds_have_nothing_in_common(field):
    other = normal_field(4, Frame.sized(*field.shape), 1, 1.0)
    shared = np.fft.ifft2(np.fft.fft2(field) * np.fft.fft2(other).conj()).real / field.size
    assert np.abs(shared).max() < 5.5 / np.sqrt(field.size)


def test_channels_and_strips_are_independent():
    noise = normal_field(0, Frame.sized(200, 300), 3, 1.0)
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert correlation == pytest.approx(np.eye(3), abs=0.02)


def test_two_rows_of_one_draw_are_as_good_as_independent(field):
    """The second is the difference where the first is the sum."""
    upper, lower = field[::2].ravel(), field[1::2].ravel()
    assert np.corrcoef(upper, lower)[0, 1] == pytest.approx(0, abs=0.012)
    assert np.corrcoef(upper**2, lower**2)[0, 1] == pytest.approx(-0.009, abs=0.012)
    assert scipy.stats.kstest((upper + lower) / 2**0.5, 'norm').statistic < 0.006


@pytest.mark.parametrize('top', [16, 17])
def test_rows_read_one_by_one_are_those_read_at_once(top):
    region = Region(top, 3, 40, 30)
    frame = Frame(41, 32, region, region)
    rows = NormalRows(2, frame, 3)
    one_by_one = np.concatenate([rows.read(1, 4.0) for _ in range(region.height)])
    np.testing.assert_array_equal(one_by_one, normal_field(2, frame, 3, 4.0))


def test_integers_are_the_rounded_field():
    exact = normal_field(1, Frame.sized(40, 50), 3, 7.0, mean=2.0)
    rounded = normal_field(1, Frame.sized(40, 50), 3, 7.0, mean=2.0, depth=cv2.CV_16S)
    assert rounded.dtype == np.int16
    assert np.abs(rounded - exact).max() <= 0.51


def test_more_whole_numbers_begin_with_the_same():
    few, many = (whole_numbers(generator(0), count, 4, 1, 100) for count in (5, 500))
    np.testing.assert_array_equal(many[:5], few)
    assert np.max(many, axis=0).tolist() == [3, 0, 99]
    assert np.min(many, axis=0).tolist() == [0, 0, 0]
