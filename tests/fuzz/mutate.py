"""How files are damaged: edits that hypothesis draws, so that it can also make a finding small."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.seeds import TOKENS

_NUMBERS = (0, 1, 2, 127, 128, 255, 256, 32767, 65535, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def damaged(whole: Sequence[bytes], is_text: bool) -> st.SearchStrategy[bytes]:
    """Bytes of one of the seeds after up to six edits."""
    place = st.floats(0, 1) | st.floats(0, 0.05)  # headers are hit as often as the rest
    byte = st.tuples(st.just('byte'), place, st.integers(0, 255))
    number = st.tuples(
        st.just('number'),
        place,
        st.sampled_from(_NUMBERS),
        st.sampled_from((1, 2, 4)),
        st.sampled_from(('little', 'big')),
    )
    cut = st.tuples(st.just('cut'), place, place)
    copy = st.tuples(st.just('copy'), place, place, place)
    splice = st.tuples(st.just('splice'), place, st.sampled_from(whole), place, place)
    token = st.tuples(st.just('token'), place, st.sampled_from(TOKENS), st.integers(0, 12))
    edit = st.one_of(*([token, token, token] if is_text else [byte, number, number, token]), byte, cut, copy, splice)
    return st.builds(_apply, st.sampled_from(whole), st.lists(edit, min_size=0, max_size=6))


def _apply(data: bytes, edits: Sequence[tuple]) -> bytes:
    out = bytearray(data)
    for kind, where, *rest in edits:
        at = int(where * len(out))
        if kind == 'byte':
            out[at : at + 1] = bytes([rest[0]])
        elif kind == 'number':
            value, size, order = rest
            out[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)
        elif kind == 'cut':
            del out[at : at + 1 + int(rest[0] * (len(out) - at))]
        elif kind == 'copy':
            begin, length = int(rest[0] * len(out)), int(rest[1] * 64)
            out[at:at] = out[begin : begin + length]
        elif kind == 'splice':
            other, begin, end = rest
            first, last = sorted((int(begin * len(other)), int(end * len(other))))
            out[at:at] = other[first:last]
        else:
            out[at : at + rest[1]] = rest[0]
    return bytes(out)
