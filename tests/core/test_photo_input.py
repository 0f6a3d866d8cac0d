"""One photo, whatever holds it: the same array, or an error that names it."""

import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch._subclasses.fake_tensor import FakeTensorMode

from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import blend, read_photo
from mmqpt.core.photo_input import prepare_photo
from mmqpt.core.view import View

VIEWS = {
    'within': View(min_side=32, max_side=None),
    'reduced': View(min_side=32, max_side=100),
    'enlarged': View(min_side=400, max_side=700),
}


def encode(image: Image.Image | np.ndarray, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture(params=VIEWS)
def view(request):
    return VIEWS[request.param]


def test_whatever_holds_a_photo_gives_the_same_array(photo_folder, view):
    for path in sorted(photo_folder.iterdir())[:2]:
        pixels = read_photo(path)
        expected = view.resize(pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)[0]
        planes = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
        holders = {
            'path': path,
            'string': str(path),
            'bytes': path.read_bytes(),
            'bytearray': bytearray(path.read_bytes()),
            'image': Image.open(path),
            'loaded image': Image.open(path).convert('RGB'),
            'array': pixels,
            'read-only array': np.asarray(Image.open(path)),
            'reversed array': pixels[::-1].copy()[::-1],
            'opaque': np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
            'sixteen bits': pixels.astype(np.uint16) * 257,
            'tensor': planes,
            'batch of one': planes[None],
        }
        for kind, photo in holders.items():
            out = prepare_photo(photo, view)
            assert out.dtype == (np.uint8 if view == VIEWS['within'] else np.float32), kind
            found = out.astype(np.float32) / 255 if out.dtype == np.uint8 else out
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7, err_msg=kind)
        for floats in (pixels / 255, (pixels / 255).astype(np.float32), planes / 255, planes.double()[None] / 255):
            out = prepare_photo(floats, view)
            assert out.dtype == np.float32
            np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'CMYK', 'LA', '1', 'I;16'])
def test_pillow_images_of_every_mode_follow_the_rules_of_files(photos, mode, view):
    small = Image.fromarray(photos[0][:64, :48])
    image = small.convert('L').convert(mode) if mode in ('I;16', 'LA') else small.convert(mode)
    if mode in ('RGBA', 'LA'):
        image.putalpha(100)
    data = encode(image, 'TIFF' if mode == 'CMYK' else 'PNG')
    expected = prepare_photo(data, view)
    assert np.array_equal(prepare_photo(image, view), expected)
    assert np.array_equal(prepare_photo(Image.open(io.BytesIO(data)), view), expected)


def test_orientation_of_a_pillow_image_is_applied_once(photos, view):
    image = Image.fromarray(photos[2])
    exif = image.getexif()
    exif[0x0112] = 6
    data = encode(image, 'JPEG', exif=exif)
    expected = prepare_photo(data, view)
    if view == VIEWS['within']:
        assert expected.shape == (3, 451, 300)
    opened = Image.open(io.BytesIO(data))
    assert np.array_equal(prepare_photo(opened, view), expected)
    assert np.array_equal(prepare_photo(opened, view), expected)  # the image was not turned
    assert np.array_equal(prepare_photo(ImageOps.exif_transpose(opened), view), expected)


def test_pillow_image_gives_the_frame_it_is_at(photos):
    frames = [Image.fromarray(photo[:40, :50]) for photo in photos[:2]]
    data = encode(frames[0], 'PNG', save_all=True, append_images=frames[1:])
    image = Image.open(io.BytesIO(data))
    image.seek(1)
    out = prepare_photo(image, VIEWS['within'])
    np.testing.assert_array_equal(out.transpose(1, 2, 0), photos[1][:40, :50])
    assert image.tell() == 1


def test_grey_arrays_and_tensors_are_repeated(photos, view):
    grey = photos[0][..., 1]
    expected = prepare_photo(np.stack([grey] * 3, axis=-1), view)
    for photo in (
        grey,
        grey[..., None],
        torch.from_numpy(grey.copy())[None],
        torch.from_numpy(grey.copy())[None, None],
    ):
        assert np.array_equal(prepare_photo(photo, view), expected)
    assert np.array_equal(prepare_photo(encode(grey, 'PNG'), view), expected)


