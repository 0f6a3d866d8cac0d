"""Measure how much memory decoding a photo takes, by format: the figures of mmqpt/core/limits.py and docs/photos.md.

Example:
    python benchmarks/photo_memory.py --side 4000

Each file is read in a process of its own. Printed is the growth of its peak memory by read_photo, less the bytes of the
file, for each pixel. Linux only.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CODE = """
import re, sys
from pathlib import Path
from mmqpt.core import photo
photo.Image.init()
path = sys.argv[1]
def peak():
    return 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])
before = peak()
pixels = photo.read_photo(path)
print(peak() - before - Path(path).stat().st_size, pixels.shape[0] * pixels.shape[1])
"""


def files(side: int) -> dict[str, bytes]:
    """Photos of ``side`` x ``side`` px of every format and kind of pixels; smooth, so that files are small."""
    ramp = np.linspace(0, 255, side, dtype=np.uint8)
    rgb = Image.merge('RGB', [Image.fromarray(np.tile(ramp, (side, 1)))] * 3)
    grey, rgba, cmyk = rgb.convert('L'), rgb.convert('RGBA'), rgb.convert('CMYK')
    rgba.putalpha(grey)
    grey16 = Image.fromarray(np.tile(ramp.astype(np.uint16) << 8, (side, 1)))
    palette = grey.convert('P')
    found = {
        'JPEG': encoded(rgb, 'JPEG'),
        'JPEG, turned': encoded(rgb, 'JPEG', exif=turned()),
        'progressive JPEG, 4:4:4': encoded(rgb, 'JPEG', progressive=True, subsampling=0),
        'CMYK JPEG': encoded(cmyk, 'JPEG'),
        'progressive CMYK JPEG': encoded(cmyk, 'JPEG', progressive=True),
        'PNG': encoded(rgb, 'PNG', compress_level=1),
        'PNG, RGBA': encoded(rgba, 'PNG', compress_level=1),
        'PNG, 16-bit grey': encoded(grey16, 'PNG', compress_level=1),
        'PNG, palette with transparency': encoded(palette, 'PNG', compress_level=1, transparency=0),
        'GIF': encoded(palette, 'GIF'),
        'GIF, two frames': encoded(palette, 'GIF', save_all=True, append_images=[palette.rotate(180)]),
        'BMP': encoded(rgb, 'BMP'),
        'PPM': encoded(rgb, 'PPM'),
        'WebP': encoded(rgb, 'WEBP', method=0),
        'WebP, lossless RGBA': encoded(rgba, 'WEBP', lossless=True, method=0, quality=0),
        'WebP, two frames': encoded(rgb, 'WEBP', method=0, save_all=True, append_images=[rgb.rotate(180)]),
        'TIFF': encoded(rgb, 'TIFF'),
        'TIFF, LZW, RGBA': encoded(rgba, 'TIFF', compression='tiff_lzw'),
        'TIFF, CMYK': encoded(cmyk, 'TIFF', compression='tiff_adobe_deflate'),
        'TIFF, JPEG': encoded(rgb, 'TIFF', compression='jpeg'),
        'TIFF, one strip': encoded(rgb, 'TIFF', compression='tiff_adobe_deflate', strip_size=1 << 31),
        'JPEG 2000': encoded(rgb, 'JPEG2000'),
        'JPEG 2000, RGBA': encoded(rgba, 'JPEG2000'),
        'JPEG 2000, tiles': encoded(rgb, 'JPEG2000', tile_size=(512, 512)),
    }
    if 'AVIF' in Image.SAVE:
        found |= {
            'AVIF': encoded(rgb, 'AVIF', speed=10),
            'AVIF, RGBA, 4:4:4': encoded(rgba, 'AVIF', speed=10, subsampling='4:4:4'),
        }
    try:
        import pillow_heif
    except ImportError:
        return found
    stream = io.BytesIO()
    pillow_heif.from_pillow(rgba).save(stream, format='HEIF')
    return {**found, 'HEIC, RGBA': stream.getvalue()}


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    """EXIF that asks for a quarter turn."""
    found = Image.Exif()
    found[0x0112] = 6
    return found


def measure(data: bytes, folder: str) -> str:
    """Bytes a pixel beyond the file, or why it could not be read."""
    path = Path(folder) / 'photo'
    path.write_bytes(data)
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', CODE, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:80]
    extra, pixels = map(int, done.stdout.split())
    return f'{extra / pixels:.1f}'


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--side', type=int, default=4000, help='px (default: %(default)s)')
    args = parser.parse_args()
    print('| file | bytes a pixel beyond the file |\n|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files(args.side).items():
            print(f'| {name} | {measure(data, folder)} |', flush=True)


if __name__ == '__main__':
    main()
