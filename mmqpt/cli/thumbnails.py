"""Small copies of photos, to be embedded in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.core.fit import fit_box
from mmqpt.core.photo import read_photo

CARD = 240
"""Long side in px of a thumbnail beside the best and the worst photos."""

LINE = 112
"""Long side in px of a thumbnail in a table."""


def embedded_thumbnail(path: str, side: int = CARD) -> str | None:
    """A small WebP of a photo as a data URI, upright; None where it can't be read.

    Args:
        path: of the photo.
        side: of the copy in px: the longer one; a smaller photo keeps its size.
    """
    try:
        pixels = read_photo(path, min_side=side)
    except (InputError, OSError):
        return None
    file = io.BytesIO()
    Image.fromarray(fit_box(pixels, side, side)).save(file, 'WEBP', quality=65)
    return f'data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}'


def embedded_thumbnails(paths: Iterable[str], side: int, workers: int | None = None) -> Iterator[str | None]:
    """:func:`embedded_thumbnail` of each path, in their order, by ``workers`` threads."""
    with ThreadPoolExecutor(workers or 4) as pool:
        yield from pool.map(lambda path: embedded_thumbnail(path, side), paths)
