import cv2
import numpy as np
import pytest
import scipy.stats

from mmqpt.degradations._random import generator, normal_field, raw_bytes, whole_numbers


@pytest.fixture(scope='module')
def field() -> np.ndarray:
    return normal_field(generator(3), (384, 512), 1.0)


def test_bytes_are_those_of_the_bit_generator():
    words = np.random.PCG64(5).random_raw(3)
    expected = b''.join(int(word).to_bytes(8, 'little') for word in words)[:21]
    assert raw_bytes(generator(5), 21).tobytes() == expected


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
    other = normal_field(generator(4), field.shape, 1.0)
    shared = np.fft.ifft2(np.fft.fft2(field) * np.fft.fft2(other).conj()).real / field.size
    assert np.abs(shared).max() < 5.5 / np.sqrt(field.size)


def test_channels_and_strips_are_independent():
    noise = normal_field(generator(0), (200, 300, 3), 1.0)
    correlation = np.corrcoef(noise.reshape(-1, 3).T)
    assert correlation == pytest.approx(np.eye(3), abs=0.02)


def test_integers_are_the_rounded_field():
    exact = normal_field(generator(1), (40, 50, 3), 7.0, mean=2.0)
    rounded = normal_field(generator(1), (40, 50, 3), 7.0, mean=2.0, depth=cv2.CV_16S)
    assert rounded.dtype == np.int16
    assert np.abs(rounded - exact).max() <= 0.51


def test_more_whole_numbers_begin_with_the_same():
    few, many = (whole_numbers(generator(0), count, 4, 1, 100) for count in (5, 500))
    np.testing.assert_array_equal(many[:5], few)
    assert np.max(many, axis=0).tolist() == [3, 0, 99]
    assert np.min(many, axis=0).tolist() == [0, 0, 0]
