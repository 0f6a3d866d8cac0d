"""How much a file may ask for: every bound on photos, weights and tables stands here; docs/security.md explains them.

A file of a few bytes can describe a photo or a network of gigabytes. What it describes is compared with these bounds
before memory is taken or work begins.
"""

from __future__ import annotations

# Photos.

MAX_PIXELS = 178_956_970
"""Photos with more pixels are refused (a guard against decompression bombs; Pillow's own limit)."""

MAX_BYTES = 1_600_000_000
"""Files with more bytes are refused: more than the pixels of the largest photo take at 8 bytes each."""

MAX_DECODING = 1710 << 20
"""Bytes that decoding one photo may take beyond its file; a photo that would take more is refused."""

DECODING = {
    'JPEG': 7.3,
    'progressive JPEG': 10.0,
    'CMYK JPEG': 7.5,
    'progressive CMYK JPEG': 16.0,
    'PNG': 8.5,
    'GIF': 8.5,
    'BMP': 8.5,
    'PPM': 8.5,
    'WEBP': 20.0,
    'TIFF': 8.5,
    'AVIF': 17.5,
    'HEIF': 14.0,
    'JPEG2000': 24.5,
}
"""Bytes a pixel that decoding takes at its peak beyond the file, by format: what benchmarks/photo_memory.py measures
for the worst pixels, rounded up."""

MAX_TILE_SHARE = 4
"""A tile of a TIFF may have this many times the pixels of its photo, or :data:`MAX_SMALL_TILE`."""

MAX_SMALL_TILE = 1 << 22
MAX_SCANS = 200
"""A progressive JPEG may have this many scans; encoders make about ten, and each takes the time of a whole photo."""

# Weights and networks.

MAX_TENSORS = 20_000
"""A file of weights may hold this many tensors; timm's largest networks have some thousand."""

MAX_MISSING = 1 << 28
"""Values (1 GiB in float32) that a network may hold beyond those of its file, where it can't be built without memory:
parts that ``features_only`` cuts off."""

MAX_TABLES = 1 << 24
"""Values that tables of a network, which are computed and not stored, may hold beyond those of its file."""

MAX_MISSING_TENSORS = 10_000
MAX_NUMBER = 1 << 16
"""Whole numbers among the arguments of a network (widths, depths) must not be larger."""

MAX_IMAGE_SIDE = 1024
"""px: the size of photo (``img_size``) that a network may be built for."""

MAX_TRIAL_SIDE = 512
"""px: the short side of what a network is tried on before its first photo."""

MAX_MIN_SIDE, MAX_PLACES = 2048, 1000
"""px and number of crops of a size rule in weights, or a file could make each photo take for ever."""

MAX_VIEW = 1 << 28
"""px that the crops of one photo may have together, mirror images included, by a size rule in weights."""

MAX_NESTING, MAX_VALUES = 8, 10_000
"""Arguments of a network: lists in lists, and values in all."""

# Tables.

MAX_SPARE_ROWS = 100_000
"""A Parquet file may have this many rows, or as many as it has bytes."""

MAX_TEXT_SHARE, MAX_SPARE_TEXT = 100, 64 << 20
"""Texts of a Parquet file of scores may have this many times the bytes of the file, and this many more."""
