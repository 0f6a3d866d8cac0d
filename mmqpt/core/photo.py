"""Reading a photo: one rule for pre-training, fine-tuning and scoring (docs/photos.md has it as a table)."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL._util import DeferredError

from mmqpt.core.errors import PhotoError, first_line
from mmqpt.core.limits import MAX_BYTES
from mmqpt.core.photo_checks import jpeg_ends, png_is_whole, strict_pillow
from mmqpt.core.photo_limits import check_decoding, check_pixels, check_start, decoding_memory
from mmqpt.core.photo_search import search_folder
from mmqpt.core.reduced import check_min_side, reduction

SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.webp', '.tif', '.tiff'),
    *('.gif', '.avif', '.heic', '.heif', '.hif', '.jp2'),
)
"""File names that count as photos in a folder (case does not matter)."""

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels."""

FIRST_FORMATS = ('JPEG', 'PNG', 'GIF', 'BMP', 'PPM')
MORE_FORMATS = ('WEBP', 'TIFF', 'AVIF', 'JPEG2000')
"""Pillow loads these only when a file is none of the first. The other formats that it knows are no photos, or have no
reliable signature."""

SIGNATURES = {
    'JPEG': rb'\xff\xd8\xff',
    'PNG': rb'\x89PNG\r\n\x1a\n',
    'GIF': rb'GIF8[79]a',
    'TIFF': rb'II[*+]\0|MM\0[*+]',
    'WebP': rb'RIFF....WEBP',
    'AVIF': rb'....ftypavi[fs]',
    'JPEG 2000': rb'\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n',
}
"""How a file of each kind begins."""

_BITS, _SAMPLE_FORMAT, _FLOAT = 258, 339, 3  # TIFF's tags, and the value of the second for floats
_FLOATING = 'floating-point pixels have no stated range; save it with 8 or 16 bits'
_SIGNED_OR_WIDE = 'signed or 32-bit pixels have no stated range; save it with 8 or 16 bits'

HEIF_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'hevm', b'hevs', b'mif1', b'msf1', b'mif2')
STRIP = 1 << 18
"""Pixels that are converted at a time."""

_Turn = Image.Transpose
TURNS = {
    2: (_Turn.FLIP_LEFT_RIGHT, False),
    3: (_Turn.ROTATE_180, True),
    4: (_Turn.FLIP_TOP_BOTTOM, True),
    5: (_Turn.TRANSPOSE, False),
    6: (_Turn.ROTATE_270, True),
    7: (_Turn.TRANSVERSE, True),
    8: (_Turn.ROTATE_90, False),
}
"""What each EXIF orientation asks of the stored pixels, and whether their first row ends at the bottom or right."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap height and width."""


def read_photo(
    source: str | os.PathLike[str] | bytes | bytearray, name: str | None = None, min_side: int | None = None
) -> np.ndarray:
    """Decode a photo to 8-bit RGB as a person sees it.

    The content says what kind of file it is, never the name. EXIF orientation is applied, grey is repeated to three
    channels, CMYK and palettes are converted, transparency is composited on :data:`BACKGROUND`, 16-bit pixels keep
    their high byte, and an animation gives its first frame. Colour profiles are ignored. Damage inside a JPEG or lossy
    WebP that is complete to its end can't be detected, unless its decoder stops at it, and is decoded as it is.

    Args:
        source: path of a file, or the bytes of one.
        name: what to call the photo in an error (the path by default).
        min_side: None, or px: a grey or RGB JPEG is decoded at 1/8, 1/4 or 1/2 of its size, the smallest of them whose
            short side is still at least ``min_side``; sides are rounded up. All else is read in full.

    Returns:
        uint8 array of shape (H, W, 3), RGB; contiguous and writable.

    Raises:
        FileNotFoundError: there is no such file.
        PhotoError: a folder, empty, truncated, beyond the limits of :mod:`mmqpt.core.limits` (pixels, bytes, what
            decoding takes), of a kind whose pixels are ambiguous, or no image at all; names the photo.
        InputError: ``min_side`` is no integer >= 1.
    """
    return read_photo_and_size(source, name, min_side)[0]