def test_transparent_arrays_are_blended_on_white(photos, rng):
    rgba = np.dstack([photos[0][:64, :48], rng.integers(0, 256, (64, 48), dtype=np.uint8)])
    out = prepare_photo(rgba, VIEWS['within']).transpose(1, 2, 0)
    np.testing.assert_array_equal(out, blend(rgba[..., :3], rgba[..., 3:]))
    np.testing.assert_array_equal(out, read_photo(encode(rgba, 'PNG')))
    floats = prepare_photo(rgba / 255, VIEWS['within']).transpose(1, 2, 0)
    np.testing.assert_allclose(floats * 255, out, atol=0.51)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 3), (1, 4000)])
def test_tiny_and_narrow_photos(size, rng):
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    view = View(min_side=32, max_side=200)
    out = prepare_photo(encode(pixels, 'PNG'), view)
    assert out.shape == (3, *view.target_size(*size))
    assert np.array_equal(out, prepare_photo(pixels, view))


def test_nothing_but_the_decoding_is_done_within_the_bounds(photos):
    pixels = photos[0].copy()
    assert np.shares_memory(prepare_photo(pixels, VIEWS['within']), pixels)
    planes = torch.rand(3, 40, 50)
    assert np.shares_memory(prepare_photo(planes, VIEWS['within']), planes.numpy())


