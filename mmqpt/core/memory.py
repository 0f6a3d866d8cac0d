"""The C library's heap: what training and its loader need of it."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Numbers of glibc's parameters (malloc.h)."""

_KEPT = 256 << 20
_LARGEST = 32 << 20
"""What glibc takes at most."""

_STEP = 16 << 20


def keep_freed_memory() -> bool:
    """Let glibc keep up to 256 MB of freed memory, and serve arrays of up to 32 MB from it.

    By default it gives arrays of about a megabyte back to the system as soon as they are freed; the next one then costs
    a page fault for every 4 kB, which can take longer than the work on it. Forked processes inherit the setting.
    Preloading another allocator has the same effect, and makes this one void.

    Returns:
        Whether it was set: not on systems without glibc.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # such as musl
        return False
    options = ((_MMAP_THRESHOLD, _LARGEST), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _STEP))
    set_ = [mallopt(option, size) == 1 for option, size in options]
    return all(set_)
