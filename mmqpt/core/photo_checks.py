"""Finds truncated and damaged photos that decoders accept."""

from __future__ import annotations

import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

# Our own limit refuses what is too large, and Pillow's warnings about odd metadata name no photo. Appended, so that the
# user's own filters take precedence.
warnings.filterwarnings('ignore', category=Image.DecompressionBombWarning, append=True)
warnings.filterwarnings('ignore', category=UserWarning, module=r'PIL\.', append=True)


def jpeg_ends(data: bytes | bytearray) -> bool:
    """Whether an end mark follows the first scan: OpenCV silently fills what is missing with grey."""
    if data.endswith(b'\xff\xd9'):
        return True
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:
            return data.find(b'\xff\xd9', at) >= 0  # within a scan 0xFF is always followed by another byte
        if data[at + 1] == 0xFF:
            at += 1
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return False


def png_is_whole(data: bytes | bytearray) -> bool:
    """Whether every chunk that matters to the pixels has its checksum, to the end; Pillow does not check them all."""
    at, view = 8, memoryview(data)
    while at + 12 <= len(data):
        kind, end = bytes(view[at + 4 : at + 8]), at + 8 + int.from_bytes(view[at : at + 4], 'big')
        if end + 4 > len(data):
            return False
        if kind[:1].isupper() or kind == b'tRNS':
            if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], 'big'):
                return False
            if kind == b'IEND':
                return True
        at = end + 4
    return False


class _Strict:
    lock = threading.Lock()
    inside = 0
    truncated = False


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Pillow refuses truncated files, whatever other libraries have set. Safe with threads."""
    with _Strict.lock:
        if _Strict.inside == 0:
            _Strict.truncated, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _Strict.inside += 1
    try:
        yield
    finally:
        with _Strict.lock:
            _Strict.inside -= 1
            if _Strict.inside == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = _Strict.truncated
