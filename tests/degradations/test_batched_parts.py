"""What the batched operators are made of: random numbers, filters, resizing, the cosine transform of JPEG."""

from io import BytesIO

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from mmqpt.degradations._random import _UNIT, generator, normal_field, raw_bytes
from mmqpt.degradations._random import whole_numbers as cpu_whole_numbers
from mmqpt.degradations.batched import _stream, _tensors, compression, detail, resampling

CPU = torch.device('cpu')
SEEDS = [0, 1, 12345, 2**63 - 1]


@pytest.fixture
def images(photos):
    return torch.from_numpy(np.stack([photo[30:121, 50:171] for photo in photos])).permute(0, 3, 1, 2)


@pytest.mark.parametrize('count', [1, 7, 8, 9, 1000, 30001])
@pytest.mark.parametrize('draw', [_stream.random_bytes, _stream.jump_bytes])
def test_bytes_are_those_of_the_cpu_engine(draw, count):
    drawn = draw(SEEDS, count, CPU)
    assert drawn.dtype == torch.uint8
    for row, seed in zip(drawn, SEEDS, strict=True):
        np.testing.assert_array_equal(row.numpy(), raw_bytes(generator(seed), count))


@pytest.mark.parametrize(('rows', 'values'), [(1, 1), (5, 3), (100, 600), (200, 1152), (3, 40000)])
def test_normal_values_are_those_of_the_cpu_engine(rows, values):
    sums = _stream.normal_sums(SEEDS, rows, values, False, CPU).view(-1, rows, values)
    for found, seed in zip(sums, SEEDS, strict=True):
        expected = normal_field(generator(seed), (rows, values), 3.0)
        np.testing.assert_allclose(found.numpy() * (3.0 / _UNIT), expected, rtol=1e-6)


def test_whole_numbers_are_those_of_the_cpu_engine():
    found = _stream.whole_numbers(5, 100, 7, 1000, 256)
    assert found.tolist() == cpu_whole_numbers(generator(5), 100, 7, 1000, 256)


def test_upper_half_of_a_product_of_64_bits():
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 2**64, (2, 1000), dtype=np.uint64)
    found = _stream._high_product(*(torch.from_numpy(part.view(np.int64)) for part in (one, two)))
    expected = [int(a) * int(b) >> 64 for a, b in zip(one, two, strict=True)]
    assert [number % 2**64 for number in found.tolist()] == expected


@pytest.mark.parametrize('count', [1, 2, 3, 10])
def test_mirror_is_reflect_101(count):
    places = torch.arange(-25, 26)
    expected = [cv2.borderInterpolate(int(place), count, cv2.BORDER_REFLECT_101) for place in places]
    assert _tensors.mirrored(places, count).tolist() == expected


def test_padding_is_that_of_opencv(images):
    expected = cv2.copyMakeBorder(images[0, 0].numpy(), 7, 7, 200, 200, cv2.BORDER_REFLECT_101)
    for values in (images, images.float()):
        np.testing.assert_array_equal(_tensors.pad(values, 7, 200)[0, 0].numpy(), expected)


def test_colours_are_those_of_opencv(images):
    rgb = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy().reshape(1, -1, 3))
    for ours, code in ((_tensors.luma, cv2.COLOR_RGB2GRAY), (_tensors.to_ycrcb, cv2.COLOR_RGB2YCrCb)):
        expected = cv2.cvtColor(rgb, code).reshape(-1)
        np.testing.assert_array_equal(ours(images).permute(0, 2, 3, 1).reshape(-1).numpy(), expected)
    expected = cv2.cvtColor(rgb, cv2.COLOR_YCrCb2RGB).reshape(-1)
    np.testing.assert_array_equal(_tensors.from_ycrcb(images).permute(0, 2, 3, 1).reshape(-1).numpy(), expected)


def test_every_photo_has_its_own_kernel(images):
    rng = np.random.default_rng(0)
    kernels = [rng.random(size) for size in ((3, 5), (1, 1), (7, 3))]
    stacked = _tensors.stack_kernels(kernels, images)
    done = _tensors.correlate(_tensors.pad(images.float(), 3, 2), stacked)
    for image, kernel, out in zip(images, kernels, done, strict=True):
        expected = cv2.filter2D(image[1].numpy(), cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
        np.testing.assert_allclose(out[1].numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize('side', [1, 3, 31, 501])
def test_box_sums(images, side):
    reach = side // 2
    wide = cv2.copyMakeBorder(images[0, 2].numpy(), reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    total = np.pad(wide.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    expected = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    np.testing.assert_array_equal(_tensors.box_sums(images, side)[0, 2].numpy(), expected)


@pytest.mark.parametrize('side', [3, 5])
def test_median(images, side):
    found = detail._median(images, side)
    windows = np.lib.stride_tricks.sliding_window_view(images.numpy(), (side, side), axis=(2, 3))
    np.testing.assert_array_equal(found.numpy(), np.median(windows, axis=(4, 5)))


@pytest.mark.parametrize(('source', 'target'), [(121, 60), (60, 121), (91, 30), (7, 1), (1, 9), (40, 40)])
@pytest.mark.parametrize(
    ('weights', 'code'), [(resampling.cubic, cv2.INTER_CUBIC), (resampling.lanczos, cv2.INTER_LANCZOS4)]
)
def test_weights_are_those_of_opencv(weights, code, source, target):
    line = np.random.default_rng(0).random((source, 1)).astype(np.float32)
    expected = cv2.resize(line, (1, target), interpolation=code)
    np.testing.assert_allclose(weights(source, target) @ line, expected, atol=3e-3)  # Lanczos weights have 11 bits


@pytest.mark.parametrize(('source', 'target'), [(121, 60), (120, 60), (91, 30), (7, 1), (384, 256)])
def test_area_weights_cover_every_pixel_evenly(source, target):
    weights = resampling.area(source, target)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=2e-5)
    np.testing.assert_allclose(weights.sum(0), target / source, rtol=2e-5)


def test_the_transform_of_jpeg_is_a_cosine_transform():
    block = np.random.default_rng(0).integers(-128, 128, (8, 8))
    found = compression._DCT @ block @ compression._DCT.T / 2.0**26  # 8 times an orthonormal transform
    np.testing.assert_allclose(found, 8 * dctn(block, norm='ortho'), atol=0.5)


@pytest.mark.parametrize('quality', [1, 7, 49, 50, 90, 100])
def test_quantiser_is_that_of_libjpeg(quality):
    file = BytesIO()
    Image.new('RGB', (8, 8)).save(file, 'JPEG', quality=quality)
    tables = Image.open(file).quantization
    for number, table in enumerate((compression._LUMA, compression._CHROMA)):
        assert compression.quantiser(table, quality).ravel().tolist() == list(tables[number])
