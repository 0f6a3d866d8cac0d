import cv2
import numpy as np
import pytest

from mmqpt.degradations import displacement
from mmqpt.degradations._filter import cubic_weights


@pytest.fixture
def places() -> np.ndarray:
    """An image whose red and green tell x and y."""
    y, x = np.mgrid[:250, :250]
    return np.dstack([x, y, 0 * x]).astype(np.uint8)


def test_cubic_weights_against_opencv(rng):
    coarse = rng.normal(size=(9, 9)).astype(np.float32)
    weights = cubic_weights(70, 16)
    coarse = coarse[: weights.shape[1], : weights.shape[1]]
    fine = cv2.resize(coarse, (16 * len(coarse), 16 * len(coarse)), interpolation=cv2.INTER_CUBIC)[24:94, 24:94]
    assert weights @ coarse @ weights.T == pytest.approx(fine, abs=1e-5)
    assert weights.sum(1) == pytest.approx(np.ones(70), abs=1e-6)


def test_elastic_moves_by_its_amplitude_and_smoothly(places):
    inner = np.s_[20:-20, 20:-20, :2]
    moved = np.array(
        [displacement.elastic(places, 2.8, seed).astype(float)[inner] - places[inner] for seed in range(20)]
    )
    assert abs(moved.mean()) < 0.15
    assert moved.std() == pytest.approx(0.86 * 2.8, rel=0.05)
    assert np.abs(np.diff(moved, axis=1)).max() <= 3
    assert np.corrcoef(moved.reshape(-1, 2).T)[0, 1] == pytest.approx(0, abs=0.05)


def test_elastic_is_strongest_at_the_knots_of_its_grid():
    deviation = np.sqrt((cubic_weights(16 * 20, 16) ** 2).sum(1))
    assert deviation.max() == pytest.approx(1, abs=0.01)
    assert np.mean(deviation**2) == pytest.approx(0.86, abs=0.005)  # in x times in y, under a square root


def test_rolling_shutter_moves_whole_rows(places):
    moved = displacement.rolling_shutter(places, 7, 0).astype(float)[:, 10:-10] - places[:, 10:-10]
    assert np.ptp(moved[..., 0], axis=1).max() <= 1
    assert not moved[..., 1].any()
    shift = moved[..., 0].mean(1)
    assert 4 < np.abs(shift).max() <= 7.1
    assert np.abs(np.diff(shift)).max() < 2


def test_block_shift_moves_patches_by_4_to_12_px(places):
    moved = displacement.block_shift(places, 0.05, 0).astype(int) - places
    changed = moved.any(2)
    assert changed.mean() == pytest.approx(0.05, abs=0.02)
    inner = moved[20:-20, 20:-20][changed[20:-20, 20:-20]][:, :2]
    assert np.abs(inner).min() >= 4
    assert np.abs(inner).max() <= 12


def test_more_of_a_photo_shifts_the_same_patches_first(places):
    few, many = (displacement.block_shift(places, share, 3) for share in (0.02, 0.03))
    differs = (few != many).any(2)
    assert 0 < differs.mean() < 0.03


def test_jitter_moves_pixels_on_their_own(places):
    moved = displacement.jitter(places, 1.3, 0).astype(float)[10:-10, 10:-10] - places[10:-10, 10:-10]
    plane = moved[..., 0]
    assert np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.02)
