"""Photos made to take all memory or time: refused or read, in little memory (measured in a process of its own)."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
BOMB = 512 << 20  # bytes that a few hundred kB unpack to
MOST = 300 << 20  # bytes that reading all of the files may take at its height, Python and its libraries included
SMALL = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)


def encode(kind, image=None, **options):
    stream = io.BytesIO()
    (image or Image.fromarray(SMALL)).save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def packed(size):
    """Zeros of that many bytes, compressed a thousandfold."""
    packer = zlib.compressobj(9)
    return b''.join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def png(*chunks, size=(8, 8), pixels=None):
    """A PNG with more chunks before its pixels."""
    header = struct.pack('>IIBBBBB', *size, 8, 2, 0, 0, 0)
    pixels = zlib.compress((b'\0' + bytes(size[0] * 3)) * size[1]) if pixels is None else pixels
    parts = [chunk(b'IHDR', header), *chunks, chunk(b'IDAT', pixels), chunk(b'IEND', b'')]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def sized(data, mark, offset, layout, *size):
    """A file whose header claims another size, ``offset`` bytes after a mark."""
    at = data.index(mark) + offset
    return data[:at] + struct.pack(layout, *size) + data[at + struct.calcsize(layout) :]


def frames(kind, count, **options):
    first, *rest = [Image.fromarray(np.full((64, 64, 3), 90 * i % 256, np.uint8)) for i in range(count)]
    return encode(kind, first, save_all=True, append_images=rest, **options)


def long_exif():
    """EXIF in which 60,000 tags point to the same 4 GB."""
    tag = struct.pack('<HHII', 0x9286, 7, 0xFFFFFFF0, 8)
    return b'II*\0' + struct.pack('<IH', 8, 60_000) + tag * 60_000


def bombs():
    bomb = packed(BOMB)
    far, small = 30_000, packed(1 << 20)
    return {
        'iCCP': (png(chunk(b'iCCP', b'x\0\0' + bomb)), True),
        'zTXt': (png(chunk(b'zTXt', b'x\0\0' + bomb)), True),
        'iTXt': (png(chunk(b'iTXt', b'x\0\1\0\0\0' + bomb)), True),
        'many zTXt': (png(*(chunk(b'zTXt', b'%d\0\0' % i + small) for i in range(200))), True),
        'many tEXt': (png(*(chunk(b'tEXt', b'%d\0a' % i) for i in range(50_000))), False),
        'eXIf': (png(chunk(b'eXIf', long_exif())), False),
        'IDAT of 512 MiB for 8x8 px': (png(pixels=bomb), False),
        'EXIF of a JPEG': (encode('JPEG', exif=b'Exif\0\0' + long_exif()[:65_000]), False),
        'size in a JPEG': (sized(encode('JPEG'), b'\xff\xc0', 5, '>HH', 65_535, 65_535), True),
        'size in a WebP': (sized(encode('WEBP', lossless=True), b'VP8L', 9, '<I', 0x0FFFFFFF), True),
        'size in an animated WebP': (sized(frames('WEBP', 2), b'VP8X', 12, '<HBHB', 65_535, 0xFF, 65_535, 0xFF), True),
        'size in a JPEG 2000': (sized(encode('JPEG2000', no_jp2=True), b'\xff\x51', 6, '>II', far, far), True),
        'size in a JP2 box': (sized(encode('JPEG2000'), b'ihdr', 4, '>II', far, far), True),
        'size in an AVIF': (sized(encode('AVIF'), b'ispe', 8, '>II', far, far), True),
        'frames of a GIF': (frames('GIF', 3000), False),
        'frames of a WebP': (frames('WEBP', 300), False),
        'frames of an APNG': (frames('PNG', 300), False),
        'pages of a TIFF': (frames('TIFF', 300), False),
    }


def measure(folder):
    """In a process of its own: what becomes of every file, and the most memory that the process has held, in bytes."""
    code = (
        'import json, re, sys\n'
        'from pathlib import Path\n'
        'from mmqpt.core.errors import PhotoError\n'
        'from mmqpt.core.photo import read_photo\n'
        'told = {}\n'
        'for path in sorted(Path(sys.argv[1]).iterdir()):\n'
        '    try:\n'
        '        told[path.name] = list(read_photo(path).shape)\n'
        '    except PhotoError as error:\n'
        '        told[path.name] = str(error)\n'
        '    peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])\n'
        '    told[path.name] = [told[path.name], peak]\n'
        'print(json.dumps(told))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='the measurement needs Linux')
def test_bombs_take_little_memory_and_are_named(tmp_path):
    made = bombs()
    for name, (data, _) in made.items():
        (tmp_path / name).write_bytes(data)
    told = measure(tmp_path)
    for name, (_, is_refused) in made.items():
        found, peak = told[name]
        assert isinstance(found, str) == is_refused, (name, found)
        assert not is_refused or name in found
        assert peak < MOST, (name, peak)
