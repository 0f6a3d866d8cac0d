"""What decoding would take is known from the header, and refused before memory is taken."""

import base64
import io
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmqpt.core import photo as photo_module
from mmqpt.core import photo_limits
from mmqpt.core.errors import PhotoError
from mmqpt.core.limits import DECODING, MAX_DECODING, MAX_PIXELS
from mmqpt.core.photo import photo_header, read_photo

ROOT = Path(__file__).parent.parent.parent
JPEG_2000 = (  # 13,000 x 13,000 px of one colour
    'AAAADGpQICANCocKAAAAFGZ0eXBqcDIgAAAAAGpwMiAAAAAtanAyaAAAABZpaGRyAAAyyAAAMsgAAwcHAAAAAAAPY29scgEAAAAA'
    'ABAAAACzanAyY/9P/1EALwAAAAAyyAAAMsgAAAAAAAAAAAAAMsgAADLIAAAAAAAAAAAAAwcBAQcBAQcBAf9SAAwAAAABAAUEBAAB'
    '/1wAE0BASEhQSEhQSEhQSEhQSEhQ/2QAJQABQ3JlYXRlZCBieSBPcGVuSlBFRyB2ZXJzaW9uIDIuNS40/5AACgAAAAAALAAB/5Pf'
    'gBAIkN+AEAiQ34AQCJCAgICAgICAgICAgICAgID/2Q=='
)


def encoded(kind, size=(32, 24), mode='RGB', **options):
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind, **options)
    return stream.getvalue()


def webp(kind, body):
    chunk = kind + struct.pack('<I', len(body)) + body
    return b'RIFF' + struct.pack('<I', 4 + len(chunk)) + b'WEBP' + chunk


def canvas(width, height):
    """A WebP that says only how large it is."""
    return webp(b'VP8X', b'\0\0\0\0' + (width - 1).to_bytes(3, 'little') + (height - 1).to_bytes(3, 'little'))


def tiff_with_tile(side):
    """16 x 16 px in one tile."""
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side), (324, 8), (325, 8)]
    entries = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags)
    return b'II*\0' + struct.pack('<I', 16) + b'x' * 8 + struct.pack('<H', len(tags)) + entries + bytes(4)


def scans(count):
    """A progressive JPEG whose last scan is there many times."""
    data = encoded('JPEG', progressive=True)
    last = data.rindex(b'\xff\xda')
    return data[:last] + data[last:-2] * count + b'\xff\xd9'


SMALL_AND_LARGE = {
    'JPEG 2000': (base64.b64decode(JPEG_2000), '13000x13000 has more than'),
    'WebP': (canvas(13_000, 13_000), '13000x13000 has more than'),
    'WebP beyond all pixels': (canvas(1 << 24, 1 << 24), f'has more than {MAX_PIXELS} pixels'),
    'lossless WebP': (webp(b'VP8L', b'\x2f' + struct.pack('<I', 12_999 | 12_999 << 14) + bytes(9)), '13000x13000 has'),
    'lossy WebP': (webp(b'VP8 ', b'\x30\1\0\x9d\1\x2a' + struct.pack('<HH', 13_000, 13_000) + bytes(9)), '13000x13000'),
    'tile of a TIFF': (tiff_with_tile(20_000), '16x16 in tiles of 20000x20000'),
    'scans': (scans(300), 'a progressive JPEG of 3[0-9][0-9] scans'),
}


@pytest.mark.parametrize('kind', SMALL_AND_LARGE)
def test_a_small_file_that_asks_for_much_is_refused(kind):
    data, reason = SMALL_AND_LARGE[kind]
    assert len(data) < 20_000
    with pytest.raises(PhotoError, match=rf'^bomb: refused, .*{reason}'):
        read_photo(data, 'bomb')


@pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='the measurement needs Linux')
def test_and_takes_no_memory(tmp_path):
    for kind, (data, _) in SMALL_AND_LARGE.items():
        (tmp_path / kind).write_bytes(data)
    code = (
        'import re, sys\nfrom pathlib import Path\nfrom mmqpt.core.photo import Image, photo_header, read_photo\n'
        'Image.init()\n'
        'peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10\n'
        'before = peak()\n'
        'for path in Path(sys.argv[1]).iterdir():\n'
        '    for read in (read_photo, photo_header):\n'
        '        try: read(path)\n'
        '        except ValueError: pass\n'
        'print(peak() - before)\n'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 50  # MiB


def test_the_limit_is_that_of_each_format(monkeypatch):
    monkeypatch.setattr(photo_limits, 'MAX_DECODING', 24 * 32 * 10)  # ten bytes a pixel
    for kind, options in (('JPEG', {}), ('PNG', {}), ('TIFF', {}), ('JPEG', {'progressive': True}), ('BMP', {})):
        assert read_photo(encoded(kind, **options)).shape == (24, 32, 3)
    for kind, options in (
        ('WEBP', {}), ('JPEG2000', {}), ('AVIF', {}), ('JPEG', {'mode': 'CMYK', 'progressive': True})
    ):  # fmt: skip
        if kind in Image.SAVE or kind != 'AVIF':
            with pytest.raises(PhotoError, match=r'32x24 has more than .* the most for this format'):
                read_photo(encoded(kind, **options))


def test_every_photo_of_the_most_pixels_is_read_in_the_common_formats():
    for kind in ('JPEG', 'progressive JPEG', 'CMYK JPEG', 'PNG', 'TIFF', 'GIF', 'BMP', 'PPM'):
        assert MAX_PIXELS * DECODING[kind] <= MAX_DECODING, kind


def test_usual_tiles_and_scans_are_read():
    assert read_photo(scans(20)).shape == (24, 32, 3)
    stream = io.BytesIO()
    Image.new('RGB', (300, 200)).save(stream, 'TIFF', tiffinfo={322: 256, 323: 256}, compression='tiff_lzw')
    assert read_photo(stream.getvalue()).shape == (200, 300, 3)


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'TIFF', 'JPEG2000', 'GIF'])
def test_the_header_says_what_reading_will_find(kind, tmp_path):
    data = encoded(kind)
    (tmp_path / 'a').write_bytes(data)
    wanted = (32, 24, int(32 * 24 * DECODING[kind]))
    assert photo_header(data) == photo_header(tmp_path / 'a') == wanted


@pytest.mark.parametrize('data', [b'', b'x', b'RIFF....WEBPVP8X', b'\xff\xd8\xff', SMALL_AND_LARGE['WebP'][0]])
def test_what_has_no_header(data, tmp_path):
    (tmp_path / 'a').write_bytes(data)
    with pytest.raises(PhotoError, match=re.escape(str(tmp_path / 'a'))):
        photo_header(tmp_path / 'a')
    with pytest.raises(FileNotFoundError, match='no such photo'):
        photo_header(tmp_path / 'b')


@pytest.mark.skipif(os.name == 'nt', reason='no such files there')
@pytest.mark.parametrize('read', [read_photo, photo_header])
@pytest.mark.parametrize('kind', ['pipe', 'socket', 'device', 'folder', 'pipe in its place', 'link to a pipe'])
def test_nothing_but_regular_files_is_opened(kind, read, tmp_path, monkeypatch):
    """Nobody writes to the pipe: opening it as a file would never end."""
    path = tmp_path / 'a.jpg'
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == 'socket':
            monkeypatch.chdir(tmp_path)  # names of sockets are short
            bound.bind('a.jpg')
        elif kind == 'device':
            path.symlink_to('/dev/zero')
        elif kind == 'folder':
            path.mkdir()
        elif kind == 'link to a pipe':
            os.mkfifo(tmp_path / 'p')
            path.symlink_to('p')
        elif kind == 'pipe':
            os.mkfifo(path)
        else:  # it takes the place of a photo between the look at it and its opening
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
            real = os.stat

            def swap(name, *args, **options):
                found = real(name, *args, **options)
                if os.fspath(name) == str(path):
                    path.unlink()
                    os.mkfifo(path)
                return found

            monkeypatch.setattr(photo_module.os, 'stat', swap)
        told = []

        def run():
            try:
                read(path)
            except Exception as error:
                told.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(20)
        monkeypatch.undo()
    assert told, 'still waiting'
    assert isinstance(told[0], PhotoError)
    assert re.search(r'a\.jpg: (no regular file \(a (pipe|socket|device|folder)\)|a folder)', str(told[0]))
