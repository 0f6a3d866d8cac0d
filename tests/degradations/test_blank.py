"""Frames without a picture."""

import numpy as np

from mmqpt.degradations.blank import blank_frame


def test_blank_frames(photos, rng):
    frames = [blank_frame(photos[0], rng) for _ in range(80)]
    assert all(frame.shape == photos[0].shape and frame.dtype == np.uint8 for frame in frames)
    detail = [np.abs(np.diff(frame.astype(float), axis=0)).mean() for frame in frames]
    assert max(detail) < 6 < np.abs(np.diff(photos[0].astype(float), axis=0)).mean()
    means = np.array([frame.mean() for frame in frames])
    assert (means < 6).any()
    assert (means > 249).any()
    assert ((means > 20) & (means < 230)).any()