def read_photo_and_size(
    source: str | os.PathLike[str] | bytes | bytearray,
    name: str | None = None,
    min_side: int | None = None,
    bgr: bool = False,
) -> tuple[np.ndarray, tuple[int, int]]:
    """Like :func:`read_photo`; also gives the size (H, W) in px of the whole photo as a person sees it.

    ``bgr`` asks for BGR and needs OpenCV, which then decodes JPEG (:func:`mmqpt.core.bgr.decode_jpeg`): to the same
    pixels, with less work. RGB, which scores are computed of, is decoded by Pillow whatever is installed.
    """
    check_min_side(min_side)
    data, name = _read(source, name)
    with strict_pillow():
        image = _open(data, name)
        size = None
        if image.format in ('JPEG', 'MPO'):
            if not jpeg_ends(data):
                raise PhotoError(f'{name}: damaged or truncated (the JPEG has no end)')
            if image.mode in ('L', 'RGB'):
                orientation = _orientation(image)
                size = image.size if orientation in SIDEWAYS else image.size[::-1]
                factor = reduction(min(size), min_side)
                if bgr:
                    from mmqpt.core.bgr import decode_jpeg

                    found = decode_jpeg(data, image.size, factor, orientation)
                    if found is not None:
                        return found, size
                if factor > 1:
                    image.draft(image.mode, (image.width // factor, image.height // factor))
        if image.format == 'PNG' and not png_is_whole(data):
            raise PhotoError(f'{name}: damaged or truncated (a PNG checksum is wrong, or the end is missing)')
        pixels = image_pixels(image, name)
    if bgr:
        from mmqpt.core.bgr import swap_channels

        swap_channels(pixels, out=pixels)
    return pixels, size or pixels.shape[:2]


def image_pixels(image: Image.Image, name: str) -> np.ndarray:
    """8-bit RGB of an open Pillow image, by the rules of :func:`read_photo`. Of an animation, the current frame.

    Args:
        image: loaded or not; it is loaded, but not changed otherwise.
        name: what to call the photo in an error.

    Returns:
        uint8 array of shape (H, W, 3), RGB; contiguous and writable.

    Raises:
        PhotoError: as :func:`read_photo`.
    """
    check_pixels(*image.size, name)
    if _is_closed(image):
        raise PhotoError(f'{name}: this Pillow image was closed before it was read; load() it first')
    with strict_pillow():
        try:
            if getattr(image, 'tile', None):  # not loaded yet
                check_decoding(image, b'', name)
            reason = _ambiguity(image)
            if reason is None:
                image.load()
                pixels = _convert(image)
        except PhotoError:
            raise
        except Exception as error:  # decoders raise nearly anything at damaged data
            raise PhotoError(f'{name}: damaged or truncated ({first_line(error)})') from error
    if reason is not None:
        raise PhotoError(f'{name}: {reason}')
    return pixels


def _is_closed(image: Image.Image) -> bool:
    """Whether its pixels are gone, or are still in a file that is no longer open."""
    if isinstance(getattr(image, '_im', None), DeferredError):
        return True
    file = getattr(image, 'fp', None)
    waiting = bool(getattr(image, 'tile', None))
    return waiting and (file is None or bool(getattr(file, 'closed', False)))


def blend(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Composite uint8 pixels (..., 3) with uint8 alpha (..., 1) on :data:`BACKGROUND`; rounded to nearest."""
    weight = alpha.astype(np.uint16)
    behind = (255 - weight) * np.array(BACKGROUND, np.uint16)
    return ((pixels * weight + behind + 127) // 255).astype(np.uint8)


def find_photos(
    folder: str | os.PathLike[str], recursive: bool = True, tell: Callable[[str], object] | None = None
) -> list[Path]:
    """All photos of a folder, sorted by path; each file once, whatever links lead to it.

    Folders that can't be searched, dead links and pipes are left out, with a warning.

    Args:
        folder: where to search; hidden files and folders are left out.
        recursive: whether to search its subfolders as well.
        tell: called with a line about all that was left out, files of other kinds among it, instead of the warning.

    Raises:
        FileNotFoundError: there is no such folder.
        PhotoError: the folder holds no file with one of :data:`SUFFIXES`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f'no such folder: {root}')
    found = search_folder(str(root), SUFFIXES, recursive)
    left = found.sentence()
    if not found.photos:
        met = f'; there are {left}' if left else ''
        raise PhotoError(f'{root}: no photos in this folder (looked for {", ".join(SUFFIXES)}){met}')
    if tell is not None and left:
        tell(f'{root}: left out {left}')
    elif found.broken or found.refused:
        warnings.warn(f'{root}: left out {left}', stacklevel=2)
    return [Path(path) for path in found.photos]


def photo_stamp(path: Path) -> str:
    """A key under which results of a photo can be stored: its path, size and time of change.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no such photo: {path}')
    found = path.stat()
    return f'{path.resolve()}|{found.st_size}|{found.st_mtime_ns}'


def _read(source: str | os.PathLike[str] | bytes | bytearray, name: str | None) -> tuple[bytes | bytearray, str]:
    """The bytes of a file, and what to call it."""
    if isinstance(source, (bytes, bytearray)):
        data, name = source, name or '<bytes>'
    else:
        name = name or os.fspath(source)
        if os.path.isdir(source):
            raise PhotoError(f'{name}: a folder, not a photo')
        try:
            data = _read_regular(source, name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(f'no such photo: {name}') from error
        except OSError as error:
            raise PhotoError(f"{name}: can't be read ({error.strerror})") from error
    if not data:
        raise PhotoError(f'{name}: the file is empty')
    return data, name


def _read_regular(source: str | os.PathLike[str], name: str) -> bytes:
    """The bytes of a regular file."""
    with open_regular(source, name) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)  # to ask for all that is allowed would take memory for it
        if len(data) > size:  # it has grown, or is one whose size is not known before
            data += file.read(MAX_BYTES + 1 - len(data))
    if len(data) > MAX_BYTES:
        raise PhotoError(f'{name}: refused, the file has more than {MAX_BYTES} bytes')
    return data


def open_regular(source: str | os.PathLike[str], name: str | None = None) -> BinaryIO:
    """Open a regular file. What else has a name is never waited for, also if it took the file's place just now: opening
    a pipe would block until someone writes to it.

    Args:
        source: path.
        name: what to call it in an error (the path by default).

    Raises:
        OSError: there is no such file, or it can't be opened.
        PhotoError: it is a pipe, a socket, a device or a folder, or has more than :data:`MAX_BYTES` bytes.
    """
    name = name or os.fspath(source)
    if not stat.S_ISREG(mode := os.stat(source).st_mode):  # devices may act on being opened
        raise PhotoError(f'{name}: no regular file ({_kind_of_file(mode)}), so no photo')
    number = os.open(source, os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0))
    file = open(number, 'rb')  # noqa: SIM115 (returned)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise PhotoError(f'{name}: no regular file ({_kind_of_file(found.st_mode)}), so no photo')
        if found.st_size > MAX_BYTES:
            raise PhotoError(f'{name}: refused, the file has more than {MAX_BYTES} bytes')
    except BaseException:
        file.close()
        raise
    return file


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: 'a pipe',
        stat.S_IFSOCK: 'a socket',
        stat.S_IFCHR: 'a device',
        stat.S_IFBLK: 'a device',
        stat.S_IFDIR: 'a folder',
    }
    return kinds.get(stat.S_IFMT(mode), 'of another kind')


def photo_header(source: str | os.PathLike[str] | bytes | bytearray, name: str | None = None) -> tuple[int, int, int]:
    """What the header of a photo says, without its pixels: width and height in px as stored, and the bytes that
    decoding it takes at its peak beyond the file.

    Args:
        source: path of a file, or the bytes of one.
        name: what to call the photo in an error (the path by default).

    Raises:
        FileNotFoundError: there is no such file.
        PhotoError: no photo that :func:`read_photo` would begin to decode; names it.
    """
    is_bytes = isinstance(source, (bytes, bytearray))
    name = name or ('<bytes>' if is_bytes else os.fspath(source))  # type: ignore[arg-type]
    try:
        stream = io.BytesIO(source) if is_bytes else open_regular(source, name)  # type: ignore[arg-type]
        with stream, strict_pillow():
            start = stream.read(32)
            check_start(start, name)
            stream.seek(0)
            image = _open_heif(stream.read(), name) if _is_heif(start) else _open_stream(stream)
            check_pixels(*image.size, name)
            return image.width, image.height, decoding_memory(image)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(f'no such photo: {name}') from error
    except PhotoError:
        raise
    except Exception as error:  # decoders raise nearly anything at damaged data
        raise PhotoError(f'{name}: its header can not be read ({first_line(error)})') from error


def _open_stream(stream: BinaryIO) -> Image.Image:
    """The header of an image of a format that Pillow reads.

    Raises:
        Exception: what Pillow raises; UnidentifiedImageError where it is of none.
    """
    try:
        return Image.open(stream, formats=FIRST_FORMATS)
    except UnidentifiedImageError:
        Image.init()
        stream.seek(0)
        return Image.open(stream, formats=[kind for kind in MORE_FORMATS if kind in Image.OPEN])


def _is_heif(start: bytes | bytearray) -> bool:
    return start[4:8] == b'ftyp' and start[8:12] in HEIF_BRANDS


def _open(data: bytes | bytearray, name: str) -> Image.Image:
    """The header of an image, its size and what decoding it would take checked."""
    check_start(data, name)
    try:
        try:
            image = _open_stream(io.BytesIO(data))
        except UnidentifiedImageError:
            if not _is_heif(data[:12]):
                raise PhotoError(f'{name}: {_unread(data)}') from None
            image = _open_heif(data, name)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError(f'{name}: refused, too many pixels ({first_line(error)})') from error
    except Exception as error:  # decoders raise nearly anything at damaged data
        raise PhotoError(f'{name}: {_unread(data, first_line(error))}') from error
    try:
        check_decoding(image, data, name)
    except PhotoError:
        raise
    except Exception as error:  # tags of a TIFF are read when they are asked for
        raise PhotoError(f'{name}: {_unread(data, first_line(error))}') from error
    return image


def _unread(data: bytes | bytearray, reason: str = '') -> str:
    """What is wrong with a file that no decoder took; ``reason`` is what the last one said."""
    start = bytes(data[:16])
    kind = next((kind for kind, signature in SIGNATURES.items() if re.match(signature, start, re.DOTALL)), None)
    if kind is not None:
        if kind == 'TIFF' and (pixels := _pixels_without_range(data)):
            return pixels
        return f'damaged or truncated ({reason or f"it begins as a {kind}, but no decoder takes it"})'
    return f'not an image that can be read ({reason})' if reason else 'not an image of a kind that can be read'


def _pixels_without_range(data: bytes | bytearray) -> str | None:
    """Whether a TIFF that Pillow does not know has whole pixels, but such as have no stated range."""
    from PIL import TiffImagePlugin

    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(bytes(data[: 16 if 43 in data[2:4] else 8]))  # 43: BigTIFF
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        formats, bits = set(tags.get(_SAMPLE_FORMAT, (1,))), max(tags.get(_BITS, (8,)))
    except Exception:  # damaged, then
        return None
    return _FLOATING if _FLOAT in formats else _SIGNED_OR_WIDE if formats != {1} or bits > 16 else None


def _open_heif(data: bytes | bytearray, name: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise PhotoError(f'{name}: HEIC needs a further package: pip install pillow-heif') from error
    return HeifImageFile(io.BytesIO(data))


def _orientation(image: Image.Image) -> int:
    """By EXIF, or XMP where there is none; 1 where it can't be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _ambiguity(image: Image.Image) -> str | None:
    """Why the pixels of a photo, of which only the header was read, could mean several things; None if they can't."""
    if image.mode == 'F':
        return _FLOATING
    if image.mode == 'I' and image.format != 'PPM':  # Pillow scales a PPM's to 16 bits
        return _SIGNED_OR_WIDE
    if image.mode == 'LAB':
        return 'LAB colours are not read; save it as RGB'
    key = image.info.get('transparency')
    if image.mode == 'RGB' and isinstance(key, tuple) and (_stored_with_16_bits(image) or max(key) > 255):
        return 'a 16-bit key colour for transparency is not read; save it with an alpha channel'
    tags = getattr(image, 'tag_v2', {})
    if 50706 in tags or int(tags.get(254) or 0) & 1 or bytes(getattr(image, '_header', b''))[8:10] == b'CR':
        return 'a raw file, of which only the preview could be read; develop it to JPEG, PNG or TIFF'
    if tags.get(284) == 2 and image.mode != 'I;16' and max(tags.get(258, (8,))) > 8:
        return '16-bit TIFF with separate planes is not read; save it with interleaved channels'
    return None


def _stored_with_16_bits(image: Image.Image) -> bool:
    """By the layouts that Pillow's decoders are told, such as ``RGB;16B``; False once the image is loaded."""
    tiles = getattr(image, 'tile', None) or ()
    layouts = [tile[3][0] if isinstance(tile[3], tuple) else tile[3] for tile in tiles]
    return any(str(layout).partition(';')[2].startswith('16') for layout in layouts)


def _convert(image: Image.Image) -> np.ndarray:
    """Loaded image to uint8 (H, W, 3), upright; strip by strip to need little memory."""
    width, height = image.size
    orientation = _orientation(image)
    turn, from_the_end = TURNS.get(orientation, (None, False))
    out = np.empty((width, height, 3) if orientation in SIDEWAYS else (height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        below = min(top + rows, height)
        strip = _to_rgb(image if rows >= height else image.crop((0, top, width, below)), image)
        place = slice(height - below, height - top) if from_the_end else slice(top, below)
        upright = strip if turn is None else _turned(strip, turn)
        out[(slice(None), place) if orientation in SIDEWAYS else place] = np.asarray(upright)
    return out


def _to_rgb(strip: Image.Image, image: Image.Image) -> Image.Image | np.ndarray:
    """A strip of a loaded image in 8-bit RGB: an image, or an array (H, W, 3)."""
    if strip.mode == 'I' or strip.mode.startswith('I;16'):
        return np.repeat(_high_byte(strip, getattr(image, 'tag_v2', {}))[..., None], 3, axis=2)
    if strip.has_transparency_data:
        rgba = np.asarray(strip.convert('LA').convert('RGBA') if strip.mode == 'La' else strip.convert('RGBA'))
        return blend(rgba[..., :3], rgba[..., 3:])
    return strip if strip.mode == 'RGB' else strip.convert('RGB')


def _turned(strip: Image.Image | np.ndarray, turn: Image.Transpose) -> Image.Image:
    return (Image.fromarray(strip) if isinstance(strip, np.ndarray) else strip).transpose(turn)


def _high_byte(image: Image.Image, tags: dict[int, object]) -> np.ndarray:
    """16-bit grey to 8 bits (H, W), and what Pillow leaves undone: 12-bit TIFF, 0 for white, a transparent level."""
    levels = np.asarray(image)
    grey = (levels >> (4 if tags.get(258) == (12,) else 8)).astype(np.uint8)
    if tags.get(262) == 0:
        grey = 255 - grey
    if isinstance(image.info.get('transparency'), int):
        grey[levels == image.info['transparency']] = 255
    return grey
