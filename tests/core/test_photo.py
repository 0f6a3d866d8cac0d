"""Reading photos: what a person sees, and a refusal by name of what can't be read."""

import contextlib
import io
import os
import socket
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo
from skimage import data as sample

from mmqpt.core import photo as photo_module
from mmqpt.core.errors import InputError, PhotoError
from mmqpt.core.photo import blend, find_photos, image_pixels, read_photo, read_photo_and_size

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


def png(width: int, height: int, rows: np.ndarray, depth: int = 8, kind: int = 2, key: bytes = b'') -> bytes:
    """A PNG of the given stored samples, and a transparent colour: what Pillow can't write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    start = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, 0))
    start += chunk(b'tRNS', key) if key else b''
    pixels = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))
    return b'\x89PNG\r\n\x1a\n' + start + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    return png(width, height, np.empty((0, 0)))


def tiff(width: int, height: int, pixels: bytes, more: dict[int, tuple[int, ...]]) -> bytes:
    """An uncompressed TIFF with one strip; ``more`` are tags of type SHORT."""
    count = len(more.get(258, (8,)))
    tags = {256: (width,), 257: (height,), 258: (8,), 259: (1,), 262: (1,), 273: (0,), 277: (count,), 278: (height,)}
    tags |= {279: (len(pixels),), **more}
    at = 8 + 2 + 12 * len(tags) + 4
    values, entries = b'', b''
    for tag, value in sorted(tags.items()):
        if tag in (273, 279):
            entries += struct.pack('<HHII', tag, 4, 1, value[0] if tag == 279 else at + 64)
        elif len(value) <= 2:
            entries += struct.pack('<HHI', tag, 3, len(value)) + struct.pack(f'<{len(value)}H', *value).ljust(4, b'\0')
        else:
            entries += struct.pack('<HHII', tag, 3, len(value), at + len(values))
            values += struct.pack(f'<{len(value)}H', *value)
    return b'II*\0\x08\0\0\0' + struct.pack('<H', len(tags)) + entries + bytes(4) + values.ljust(64, b'\0') + pixels


def heic(pixels: np.ndarray, orientation: int = 1) -> bytes:
    """Lossless but for the colour space; turned by the container and by EXIF, as phones write it."""
    pillow_heif = pytest.importorskip('pillow_heif')
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    mode = 'RGBA' if pixels.shape[2] == 4 else 'RGB'
    pillow_heif.encode(mode, pixels.shape[1::-1], pixels.tobytes(), buffer, quality=-1, exif=exif.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize('quality', [30, 75, 95])
@pytest.mark.parametrize('subsampling', [0, 2])
def test_jpeg_equals_pillow(photos, quality, subsampling):
    for photo in photos:
        data = encode(photo, 'JPEG', quality=quality, subsampling=subsampling)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))
        out = read_photo(data)
        assert out.shape == photo.shape
        assert out.dtype == np.uint8
        np.testing.assert_array_equal(out, expected)


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
@pytest.mark.parametrize('file_format', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'AVIF', 'HEIC', 'CMYK'])
def test_exif_orientation_is_applied(orientation, file_format, rng):
    # Grey blocks of 16 px survive JPEG within a few levels.
    blocks = rng.integers(0, 256, (3, 5, 1), dtype=np.uint8)
    stored = np.repeat(np.kron(blocks, np.ones((16, 16, 1), np.uint8)), 3, axis=2)
    image = Image.fromarray(stored)
    exif = image.getexif()
    exif[0x0112] = orientation
    options = {'JPEG': {'quality': 95}, 'WEBP': {'lossless': True}, 'AVIF': {'quality': 100}}.get(file_format, {})
    if file_format == 'HEIC':
        data = heic(stored, orientation)
    elif file_format == 'CMYK':  # as the JPEGs that OpenCV is not given
        data = encode(image.convert('CMYK'), 'JPEG', exif=exif, quality=95)
    else:
        data = encode(image, file_format, exif=exif, **options)
    out = read_photo(data)
    expected = ORIENTATIONS[orientation](stored)
    assert out.shape == expected.shape
    assert np.abs(out.astype(int) - expected).max() <= 3


def test_orientation_from_xmp_and_unreadable_exif(photos):
    image = Image.fromarray(photos[2])
    plain = read_photo(encode(image, 'JPEG'))
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"></x:xmpmeta>'
    np.testing.assert_array_equal(read_photo(encode(image, 'JPEG', xmp=xmp)), np.rot90(plain, -1))
    for junk in (b'Exif\0\0', b'Exif\0\0junk', b'Exif\0\0II*\0\xff\xff\xff\xff'):
        np.testing.assert_array_equal(read_photo(encode(image, 'JPEG', exif=junk)), plain)


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


def test_sixteen_bit_colour_keeps_the_high_byte(rng):
    values = rng.integers(0, 1 << 16, (13, 17, 4), dtype=np.uint16)
    high = (values >> 8).astype(np.uint8)
    big = values.astype('>u2')
    np.testing.assert_array_equal(read_photo(png(17, 13, big[..., :3], 16)), high[..., :3])
    np.testing.assert_array_equal(read_photo(tiff(17, 13, values[..., :3].tobytes(), RGB16)), high[..., :3])
    blended = blend(high[..., :3], high[..., 3:])
    np.testing.assert_array_equal(read_photo(png(17, 13, big, 16, 6)), blended)
    alpha = {258: (16,) * 4, 262: (2,), 338: (2,)}
    np.testing.assert_array_equal(read_photo(tiff(17, 13, values.tobytes(), alpha)), blended)
    grey = blend(np.repeat(high[..., :1], 3, axis=2), high[..., 1:2])
    np.testing.assert_array_equal(read_photo(png(17, 13, big[..., :2], 16, 4)), grey)


RGB16 = {258: (16, 16, 16), 262: (2,)}


def test_twelve_bit_grey_keeps_its_highest_bits(rng):
    values = rng.integers(0, 1 << 12, (4, 6))
    pairs = values.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1)
    out = read_photo(tiff(6, 4, packed.astype(np.uint8).tobytes(), {258: (12,)}))
    np.testing.assert_array_equal(out, np.repeat((values >> 4)[..., None], 3, axis=2))


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_tiff_with_zero_for_white(rng, dtype):
    values = rng.integers(0, np.iinfo(dtype).max, (5, 7), dtype=dtype)
    out = read_photo(tiff(7, 5, values.tobytes(), {258: (8 * values.itemsize,), 262: (0,)}))
    high = 255 - (values >> (8 * (values.itemsize - 1))).astype(np.uint8)
    np.testing.assert_array_equal(out, np.stack([high] * 3, axis=-1))


def test_transparent_level_of_a_grey_png_becomes_white():
    for depth, dtype in ((8, 'u1'), (16, '>u2')):
        values = np.array([[70, 9]], dtype) << (depth - 8)
        key = int(values[0, 1]).to_bytes(2, 'big')
        assert read_photo(png(2, 1, values.astype(dtype), depth, 0, key)).tolist() == [[[70] * 3, [255] * 3]]


def test_pixels_of_a_sixteen_bit_pgm(rng):
    values = rng.integers(0, 1 << 16, (5, 7), dtype=np.uint16)
    out = read_photo(b'P5 7 5 65535\n' + values.astype('>u2').tobytes())
    np.testing.assert_array_equal(out, np.stack([values >> 8] * 3, axis=-1))


def test_separate_planes_of_eight_bits(photos):
    pixels = photos[0][:20, :30]
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    data = bytearray(tiff(30, 20, planes.tobytes(), {258: (8, 8, 8), 262: (2,), 284: (2,)}))
    # One strip a plane: the tags 273 and 279 point at three values each, put behind the pixels.
    start = data.index(planes.tobytes())
    for tag, values in ((273, [start + 600 * number for number in range(3)]), (279, [600] * 3)):
        at = data.index(struct.pack('<HHI', tag, 4, 1))
        data[at : at + 12] = struct.pack('<HHII', tag, 4, 3, len(data))
        data += struct.pack('<3I', *values)
    np.testing.assert_array_equal(read_photo(bytes(data)), pixels)


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


def test_cmyk_jpeg_has_inverted_inks_as_adobe_writes_them():
    inks = np.full((16, 16, 4), (0, 255, 255, 0), np.uint8)  # magenta and yellow ink: red
    inks[8:] = (0, 0, 0, 255)
    out = read_photo(encode(Image.fromarray(inks, 'CMYK'), 'JPEG', quality=100))
    assert np.abs(out[:8].astype(int) - (255, 0, 0)).max() <= 2
    assert np.abs(out[8:].astype(int) - 0).max() <= 2


def test_ycck_jpeg():
    """Inks as luma and chroma, black apart; the Adobe mark says which. OpenCV is the second reference."""
    magenta_and_yellow = (179, 171, 0)  # Y, Cb, Cr of (0, 255, 255); Pillow stores all inverted
    stored = np.full((16, 16, 4), (*(255 - np.array(magenta_and_yellow)), 0), np.uint8)
    data = bytearray(encode(Image.fromarray(stored, 'CMYK'), 'JPEG', quality=100))
    at = data.index(b'Adobe')
    assert data[at + 11] == 0
    data[at + 11] = 2
    out = read_photo(data).astype(int)
    assert np.abs(out - (255, 0, 0)).max() <= 3
    assert np.abs(out - cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]).max() <= 3


def test_jpeg_that_stores_rgb(photos):
    out = read_photo(encode(photos[0], 'JPEG', quality=95, keep_rgb=True))
    assert np.abs(out.astype(int) - photos[0]).mean() < 2


@pytest.mark.parametrize('file_format', ['WEBP', 'GIF', 'PNG', 'TIFF', 'AVIF', 'MPO'])
def test_animation_gives_its_first_frame(photos, file_format):
    frames = [Image.fromarray(photos[0][:40, :50]).quantize(64), Image.fromarray(photos[1][:40, :50]).quantize(64)]
    if file_format != 'GIF':
        frames = [frame.convert('RGB') for frame in frames]
    options = {'WEBP': {'lossless': True}, 'MPO': {'quality': 95}}.get(file_format, {})
    out = read_photo(encode(frames[0], file_format, save_all=True, append_images=frames[1:], **options))
    if file_format in ('AVIF', 'MPO'):
        assert np.abs(out.astype(int) - np.asarray(frames[0])).mean() < 10
    else:
        np.testing.assert_array_equal(out, np.asarray(frames[0].convert('RGB')))


def test_first_frame_of_a_transparent_gif():
    frame = Image.new('P', (2, 1))
    frame.putpalette([200, 0, 0, 0, 100, 0])
    frame.putdata([0, 1])
    out = read_photo(encode(frame, 'GIF', save_all=True, append_images=[Image.new('P', (2, 1))], transparency=0))
    assert out.tolist() == [[[255, 255, 255], [0, 100, 0]]]


def test_heic(photos):
    out = read_photo(heic(photos[0][:64, :80]))
    assert np.abs(out.astype(int) - photos[0][:64, :80]).mean() < 3
    clear = np.dstack([photos[0][:64, :64], np.zeros((64, 64), np.uint8)])
    assert read_photo(heic(clear)).min() >= 254
    data = heic(photos[0])
    with pytest.raises(PhotoError, match='IMG_1: '):
        read_photo(data[: len(data) // 2], name='IMG_1')


def test_heic_without_its_package(photos, monkeypatch):
    data = heic(photos[0][:64, :64])
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    with pytest.raises(PhotoError, match='IMG_1: HEIC needs a further package: pip install pillow-heif'):
        read_photo(data, name='IMG_1')


def test_strips_change_nothing(photos, monkeypatch, rng):
    grey16 = rng.integers(0, 1 << 16, (23, 17), dtype=np.uint16)
    rgba = np.dstack([photos[0][:23, :17], rng.integers(0, 256, (23, 17), dtype=np.uint8)])
    palette = Image.fromarray(photos[1][:23, :17]).quantize(16)
    files = [
        *(encode(grey16, 'PNG'), encode(rgba, 'PNG'), encode(palette, 'PNG', transparency=3), encode(rgba, 'TIFF')),
        *(encode(Image.fromarray(rgba, 'CMYK'), 'TIFF'), encode(Image.fromarray(rgba[..., 0] > 99), 'PNG')),
        *(encode(Image.fromarray(rgba[..., 2:].copy(), 'LA'), 'PNG'), encode(grey16, 'TIFF')),
    ]
    for orientation in ORIENTATIONS:
        exif = Image.Exif()
        exif[0x0112] = orientation
        files += [encode(image, 'PNG', exif=exif) for image in (grey16, rgba, palette)]
        files.append(encode(photos[0][:23, :17], 'JPEG', exif=exif))
    whole = [read_photo(data) for data in files]
    monkeypatch.setattr(photo_module, 'STRIP', 70)  # 4 rows
    for data, expected in zip(files, whole, strict=True):
        np.testing.assert_array_equal(read_photo(data), expected)


def test_premultiplied_pixels_of_pillow():
    half = Image.fromarray(np.array([[[100, 50, 0, 128]]], np.uint8), 'RGBA')
    for mode in ('RGBa', 'La'):
        image = half.convert(mode) if mode == 'RGBa' else half.convert('LA').convert('La')
        expected = image_pixels(half if mode == 'RGBa' else half.convert('LA'), 'x')
        assert np.abs(image_pixels(image, 'x').astype(int) - expected).max() <= 1


def test_content_tells_the_kind_and_not_the_name(photos, tmp_path):
    for file_format, name in (('PNG', 'a.jpg'), ('BMP', 'b.png'), ('TIFF', 'c.webp'), ('WEBP', 'd'), ('GIF', 'e.heic')):
        image = Image.fromarray(photos[2]).quantize(200).convert('RGB')
        (tmp_path / name).write_bytes(encode(image, file_format, **({'lossless': True} if name == 'd' else {})))
        np.testing.assert_array_equal(read_photo(tmp_path / name), np.asarray(image))


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (tiff(2, 2, bytes(24), {**RGB16, 284: (2,)}), '16-bit TIFF with separate planes'),
        (tiff(2, 2, bytes(8), {258: (16,), 339: (2,)}), 'signed or 32-bit pixels'),
        (tiff(2, 2, bytes(16), {258: (32,)}), 'signed or 32-bit pixels'),
        (tiff(2, 2, bytes(12), {258: (8,) * 3, 262: (8,)}), 'LAB colours'),
        (tiff(2, 2, bytes(4), {254: (1,)}), 'a raw file'),
        (tiff(2, 2, bytes(4), {50706: (1,)}), 'a raw file'),
        (png(2, 1, np.zeros((1, 6), '>u2'), 16, 2, bytes(6)), 'a 16-bit key colour'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'not an image'),
    ],
)
def test_what_has_no_one_right_reading_is_refused(data, reason):
    with pytest.raises(PhotoError, match=f'^scan 7: {reason}'):
        read_photo(data, name='scan 7')


@pytest.mark.parametrize('size', [(160, 100), (100, 160), (16, 16), (1, 116), (216, 1), (33, 41)])
@pytest.mark.parametrize('comment', [0, 4, 104, 160])  # bytes before the pixels, whose offset the decoder is told
def test_8_bit_key_colours_are_read_whatever_the_numbers_around_them(size, comment, rng):
    pixels = rng.integers(4, 200, (size[1], size[0], 3), dtype=np.uint8)
    pixels[0, 0] = (1, 2, 3)
    text = PngInfo()
    if comment:
        text.add_text('Comment', 'x' * comment)
    wanted = pixels.copy()
    wanted[0, 0] = 255
    found = read_photo(encode(Image.fromarray(pixels), 'PNG', transparency=(1, 2, 3), pnginfo=text))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize('size', [(2, 1), (8, 8), (33, 5)])
@pytest.mark.parametrize('key', [bytes(6), b'\0\1\0\2\0\3', b'\7\1\0\2\0\3'])
def test_16_bit_key_colours_are_refused(size, key):
    data = png(*size, np.zeros((size[1], 3 * size[0]), '>u2'), 16, 2, key)
    with pytest.raises(PhotoError, match='a 16-bit key colour'):
        read_photo(data)


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


def test_truncated_jpeg_is_refused_though_opencv_fills_it(photos, monkeypatch):
    """Versions of OpenCV differ in whether they decode half a photo and fill the rest with grey."""
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: np.full((300, 451, 3), 128, np.uint8))
    data = encode(photos[2], 'JPEG')
    assert (read_photo_and_size(data, bgr=True)[0] == 128).all()
    with pytest.raises(PhotoError, match='half: damaged or truncated'):
        read_photo_and_size(data[: len(data) // 2], 'half', bgr=True)


@pytest.mark.parametrize('zeros', [10, 100_000])
def test_jpeg_that_a_broken_download_filled_with_zeros_is_refused(photos, zeros):
    """The preview within EXIF has an end mark of its own."""
    image = Image.fromarray(photos[2])
    exif = b'Exif\0\0' + encode(photos[2][:40, :40], 'JPEG')
    data = encode(image, 'JPEG', exif=exif)
    np.testing.assert_array_equal(read_photo(data), read_photo(encode(image, 'JPEG')))
    with pytest.raises(PhotoError, match='the JPEG has no end'):
        read_photo(data[: len(data) // 2] + bytes(zeros))


@pytest.mark.parametrize('file_format', ['BMP', 'TIFF', 'GIF', 'WEBP', 'CMYK'])
def test_truncated_photo_is_refused_though_another_library_lets_pillow_fill_it(photos, monkeypatch, file_format):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    image = Image.fromarray(photos[2])
    data = encode(image.convert('CMYK'), 'JPEG') if file_format == 'CMYK' else encode(image, file_format)
    assert read_photo(data).shape == photos[2].shape
    with pytest.raises(PhotoError, match=r'damaged or truncated|not an image'):
        read_photo(data[: len(data) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_pillow_is_left_as_it_was_by_many_threads(photos, monkeypatch):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    filters = list(warnings.filters)
    files = [encode(photos[number % 3][:99, :99], ('PNG', 'BMP', 'JPEG')[number % 3]) for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_photo, files))
    for number, pixels in enumerate(read[:3]):
        assert all(np.array_equal(pixels, other) for other in read[number::3])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert warnings.filters == filters


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
    monkeypatch.setattr('mmqpt.core.photo_limits.MAX_PIXELS', 11 * 10)
    assert read_photo(encode(photos[0][:10, :11], 'PNG')).shape == (10, 11, 3)
    with pytest.raises(PhotoError, match='refused, 11x11 has more than 110 pixels'):
        read_photo(encode(photos[0][:11, :11], 'PNG'))


@pytest.mark.parametrize('size', [(65_535, 65_535), (40_000, 5_000)])
def test_headers_that_claim_too_many_pixels(size):
    width, height = size
    gif = b'GIF89a' + struct.pack('<HHBBB', width, height, 0, 0, 0) + b','
    gif += struct.pack('<HHHHB', 0, 0, width, height, 0x80) + b'\0\0\0\xff\xff\xff\x02\x02D\x01\0;'
    bmp = b'BM' + struct.pack('<IHHIIiiHHIIIIII', 60, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(6)
    for data in (gif, bmp, png_header(width, height), tiff(width, height, bytes(8), {})):
        with pytest.raises(PhotoError, match='bomb: refused'):
            read_photo(data, name='bomb')


def test_file_of_too_many_bytes_is_not_even_read(photos, tmp_path, monkeypatch):
    path = tmp_path / 'film.jpg'
    path.write_bytes(encode(photos[0], 'JPEG'))
    monkeypatch.setattr(photo_module, 'MAX_BYTES', 1000)
    with pytest.raises(PhotoError, match=r'film\.jpg: refused, the file has more than 1000 bytes'):
        read_photo(path)


@pytest.mark.parametrize('size', [0, 1000])
def test_file_that_is_longer_than_it_was_is_read_whole(photos, tmp_path, monkeypatch, size):
    """Also one whose size is not known before, which systems give as 0."""
    path = tmp_path / 'grown.png'
    path.write_bytes(encode(photos[0], 'PNG'))
    found = os.stat(path)
    monkeypatch.setattr(photo_module.os, 'fstat', lambda _: os.stat_result((*found[:6], size, *found[7:])))
    np.testing.assert_array_equal(read_photo(path), photos[0])


def test_folder_and_unreadable_file(photos, tmp_path, monkeypatch):
    with pytest.raises(PhotoError, match='a folder, not a photo'):
        read_photo(tmp_path)
    (tmp_path / 'a.png').write_bytes(encode(photos[0], 'PNG'))

    def refuse(*_):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(photo_module.os, 'open', refuse)
    with pytest.raises(PhotoError, match=r"a\.png: can't be read \(Permission denied\)"):
        read_photo(tmp_path / 'a.png')


SMALL = np.ascontiguousarray(sample.astronaut()[100:140, 100:150])
KINDS = {
    **{kind: encode(SMALL, kind) for kind in ('JPEG', 'PNG', 'GIF', 'BMP', 'WEBP', 'TIFF', 'AVIF', 'JPEG2000', 'PPM')},
    'TIFF LZW': encode(SMALL, 'TIFF', compression='tiff_lzw'),
    'PNG palette': encode(Image.fromarray(SMALL).quantize(16), 'PNG'),
    'JPEG CMYK': encode(Image.fromarray(SMALL).convert('CMYK'), 'JPEG'),
}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(change=st.data())
@pytest.mark.parametrize('kind', [*KINDS, 'HEIC'])
def test_damage_is_a_photo_or_a_photo_error(kind, change):
    """And nothing else: no other exception whatever bytes are changed, and no photo that was cut to half."""
    data = bytearray(KINDS[kind] if kind != 'HEIC' else heic(SMALL))
    length = change.draw(st.integers(1, len(data)), 'length')
    places = st.integers(0, len(data) - 1) | st.integers(
        0, min(200, len(data) - 1)
    )  # headers are hit as often as pixels
    for place in change.draw(st.lists(places, max_size=4), 'places'):
        data[place] = change.draw(st.integers(0, 255), 'value')
    with contextlib.suppress(PhotoError):
        out = read_photo(bytes(data[:length]), 'fuzzed')
        assert out.dtype == np.uint8
        assert out.ndim == 3
        assert out.shape[2] == 3


def test_find_photos_is_recursive_and_sorted(tmp_path):
    names = [
        'g.gif',
        'h.HEIC',
        'i.avif',
        'j.jfif',
        'b.JPG',
        'a/z.png',
        'a/y.jpeg',
        'c.webp',
        'd.tif',
        'e.TIFF',
        'f.bmp',
    ]
    ignored = ['notes.txt', '.hidden.jpg', '.cache/x.jpg', 'a/.z.png', 'jpg']
    for name in names + ignored:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / 'folder.jpg').mkdir()
    assert find_photos(tmp_path) == sorted(tmp_path / name for name in names)
    assert find_photos(str(tmp_path)) == find_photos(tmp_path)
    assert find_photos(tmp_path, recursive=False) == sorted(tmp_path / name for name in names if '/' not in name)


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
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'x.png').touch()
    with pytest.raises(PhotoError, match='no photos in this folder'):
        find_photos(tmp_path, recursive=False)
    with pytest.raises(FileNotFoundError, match=r'no such folder: .*notes\.txt'):
        find_photos(tmp_path / 'notes.txt')


FORMATS = [
    *(('TIFF', {'compression': kind}) for kind in ('raw', 'tiff_lzw', 'tiff_deflate', 'packbits', 'jpeg')),
    *((kind, {}) for kind in ('WEBP', 'GIF', 'JPEG2000', 'AVIF', 'PNG', 'JPEG')),
]


@pytest.mark.parametrize(('file_format', 'options'), FORMATS)
@pytest.mark.parametrize('kept', [0.05, 0.6, 0.97])
def test_what_is_cut_is_called_truncated(photos, file_format, options, kept):
    data = encode(photos[2][:128, :128], file_format, **options)
    with pytest.raises(PhotoError, match='damaged or truncated'):
        read_photo(data[: int(len(data) * kept)])


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'tif'])
def test_closed_pillow_images_are_called_closed(photos, tmp_path, suffix):
    path = tmp_path / f'x.{suffix}'
    Image.fromarray(photos[0][:40, :40]).save(path)
    with Image.open(path) as never_read:
        pass
    read_and_closed = Image.open(path)
    read_and_closed.load()
    read_and_closed.close()
    with path.open('rb') as file:
        file_closed = Image.open(file)
    for image in (never_read, read_and_closed, file_closed):
        with pytest.raises(PhotoError, match='this Pillow image was closed before it was read'):
            image_pixels(image, 'x')
    with Image.open(path) as image:
        image.load()
    assert image_pixels(image, 'x').shape == (40, 40, 3)


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize(('make', 'kind'), [(make_pipe, 'a pipe'), (make_socket, 'a socket')])
def test_what_is_no_regular_file_is_named_at_once(make, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make(Path('a.jpg'))
    Path('link.jpg').symlink_to('a.jpg')
    for name in ('a.jpg', 'link.jpg'):
        with pytest.raises(PhotoError, match=rf'{name}: no regular file \({kind}\)'):
            read_photo(name)


def test_devices_are_no_photos():
    with pytest.raises(PhotoError, match=r'/dev/zero: no regular file \(a device\)'):
        read_photo('/dev/zero')


def test_a_pipe_that_takes_the_place_of_a_photo_is_not_waited_for(photos, tmp_path, monkeypatch):
    path = tmp_path / 'a.png'
    Image.fromarray(photos[0][:8, :8]).save(path)
    opened = os.open

    def swap(name, flags, *rest, **options):
        path.unlink()
        os.mkfifo(path)
        return opened(name, flags, *rest, **options)

    monkeypatch.setattr(photo_module.os, 'open', swap)
    with pytest.raises(PhotoError, match='no regular file'):
        read_photo(path)