def test_gradients_and_the_given_photo_are_left_alone(photos):
    leaf = torch.rand(1, 3, 40, 50, requires_grad=True)
    assert isinstance(prepare_photo(leaf, VIEWS['reduced']), np.ndarray)
    assert leaf.requires_grad
    pixels = photos[0].copy()
    prepare_photo(pixels, VIEWS['reduced'])
    np.testing.assert_array_equal(pixels, photos[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_cuda_tensor_equals_its_copy_on_the_cpu(photos, view):
    planes = torch.from_numpy(photos[0].transpose(2, 0, 1).copy())
    out = prepare_photo(planes.cuda(), view)
    assert np.array_equal(out, prepare_photo(planes, view))


@pytest.mark.parametrize(
    ('photo', 'message'),
    [
        (np.zeros(5, np.uint8), r'shape \(H, W\), .*, got \(5,\)'),
        (np.zeros((3, 20, 30), np.uint8), r'\(H, W, 3\) RGB or \(H, W, 4\) RGBA, got \(3, 20, 30\)'),
        (np.zeros((1, 20, 30, 3), np.uint8), r'got \(1, 20, 30, 3\)'),
        (np.zeros((20, 30, 2), np.uint8), r'got \(20, 30, 2\)'),
        (np.zeros((0, 30, 3), np.uint8), 'has no pixels'),
        (np.zeros((20, 30), np.int64), 'must hold uint8, uint16, or floats .* got int64'),
        (np.zeros((20, 30), bool), 'got bool'),
        (np.full((20, 30), 2.0), r'floats must be in \[0, 1\] \(divide by 255\?\), got 2 to 2'),
        (np.full((20, 30), -0.01), 'got -0.01 to -0.01'),
        (np.full((20, 30), np.nan), 'got nan to nan'),
        (np.full((20, 30), np.inf), 'got inf'),
        (torch.zeros(20, 30), r'shape \(3, H, W\), .*, got \(20, 30\)'),
        (torch.zeros(20, 30, 3), r'got \(20, 30, 3\)'),
        (torch.zeros(2, 3, 20, 30), r'got \(2, 3, 20, 30\)'),
        (torch.zeros(4, 20, 30), r'got \(4, 20, 30\)'),
        (torch.zeros(3, 0, 30), 'has no pixels'),
        (torch.full((3, 20, 30), 255.0), 'got 255 to 255'),
        (torch.full((1, 3, 20, 30), float('nan')), 'got nan'),
        (torch.zeros(3, 20, 30, dtype=torch.int64), r'must hold uint8, or floats in \[0, 1\], got torch.int64'),
        (Image.fromarray(np.zeros((3, 4), np.float32)), 'floating-point pixels have no stated range'),
        (Image.fromarray(np.zeros((3, 4), np.int32)), 'signed or 32-bit pixels'),
        (Image.new('RGB', (0, 5)), 'has no pixels'),
    ],
)
def test_errors_name_the_photo_and_the_rule(photo, message):
    with pytest.raises(PhotoError, match=f'^upload 3: .*{message}'):
        prepare_photo(photo, VIEWS['within'], name='upload 3')
    with pytest.raises(PhotoError, match=r'^<(array|tensor|image)>: '):
        prepare_photo(photo, VIEWS['within'])


def test_errors_of_files(photos, tmp_path):
    path = tmp_path / 'half.png'
    path.write_bytes(encode(photos[0], 'PNG')[:9000])
    for photo in (path, str(path), Image.open(path)):
        with pytest.raises(PhotoError, match=r'half\.png: damaged or truncated'):
            prepare_photo(photo, VIEWS['within'])
    with pytest.raises(FileNotFoundError, match='no such photo'):
        prepare_photo(tmp_path / 'nowhere.jpg', VIEWS['within'])
    closed = Image.open(io.BytesIO(encode(photos[0], 'PNG')))
    closed.close()
    with pytest.raises(PhotoError, match='<image>: '):
        prepare_photo(closed, VIEWS['within'])


@pytest.mark.parametrize(
    ('kind', 'said'),
    [
        (np.float32, 'floating-point pixels have no stated range'),
        (np.float64, 'floating-point pixels have no stated range'),
        (np.uint32, 'signed or 32-bit pixels have no stated range'),
        (np.int16, 'signed or 32-bit pixels have no stated range'),
    ],
)
@pytest.mark.parametrize('shape', [(20, 30), (20, 30, 3)])
def test_tiffs_without_a_range_are_not_called_damaged(kind, said, shape, tmp_path):
    path = tmp_path / 'float.tif'
    assert cv2.imwrite(str(path), np.ones(shape, kind))
    with pytest.raises(PhotoError, match=rf'float\.tif: {said}; save it with 8 or 16 bits'):
        prepare_photo(path, VIEWS['within'])
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(PhotoError, match='damaged or truncated'):
        prepare_photo(path, VIEWS['within'])


@pytest.mark.parametrize('photo', [None, 3, 0.5, [1, 2], io.BytesIO(b'x')])
def test_what_is_no_photo(photo):
    with pytest.raises(InputError, match='photo must be a path, bytes, a Pillow image, an array or a tensor, got'):
        prepare_photo(photo, VIEWS['within'])


def test_line_that_would_be_enlarged_beyond_the_limit():
    line = np.zeros((1, 200_000, 3), np.uint8)
    with pytest.raises(PhotoError, match=r'scan: refused, 200000x1 would be enlarged to 200000000x1000'):
        prepare_photo(line, View(min_side=1000, max_side=None), name='scan')
    assert prepare_photo(line, View(min_side=1000, max_side=1000)).shape == (3, 1, 1000)


def test_arrays_of_too_many_pixels(monkeypatch):
    monkeypatch.setattr('mmqpt.core.photo_limits.MAX_PIXELS', 100)
    for photo in (np.zeros((10, 11), np.uint8), torch.zeros(3, 10, 11), Image.new('L', (11, 10))):
        with pytest.raises(PhotoError, match='11x10 has more than 100 pixels'):
            prepare_photo(photo, VIEWS['within'])


MEMORY = """
import resource, sys
import numpy as np
from mmqpt.core.photo_input import prepare_photo
from mmqpt.core.view import View

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

view = View(min_side=224, max_side=int(sys.argv[2]))
prepare_photo(np.zeros((300, 2000, 3), np.uint8), view)  # everything is loaded
before = peak()
prepare_photo(sys.argv[1], view)
print(peak() - before)
"""


def extra_memory(path: Path, max_side: int) -> int:
    """Bytes by which the peak of a fresh process grows."""
    command = [sys.executable, '-c', MEMORY, str(path), str(max_side)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != 'linux', reason='ru_maxrss is in KiB on Linux alone')
@pytest.mark.parametrize('file_format', ['JPEG', 'PNG'])
def test_memory_for_ten_megapixels(photos, tmp_path, file_format):
    """Less than floats of the whole photo would take: 12 bytes a pixel."""
    path = tmp_path / 'large'
    Image.fromarray(np.tile(photos[0], (7, 6, 1))).save(path, file_format, compress_level=1)
    assert extra_memory(path, 500) < 11 * 3584 * 3072 + (16 << 20)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='ru_maxrss is in KiB on Linux alone')
@pytest.mark.parametrize('max_side', [384, 1536, 10_000])
@pytest.mark.parametrize('kind', ['RGB.jpg', 'CMYK.jpg', 'RGB.png', 'RGBA.png', 'RGB.tif'])
def test_memory_for_a_hundred_megapixels(photos, tmp_path, kind, max_side):
    path = tmp_path / kind
    image = Image.fromarray(np.tile(photos[0], (20, 20, 1))[:10_000, :10_000]).convert(path.stem)
    image.save(path, **({'compress_level': 1} if path.suffix == '.png' else {}))
    assert extra_memory(path, max_side) < 2 << 30


def pixels_of(kind):
    """(40, 30, 3) of values 0 to 255, or the same in [0, 1]."""
    stored = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    stored[0, 0], stored[0, 1] = 0, 255
    return stored if kind is np.uint8 else (stored / 255).astype(kind)


@pytest.mark.parametrize('kind', ['>u2', '<u2', '>f4', '>f8', 'f2', 'f4', 'f8', 'g'])
def test_byte_orders_and_sizes_of_numbers(kind, view):
    kind = np.dtype(kind)
    given = pixels_of(np.uint8).astype(kind) * 257 if kind.kind == 'u' else pixels_of(kind)
    wanted = prepare_photo(pixels_of(np.uint8), view)
    found = prepare_photo(given, view)
    assert np.allclose(found.astype(float), wanted.astype(float), atol=1e-3)


@pytest.mark.parametrize('kind', [torch.float64, torch.float16, torch.bfloat16])
def test_types_of_tensors(kind, view):
    wanted = prepare_photo(pixels_of(np.uint8), view)
    found = prepare_photo(torch.from_numpy(pixels_of(np.float32)).permute(2, 0, 1).to(kind), view)
    assert np.allclose(found.astype(float), wanted.astype(float), atol=5e-3)


@pytest.mark.parametrize('make', [np.asarray, lambda a: torch.from_numpy(a).permute(2, 0, 1)])
@pytest.mark.parametrize(
    ('kind', 'room'), [(np.float16, 1e-3), (np.float32, 1e-7), (np.float32, 9e-6), (np.float64, 1e-15)]
)
def test_an_overshoot_of_rounding_is_clipped(make, kind, room, view):
    given = pixels_of(kind)
    given[given == 1] = 1 + room
    given[given == 0] = -room
    found = prepare_photo(make(given), view)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize('value', [1.0001, 1.0000201, -0.0001])
def test_more_than_rounding_is_refused_with_its_number(value, view):
    given = pixels_of(np.float64)
    given[0, 0, 0] = value
    with pytest.raises(PhotoError, match=rf'floats must be in \[0, 1\].*{value}'):
        prepare_photo(given, view)


def test_a_matrix_is_a_grey_photo(view):
    grey = pixels_of(np.uint8)[..., 0]
    assert np.array_equal(prepare_photo(np.matrix(grey), view), prepare_photo(grey, view))
    assert np.array_equal(prepare_photo(np.ma.array(grey), view), prepare_photo(grey, view))


def other_tensors():
    dense = torch.rand(3, 8, 9)
    return {
        'meta device': dense.to('meta'),
        'must be dense.*sparse_coo': dense.to_sparse(),
        'must be dense.*sparse_csr': dense[0].to_sparse_csr(),
        'must be dense.*mkldnn': dense[None].to_mkldnn(),
        'must be dense.*nested': torch.nested.nested_tensor([dense]),
        'has no pixels': dense[:, :0],
        'must hold uint8.*complex64': dense.to(torch.complex64),
        'must hold uint8.*bool': dense > 0,
        "can't be read": FakeTensorMode().from_tensor(dense),
    }


@pytest.mark.parametrize('message', list(other_tensors()))
def test_tensors_without_pixels_are_refused_in_one_sentence(message, view):
    with pytest.raises(PhotoError, match=f'^scan: .*{message}') as caught:
        prepare_photo(other_tensors()[message], view, 'scan')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'photo',
    [
        np.ma.array(pixels_of(np.uint8), mask=pixels_of(np.uint8) > 200),
        pixels_of(np.uint8).astype(object),
        np.zeros((4, 4), dtype=[('r', 'u1')]),
        np.zeros((4, 4), 'M8[s]'),
        pixels_of(np.uint8)[:0],
        np.array(5),
    ],
)
def test_arrays_without_pixels_are_refused_in_one_sentence(photo, view):
    with pytest.raises(PhotoError, match=r'^scan: ') as caught:
        prepare_photo(photo, view, 'scan')
    assert '\n' not in str(caught.value)
