"""The measurement behind the limits of decoding."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.photo_memory import files, measure
from mmqpt.core.limits import DECODING
from mmqpt.core.photo import photo_header, read_photo


def test_every_file_is_read_as_its_kind():
    for name, data in files(48).items():
        if name.startswith('HEIC'):
            pytest.importorskip('pillow_heif')
        assert read_photo(data).shape == (48, 48, 3), name
        memory = photo_header(data)[2]
        assert memory in {int(48 * 48 * each) for each in DECODING.values()}, name


@pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='the measurement needs Linux')
def test_what_is_measured_is_bytes_a_pixel(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)).save(stream, 'PNG', compress_level=1)
    assert 5 < float(measure(stream.getvalue(), str(tmp_path))) < 14
    assert 'PhotoError' in measure(b'no photo', str(tmp_path))
