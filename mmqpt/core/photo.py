"""Reading a photo: one rule for pre-training, fine-tuning and scoring."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from mmqpt.core.errors import PhotoError

MAX_PIXELS = 178_956_970
"""Photos with more pixels are refused (a guard against decompression bombs; Pillow's own limit)."""

SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
"""File names that count as photos in a folder (case does not matter)."""

BACKGROUND = (255, 255, 255)
"""Colour behind transparent pixels."""


def read_photo(source: str | os.PathLike[str] | bytes, name: str | None = None) -> np.ndarray:
    """Decode a photo to 8-bit RGB as a person sees it.

    EXIF orientation is applied, grey is repeated to three channels, CMYK and palettes are converted, transparency is
    composited on :data:`BACKGROUND`, 16-bit grey keeps its high byte, and an animation gives its first frame. Plain
    JPEG and PNG files are decoded by OpenCV, all else by Pillow. Damage inside a JPEG that is complete to its end
    can't be told from the photo and is decoded as it is.

    Args:
        source: path of a file, or the bytes of one.
        name: what to call the photo in an error (the path by default).

    Returns:
        uint8 array of shape (H, W, 3), RGB.

    Raises:
        FileNotFoundError: there is no such file.
        PhotoError: empty, truncated, of more than :data:`MAX_PIXELS` pixels, or no image at all; names the photo.
    """
    if isinstance(source, bytes):
        data, name = source, name or '<bytes>'
    else:
        name = name or os.fspath(source)
        if not os.path.isfile(source):
            raise FileNotFoundError(f'no such photo: {name}')
        data = Path(source).read_bytes()
    if not data:
        raise PhotoError(f'{name}: the file is empty')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise PhotoError(f'{name}: refused, too many pixels ({error})') from error
    except (OSError, SyntaxError, ValueError) as error:
        raise PhotoError(f'{name}: not an image that can be read ({error})') from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise PhotoError(f'{name}: refused, {width}x{height} has more than {MAX_PIXELS} pixels')
    if _plain(image) and _complete(data, str(image.format)):
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if decoded is not None:
            return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    try:
        return _with_pillow(image)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PhotoError(f'{name}: damaged or truncated ({error})') from error


def swap_channels(image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """RGB to BGR or back, fifty times as fast as a reversed view that is made contiguous.

    Args:
        image: uint8 (H, W, 3).
        out: contiguous uint8 (H, W, 3) to write to; a new array by default.
    """
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=out)


def find_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """All photos below a folder, sorted by path.

    Args:
        folder: searched with its subfolders; names starting with a dot are left out.

    Raises:
        FileNotFoundError: there is no such folder.
        PhotoError: the folder holds no file with one of :data:`SUFFIXES`.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f'no such folder: {root}')
    found = sorted(
        path
        for path in root.rglob('*')
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith('.') for part in path.relative_to(root).parts)
        and path.is_file()
    )
    if not found:
        raise PhotoError(f'{root}: no photos in this folder (looked for {", ".join(SUFFIXES)})')
    return found


def photo_stamp(path: Path) -> str:
    """A key under which results of a photo can be stored: its path, size and time of change.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no such photo: {path}')
    found = path.stat()
    return f'{path.resolve()}|{found.st_size}|{found.st_mtime_ns}'


def _plain(image: Image.Image) -> bool:
    """8-bit grey or RGB without transparency: OpenCV and Pillow agree on these."""
    return image.format in ('JPEG', 'PNG') and image.mode in ('L', 'RGB') and 'transparency' not in image.info


def _complete(data: bytes, file_format: str) -> bool:
    """Whether the file ends as its format says. OpenCV fills what is missing with grey and does not tell."""
    end = data[-64:].rstrip(b'\0')
    return end.endswith(b'\xff\xd9') if file_format == 'JPEG' else b'IEND' in end


def _with_pillow(image: Image.Image) -> np.ndarray:
    image.seek(0)
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I;16') or image.mode == 'I':
        return np.repeat((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == 'F':
        raise ValueError('floating-point pixels have no stated range')
    if image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info:
        rgba = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', rgba.size, (*BACKGROUND, 255)), rgba)
    return np.array(image.convert('RGB'))
