import io

import numpy as np
import pytest
from PIL import Image, features
from skimage.metrics import peak_signal_noise_ratio as psnr

from mmqpt.degradations import compression
from mmqpt.degradations._wavelet import through_wavelet


@pytest.mark.parametrize('shape', [(1, 1), (1, 2), (2, 1), (1, 9), (3, 3), (5, 8), (31, 17), (64, 64), (37, 200)])
def test_wavelet_gives_back_what_it_gets(rng, shape):
    plane = rng.normal(size=shape).astype(np.float32)
    assert through_wavelet(plane.copy(), 5, lambda band: band) == pytest.approx(plane, abs=1e-5)


def test_wavelet_of_a_ramp_has_nothing_in_the_high_bands():
    bands = []

    def collect(band):
        bands.append(band.copy())
        return band

    through_wavelet(np.linspace(0, 63, 64, dtype=np.float32)[:, None].repeat(64, 1), 1, collect)
    assert [band.shape for band in bands] == [(32, 32)] * 4
    low, *high = bands
    assert all(np.abs(band[2:-2, 2:-2]).max() < 1e-3 for band in high)
    assert low.std() > 10


def test_wavelet_is_nearly_orthonormal(rng):
    bands = []

    def collect(band):
        bands.append(band.copy())
        return band

    plane = rng.normal(size=(256, 256)).astype(np.float32)
    through_wavelet(plane, 5, collect)
    assert sum(band.size for band in bands) == plane.size
    assert sum((band**2).sum() for band in bands) == pytest.approx((plane**2).sum(), rel=0.05)


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
