"""What decoding a photo would take, from its header: refused where that is more than mmqpt.core.limits allow."""

from __future__ import annotations

from typing import Any

from PIL import Image

from mmqpt.core.errors import PhotoError
from mmqpt.core.limits import DECODING, MAX_DECODING, MAX_PIXELS, MAX_SCANS, MAX_SMALL_TILE, MAX_TILE_SHARE

_WIDTH, _HEIGHT = (256, 322), (257, 323)  # tags of a TIFF: of the image and of a tile


def check_pixels(width: int, height: int, name: str) -> None:
    """Refuse a photo without pixels, or with more than :data:`MAX_PIXELS`.

    Raises:
        PhotoError: names the photo.
    """
    if width * height > MAX_PIXELS:
        raise PhotoError(f'{name}: refused, {width}x{height} has more than {MAX_PIXELS} pixels')
    if width * height == 0:
        raise PhotoError(f'{name}: has no pixels ({width}x{height})')


def check_start(data: bytes | bytearray, name: str) -> None:
    """Refuse a WebP by the size in its first bytes: its decoder takes memory for all pixels when it is opened.

    Raises:
        PhotoError: names the photo.
    """
    size = _webp_size(data)
    if size is not None:
        check_pixels(*size, name)
        _check_memory('WEBP', *size, name)


def check_decoding(image: Image.Image, data: bytes | bytearray, name: str) -> None:
    """Refuse a photo, of which only the header was read, whose decoding would take too much memory or time.

    Raises:
        PhotoError: names the photo.
    """
    check_pixels(*image.size, name)
    _check_memory(_kind(image), *image.size, name)
    if image.format == 'TIFF':
        _check_tiles(image, name)
    if image.info.get('progressive') and (scans := data.count(b'\xff\xda')) > MAX_SCANS + len(data) // 16_384:
        # within a scan, and so in most of a file, these two bytes never follow each other
        raise PhotoError(f'{name}: refused, a progressive JPEG of {scans} scans')


def decoding_memory(image: Image.Image) -> int:
    """Bytes that decoding takes at its peak beyond the file, of a photo of which only the header was read."""
    return int(image.width * image.height * DECODING.get(_kind(image), max(DECODING.values())))


def _kind(image: Image.Image) -> str:
    """The key of :data:`DECODING`."""
    kind = str(image.format)
    if kind not in ('JPEG', 'MPO'):
        return kind
    cmyk = 'CMYK ' if image.mode == 'CMYK' else ''
    return f'progressive {cmyk}JPEG' if image.info.get('progressive') else f'{cmyk}JPEG'


def _check_memory(kind: str, width: int, height: int, name: str) -> None:
    each = DECODING.get(kind, max(DECODING.values()))
    if width * height * each > MAX_DECODING:
        most = int(MAX_DECODING / each)
        raise PhotoError(
            f'{name}: refused, {width}x{height} has more than {most} pixels, the most for this format, whose decoding '
            f'takes {each:g} bytes a pixel'
        )


def _check_tiles(image: Image.Image, name: str) -> None:
    tags: Any = getattr(image, 'tag_v2', {})
    (width, tile_width), (height, tile_height) = (
        [max(int(_number(tags.get(tag))), 0) for tag in both] for both in (_WIDTH, _HEIGHT)
    )
    if tile_width * tile_height > max(MAX_SMALL_TILE, MAX_TILE_SHARE * width * height):
        raise PhotoError(f'{name}: refused, {width}x{height} in tiles of {tile_width}x{tile_height}')


def _number(value: Any) -> Any:
    return value if isinstance(value, int) else 0


def _webp_size(data: bytes | bytearray) -> tuple[int, int] | None:
    """Width and height of a WebP by its first chunk; None for other files, and where they can't be told."""
    start = bytes(data[:30])
    if start[:4] != b'RIFF' or start[8:12] != b'WEBP' or len(start) < 30:
        return None
    kind, body = start[12:16], start[20:]
    if kind == b'VP8X':
        return int.from_bytes(body[4:7], 'little') + 1, int.from_bytes(body[7:10], 'little') + 1
    if kind == b'VP8L':
        bits = int.from_bytes(body[1:5], 'little')
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b'VP8 ':
        return int.from_bytes(body[6:8], 'little') & 0x3FFF, int.from_bytes(body[8:10], 'little') & 0x3FFF
    return None
