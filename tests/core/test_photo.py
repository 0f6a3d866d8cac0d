"""Reading photos: what a person sees, and a refusal by name of what can't be read."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmqpt.core import photo as photo_module
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import find_photos, read_photo, swap_channels

# What a viewer does with the stored pixels, by EXIF orientation (closed form, from the EXIF standard).
ORIENTATIONS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


def encode(image: Image.Image | np.ndarray, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    start = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + start + chunk(b'IDAT', zlib.compress(b'')) + chunk(b'IEND', b'')


@pytest.mark.parametrize('quality', [30, 75, 95])
@pytest.mark.parametrize('subsampling', [0, 2])
def test_jpeg_equals_pillow(photos, quality, subsampling):
    for photo in photos:
        data = encode(photo, 'JPEG', quality=quality, subsampling=subsampling)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
        out = read_photo(data)
        assert out.shape == photo.shape
        assert out.dtype == np.uint8
        assert np.abs(out.astype(int) - expected).max() <= 2


@pytest.mark.parametrize('file_format', ['PNG', 'BMP', 'TIFF', 'WEBP'])
def test_lossless_formats_give_the_pixels_back(photos, file_format):
    options = {'lossless': True} if file_format == 'WEBP' else {}
    np.testing.assert_array_equal(read_photo(encode(photos[2], file_format, **options)), photos[2])


def test_paths_strings_and_bytes_agree(photo_folder):
    for path in sorted(photo_folder.iterdir()):
        from_path = read_photo(path)
        np.testing.assert_array_equal(from_path, read_photo(str(path)))
        np.testing.assert_array_equal(from_path, read_photo(path.read_bytes()))


@pytest.mark.parametrize(
    ('mode', 'file_format'),
    [
        ('RGB', 'JPEG'),
        ('RGB', 'PNG'),
        ('I;16', 'PNG'),
        ('RGBA', 'PNG'),
        ('RGB', 'BMP'),
    ],
)
def test_result_is_contiguous_and_writable(photos, mode, file_format):
    image = Image.fromarray(photos[0])
    out = read_photo(encode(image.convert('L').convert(mode) if mode == 'I;16' else image.convert(mode), file_format))
    assert out.flags.c_contiguous
    assert out.flags.writeable


@pytest.mark.parametrize('orientation', ORIENTATIONS)
@pytest.mark.parametrize('file_format', ['JPEG', 'PNG', 'WEBP', 'TIFF'])
def test_exif_orientation_is_applied(orientation, file_format, rng):
    # Grey blocks of 16 px survive JPEG within a few levels.
    blocks = rng.integers(0, 256, (3, 5, 1), dtype=np.uint8)
    stored = np.repeat(np.kron(blocks, np.ones((16, 16, 1), np.uint8)), 3, axis=2)
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {'JPEG': {'quality': 95}, 'WEBP': {'lossless': True}}.get(file_format, {})
    out = read_photo(encode(image, file_format, exif=exif, **options))
    expected = ORIENTATIONS[orientation](stored)
    assert out.shape == expected.shape
    assert np.abs(out.astype(int) - expected).max() <= 3


def test_grey_is_repeated(photos):
    grey = photos[1][..., 1]
    for file_format in ('PNG', 'BMP', 'TIFF'):
        np.testing.assert_array_equal(read_photo(encode(grey, file_format)), np.stack([grey] * 3, axis=-1))
    jpeg = read_photo(encode(grey, 'JPEG'))
    np.testing.assert_array_equal(jpeg[..., 0], jpeg[..., 1])
    np.testing.assert_array_equal(jpeg[..., 0], jpeg[..., 2])


def test_sixteen_bit_grey_keeps_the_high_byte(rng):
    values = rng.integers(0, 1 << 16, (13, 17), dtype=np.uint16)
    high = np.stack([(values >> 8).astype(np.uint8)] * 3, axis=-1)
    np.testing.assert_array_equal(read_photo(encode(values, 'PNG')), high)
    np.testing.assert_array_equal(read_photo(encode(values, 'TIFF')), high)


def test_one_bit_is_black_and_white():
    bits = np.array([[True, False, True], [False, False, True]])
    expected = np.stack([bits * np.uint8(255)] * 3, axis=-1)
    np.testing.assert_array_equal(read_photo(encode(Image.fromarray(bits), 'PNG')), expected)


def test_transparency_is_composited_on_white(rng):
    rgba = rng.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    rgba[:, :10, 3] = 0
    rgba[:, 10:20, 3] = 255
    out = read_photo(encode(rgba, 'PNG')).astype(float)
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(out, alpha * rgba[..., :3] + (1 - alpha) * 255, atol=1)
    assert (out[:, :10] == 255).all()
    np.testing.assert_array_equal(out[:, 10:20], rgba[:, 10:20, :3])


def test_grey_with_alpha_is_composited_on_white():
    grey_alpha = np.array([[[10, 0], [10, 255]]], np.uint8)
    assert read_photo(encode(Image.fromarray(grey_alpha, 'LA'), 'PNG')).tolist() == [[[255] * 3, [10] * 3]]


def test_transparent_colour_of_an_rgb_png_becomes_white():
    pixels = np.array([[[1, 2, 3], [9, 8, 7]]], np.uint8)
    out = read_photo(encode(Image.fromarray(pixels), 'PNG', transparency=(1, 2, 3)))
    assert out.tolist() == [[[255, 255, 255], [9, 8, 7]]]


def test_palette_is_converted(photos):
    palette = Image.fromarray(photos[1]).quantize(32)
    for file_format in ('PNG', 'GIF', 'BMP'):
        np.testing.assert_array_equal(read_photo(encode(palette, file_format)), np.asarray(palette.convert('RGB')))


def test_transparent_palette_entry_becomes_white():
    palette = Image.new('P', (2, 1))
    palette.putpalette([200, 0, 0, 0, 100, 0])
    palette.putdata([0, 1])
    assert read_photo(encode(palette, 'PNG', transparency=0)).tolist() == [[[255, 255, 255], [0, 100, 0]]]


def test_cmyk_is_converted(photos):
    cmyk = Image.fromarray(photos[0]).convert('CMYK')
    np.testing.assert_array_equal(read_photo(encode(cmyk, 'TIFF')), np.asarray(cmyk.convert('RGB')))
    jpeg = read_photo(encode(cmyk, 'JPEG', quality=95))
    assert np.abs(jpeg.astype(int) - photos[0]).mean() < 3


def test_animation_gives_its_first_frame(photos):
    frames = [Image.fromarray(photos[0][:40, :50]), Image.fromarray(photos[1][:40, :50])]
    data = encode(frames[0], 'WEBP', save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read_photo(data), photos[0][:40, :50])


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (5, 3)])
def test_tiny_photos(size, rng):
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_photo(encode(pixels, 'PNG')), pixels)
    assert read_photo(encode(pixels, 'JPEG')).shape == pixels.shape


@pytest.mark.parametrize('file_format', ['JPEG', 'PNG', 'WEBP', 'BMP', 'TIFF', 'GIF'])
def test_truncated_photo_is_refused_by_name(photos, tmp_path, file_format):
    data = encode(photos[2][:64, :64], file_format)
    path = tmp_path / 'holiday.bin'
    # Up to 32 bytes short: a PNG that lost no more than its checksums still has all its pixels.
    for length in np.linspace(1, len(data) - 32, 25).astype(int):
        path.write_bytes(data[:length])
        with pytest.raises(PhotoError, match=r'holiday\.bin: '):
            read_photo(path)


def test_truncated_grey_and_transparent_photos_are_refused(photos):
    for mode, file_format in (('L', 'JPEG'), ('L', 'PNG'), ('RGBA', 'PNG'), ('CMYK', 'JPEG')):
        data = encode(Image.fromarray(photos[2]).convert(mode), file_format)
        with pytest.raises(PhotoError, match='<bytes>: damaged or truncated'):
            read_photo(data[: len(data) * 2 // 3])


@pytest.mark.parametrize('file_format', ['JPEG', 'PNG'])
def test_truncated_photo_is_refused_though_opencv_fills_it(photos, monkeypatch, file_format):
    """Versions of OpenCV differ in whether they decode half a photo and fill the rest with grey."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: np.full((300, 451, 3), 128, np.uint8))
    data = encode(photos[2], file_format)
    assert (read_photo(data) == 128).all()
    with pytest.raises(PhotoError, match='half: damaged or truncated'):
        read_photo(data[: len(data) // 2], name='half')


def test_zeros_after_the_end_are_no_damage(photos):
    data = encode(photos[2], 'JPEG')
    np.testing.assert_array_equal(read_photo(data + bytes(20)), read_photo(data))


def test_bytes_after_the_end_are_no_damage(photos):
    """Phones append previews and video behind the JPEG."""
    data = encode(photos[2], 'JPEG')
    out = read_photo(data + b'appended by a phone' * 50)
    assert np.abs(out.astype(int) - read_photo(data)).max() <= 2


def test_damaged_middle_of_a_png_is_refused(photos):
    data = bytearray(encode(photos[2], 'PNG'))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PhotoError, match='kitten: damaged or truncated'):
        read_photo(bytes(data), name='kitten')


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such photo: .*nowhere\.jpg'):
        read_photo(tmp_path / 'nowhere.jpg')


def test_empty_file(tmp_path):
    path = tmp_path / 'empty.jpg'
    path.touch()
    with pytest.raises(PhotoError, match=r'empty\.jpg: the file is empty'):
        read_photo(path)
    with pytest.raises(PhotoError, match='<bytes>: the file is empty'):
        read_photo(b'')


def test_text_file(tmp_path):
    path = tmp_path / 'notes.jpg'
    path.write_text('not a photo')
    with pytest.raises(PhotoError, match=r'notes\.jpg: not an image'):
        read_photo(path)


def test_name_replaces_the_path_in_errors(tmp_path):
    with pytest.raises(PhotoError, match=r'^upload 3: not an image'):
        read_photo(b'junk', name='upload 3')
    with pytest.raises(FileNotFoundError, match='no such photo: upload 4'):
        read_photo(tmp_path / 'nowhere.jpg', name='upload 4')


def test_photo_error_is_an_input_error_and_a_value_error():
    assert issubclass(PhotoError, InputError)
    assert issubclass(InputError, ValueError)


def test_floating_point_pixels_are_refused():
    with pytest.raises(PhotoError, match='floating-point pixels'):
        read_photo(encode(Image.fromarray(np.ones((3, 4), np.float32)), 'TIFF'))


def test_too_many_pixels(photos, monkeypatch):
    with pytest.raises(PhotoError, match='bomb: refused, too many pixels'):
        read_photo(png_header(30_000, 30_000), name='bomb')
    monkeypatch.setattr(photo_module, 'MAX_PIXELS', 11 * 10)
    assert read_photo(encode(photos[0][:10, :11], 'PNG')).shape == (10, 11, 3)
    with pytest.raises(PhotoError, match='refused, 11x11 has more than 110 pixels'):
        read_photo(encode(photos[0][:11, :11], 'PNG'))


def test_find_photos_is_recursive_and_sorted(tmp_path):
    names = ['b.JPG', 'a/z.png', 'a/y.jpeg', 'c.webp', 'd.tif', 'e.TIFF', 'f.bmp']
    ignored = ['notes.txt', '.hidden.jpg', '.cache/x.jpg', 'a/.z.png', 'jpg']
    for name in names + ignored:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'folder.jpg').mkdir()
    assert find_photos(tmp_path) == sorted(tmp_path / name for name in names)
    assert find_photos(str(tmp_path)) == find_photos(tmp_path)


def test_find_photos_below_a_hidden_folder(tmp_path):
    """Only names below the folder that was asked for count as hidden."""
    root = tmp_path / '.data'
    root.mkdir()
    (root / 'x.png').touch()
    assert find_photos(root) == [Path(root / 'x.png')]


def test_find_photos_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*nowhere'):
        find_photos(tmp_path / 'nowhere')
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(PhotoError, match='no photos in this folder'):
        find_photos(tmp_path)
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*notes\.txt'):
        find_photos(tmp_path / 'notes.txt')


def test_swap_channels(photos):
    window = photos[0][10:50, 20:90]  # not contiguous
    out = np.empty((40, 70, 3), np.uint8)
    swap_channels(window, out=out)
    np.testing.assert_array_equal(out, window[..., ::-1])
    np.testing.assert_array_equal(swap_channels(window), window[..., ::-1])
    np.testing.assert_array_equal(swap_channels(out), window)
