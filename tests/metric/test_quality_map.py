"""The map of local quality: its grid reaches every edge, and every score is that of the patch by itself."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmqpt.core.errors import InputError
from mmqpt.metric.open import Scorer
from mmqpt.metric.quality_map import MAX_SIDE, QualityMap, quality_map


@pytest.fixture(scope='module')
def scorer(metric_weights):
    return Scorer(metric_weights, 'cpu')


def test_scores_are_those_of_the_crops(scorer, photos):
    photo = photos[1][:150, :203]
    found = quality_map(scorer, photo, 64, 48)
    assert found.scores.shape == (3, 4)
    np.testing.assert_array_equal(found.photo, photo)
    for row, top in enumerate(found.tops):
        for column, left in enumerate(found.lefts):
            crop = torch.from_numpy(photo[top : top + 64, left : left + 64].copy()).permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                expected = scorer.net.score_view(crop).item()
            assert found.scores[row, column] == pytest.approx(expected, abs=1e-6)
    assert found.scores.std() > 1e-4


@pytest.mark.parametrize(('height', 'width', 'stride'), [(64, 64, 64), (65, 200, 32), (131, 97, 64), (130, 66, 1)])
def test_patches_reach_every_edge_without_gaps(scorer, height, width, stride):
    photo = np.zeros((height, width, 3), np.uint8)
    found = quality_map(scorer, photo, 64, stride)
    for starts, length in ((found.tops, height), (found.lefts, width)):
        assert starts[0] == 0
        assert starts[-1] + 64 == length
        steps = np.diff(starts)
        assert (steps <= stride).all()
        assert steps.size == 0 or steps.max() - steps.min() <= 1
    assert found.per_pixel().shape == (height, width)


def test_a_constant_photo_gives_a_constant_map(scorer):
    found = quality_map(scorer, np.full((100, 170, 3), 77, np.uint8), 64, 20)
    np.testing.assert_allclose(found.scores, found.scores[0, 0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.per_pixel(), found.scores[0, 0], rtol=0, atol=1e-6)


def test_per_pixel_meets_the_scores_at_the_centres_and_stays_between_them():
    scores = np.array([[0.1, 0.9, 0.3], [0.5, 0.2, 0.7]])
    found = QualityMap(scores, np.array([0, 6]), np.array([0, 4, 9]), (5, 5), np.zeros((11, 14, 3), np.uint8))
    pixels = found.per_pixel()
    np.testing.assert_allclose(pixels[np.ix_([2, 8], [2, 6, 11])], scores)
    assert pixels[0, 0] == pytest.approx(0.1)  # constant beyond the outermost centres
    assert pixels[10, 13] == pytest.approx(0.7)
    assert pixels[5, 2] == pytest.approx(0.3)
    assert pixels.min() >= 0.1 - 1e-12
    assert pixels.max() <= 0.9 + 1e-12


def test_sizes_are_brought_into_bounds(scorer, tmp_path):
    small = quality_map(scorer, np.zeros((20, 50, 3), np.uint8), 64, 32)
    assert small.photo.shape == (64, 160, 3)
    Image.new('RGB', (3000, 1000)).save(tmp_path / 'large.png')
    large = quality_map(scorer, tmp_path / 'large.png', 256, 256)
    assert large.photo.shape == (round(MAX_SIDE / 3), MAX_SIDE, 3)
    strip = quality_map(scorer, np.zeros((4, 4096, 3), np.uint8), 64, 64)
    assert strip.photo.shape == (1, MAX_SIDE, 3)
    assert strip.patch == (1, 64)
    assert strip.scores.shape == (1, 16)


def test_bad_arguments_are_refused(scorer):
    photo = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InputError, match='patch must be from 32 to 1024 px, got 8'):
        quality_map(scorer, photo, 8, 4)
    for stride in (0, 65):
        with pytest.raises(InputError, match=rf'stride must be from 1 px to patch \(64 px\), got {stride}'):
            quality_map(scorer, photo, 64, stride)
    with pytest.raises(FileNotFoundError, match=r'nope\.jpg'):
        quality_map(scorer, 'nope.jpg')


def test_a_plane_has_no_detail_and_faint_texture_has():
    x, y = np.meshgrid(np.arange(64.0), np.arange(64.0))
    plane = 60 + x + 0.5 * y
    checks = 100 + 4 * ((x.astype(int) + y.astype(int)) % 2 * 2 - 1)
    for pixels, plain in ((plane, True), (np.full((64, 64), 9.0), True), (checks, False)):
        photo = np.repeat(pixels.round().astype(np.uint8)[..., None], 3, axis=2)
        found = QualityMap(np.array([[0.5]]), np.array([0]), np.array([0]), (64, 64), photo)
        assert found.plain().tolist() == [[plain]]
        assert found.plain_per_pixel().all() == plain


def test_what_is_plain_lies_where_it_is_in_the_photo(photos):
    photo = photos[0][100:164, :192].copy()
    photo[:, 128:] = 80
    found = QualityMap(np.full((1, 3), 0.5), np.array([0]), np.array([0, 64, 128]), (64, 64), photo)
    assert found.plain().tolist() == [[False, False, True]]
    assert found.plain_per_pixel().any(axis=0).tolist() == [x >= 128 for x in range(192)]
