import io

import numpy as np
import pytest
from PIL import Image, features
from skimage.metrics import peak_signal_noise_ratio as psnr

from mmqpt.degradations import LEVELS, OPERATORS, compression
from mmqpt.degradations._wavelet import split, through_wavelet


@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (2, 1), (1, 9), (3, 3), (5, 8), (31, 17), (64, 64), (37, 200)])
def test_wavelet_gives_back_what_it_gets(rng, shape):
    planes = rng.normal(size=(shape[0], 3, shape[1])).astype(np.float32)
    assert through_wavelet(planes.copy(), 5, lambda band: None) == pytest.approx(planes, abs=1e-5)


def lifted(rows: np.ndarray) -> np.ndarray:
    """One split along the first axis, step by step and row by row, as the standard writes it."""
    rows = rows.astype(float)
    count = len(rows)

    def at(place):
        place = abs(place)
        return rows[place if place < count else 2 * (count - 1) - place]

    for first, step in (
        (1, -1.586134342059924),
        (0, -0.052980118572961),
        (1, 0.882911075530934),
        (0, 0.443506852043971),
    ):
        for place in range(first, count, 2):
            rows[place] += step * (at(place - 1) + at(place + 1))
    rows[::2] *= 1.149604398860241
    rows[1::2] /= 1.149604398860241
    return rows


@pytest.mark.parametrize(('height', 'width'), [(64, 48), (37, 21), (2, 5), (16, 33)])
def test_split_is_lifting(rng, height, width):
    plane = rng.normal(size=(height, width))
    expected = lifted(lifted(plane).T)
    found = split(plane.astype(np.float32)[:, None])
    assert found[:, 0] == pytest.approx(expected, abs=1e-5)


def test_wavelet_of_a_ramp_has_nothing_in_the_high_bands():
    found = split(np.linspace(0, 63, 64, dtype=np.float32)[:, None].repeat(64, 1)[:, None])[:, 0]
    low, *high = (found[y::2, x::2] for y in (0, 1) for x in (0, 1))
    assert all(np.abs(band[2:-2, 2:-2]).max() < 1e-3 for band in high)
    assert low.std() > 10


def test_wavelet_is_nearly_orthonormal(rng):
    plane = rng.normal(size=(256, 1, 256)).astype(np.float32)
    assert (split(plane) ** 2).sum() == pytest.approx((plane**2).sum(), rel=0.05)


@pytest.mark.skipif(not features.check('jpg_2000'), reason='Pillow without OpenJPEG')
@pytest.mark.parametrize('step', [24, 64])
def test_jpeg2000_errs_where_the_codec_errs(photos, step):
    image = np.ascontiguousarray(photos[0][:256, :256])
    ours = compression.jpeg2000(image, step)
    quality = psnr(image, ours)
    data = io.BytesIO()
    options = {'quality_mode': 'dB', 'quality_layers': [quality], 'irreversible': True}
    Image.fromarray(image).save(data, 'JPEG2000', **options)
    theirs = np.asarray(Image.open(data))
    assert psnr(image, theirs) == pytest.approx(quality, abs=2)
    assert psnr(ours, theirs) > quality
    blocks = [np.abs(out.astype(float) - image).reshape(16, 16, 16, 16, 3).mean((1, 3, 4)) for out in (ours, theirs)]
    assert np.corrcoef(blocks[0].ravel(), blocks[1].ravel())[0, 1] > 0.85


@pytest.mark.parametrize(('function', 'form'), [('jpeg', 'JPEG'), ('webp', 'WEBP'), ('avif', 'AVIF')])
def test_codec_comes_near_pillow(photos, function, form):
    if form == 'AVIF' and not features.check('avif'):
        pytest.skip('Pillow without AVIF')
    image = np.ascontiguousarray(photos[1][:128, :128])
    data = io.BytesIO()
    Image.fromarray(image).save(data, form, quality=30)
    theirs = np.asarray(Image.open(data).convert('RGB'))
    ours = getattr(compression, function)(image, 30)
    assert abs(psnr(image, ours) - psnr(image, theirs)) < 2.5


def test_avif_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(Image.EXTENSION, '.avif', 'AVIF')
    monkeypatch.delitem(Image.SAVE, 'AVIF', raising=False)
    with pytest.raises(RuntimeError, match='Pillow with AVIF'):
        compression.avif(np.zeros((8, 8, 3), np.uint8), 20)


@pytest.mark.skipif(not features.check('avif'), reason='Pillow without AVIF')
def test_avif_decodes_on_one_thread(monkeypatch):
    """Pillow's own number is one a core, in each of a loader's workers."""
    from PIL import AvifImagePlugin

    found, opened = [], Image.open

    def spy(*args, **options):
        found.append(AvifImagePlugin.DEFAULT_MAX_THREADS)
        return opened(*args, **options)

    monkeypatch.setattr(AvifImagePlugin, 'DEFAULT_MAX_THREADS', 3)
    monkeypatch.setattr(Image, 'open', spy)
    compression.avif(np.zeros((8, 8, 3), np.uint8), 20)
    assert found == [1]
    assert AvifImagePlugin.DEFAULT_MAX_THREADS == 3


@pytest.mark.skipif(not features.check('avif'), reason='Pillow without AVIF')
@pytest.mark.parametrize('level', LEVELS)
def test_levels_of_codecs_lose_alike(photos, level):
    """AVIF's are set by the root mean square error of JPEG's and WebP's."""
    found = {
        name: np.mean([psnr(photo, OPERATORS[name](photo, level)) for photo in photos])
        for name in ('jpeg', 'webp', 'avif')
    }
    assert found['avif'] == pytest.approx((found['jpeg'] + found['webp']) / 2, abs=0.5)
