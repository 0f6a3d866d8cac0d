"""Histories of the log: bounded, their means and the last values as they were."""

import numpy as np
import pytest
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mmqpt.engine import train_loop
from mmqpt.engine.log_history import course, shorten


def logged(values, keep, every=1):
    history = HistoryBuffer()
    for number, value in enumerate(values, 1):
        history.update(value)
        if number % every == 0:
            shorten(history, keep)
    return history


@pytest.mark.parametrize('every', [1, 7, 64])
@pytest.mark.parametrize('steps', [16, 17, 100, 1000])
def test_a_history_is_bounded_and_tells_the_same(steps, every):
    values = np.random.default_rng(0).random(steps).tolist()
    history = logged(values, 8, every)
    assert len(history.data[0]) < 2 * 8 + every
    assert history.mean() == pytest.approx(np.mean(values))
    assert history.current() == values[-1]
    assert history.mean(8) == pytest.approx(np.mean(values[-8:]))
    found = course(history)
    assert len(found) == steps
    np.testing.assert_array_equal(found[-8:], values[-8:])


def test_parts_are_of_equal_length():
    """The beginning is not joined over and over to one value."""
    history = logged(range(1000), 8)
    assert history.data[1].tolist() == [128] * 7 + [96] + [1] * 8
    np.testing.assert_allclose(course(history)[::128][:7], np.arange(7) * 128 + 63.5)


def test_values_that_are_not_finite_do_not_spread():
    values = np.arange(40.0)
    values[3] = np.nan
    history = logged(values.tolist(), 8)
    assert np.isfinite(course(history)).all()
    assert np.isnan(course(logged([float('nan')] * 40, 8))).all()


def test_short_histories_stay():
    history = logged([1.0, 2.0, 3.0], 8)
    assert history.data[0].tolist() == [1, 2, 3]


def test_a_run_shortens_its_log_and_draws_all_of_it(tiny_pretrain, tmp_path, monkeypatch):
    monkeypatch.setattr(train_loop, 'SHORTENED_EVERY', 2)
    monkeypatch.setattr(train_loop, 'shorten', lambda history: shorten(history, 2))
    runner = Runner.from_cfg(tiny_pretrain(tmp_path, **{'train_cfg.max_epochs': 6}))
    runner.train()
    losses = runner.message_hub.get_scalar('train/loss')
    assert len(losses.data[0]) <= 4
    assert len(course(losses)) == 12
    assert 'Step 12 of 12' in (tmp_path / 'report.html').read_text()
