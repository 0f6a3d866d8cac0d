"""The queue against a deque, and its way through a checkpoint."""

from collections import deque

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.models.key_queue import KeyQueue


@pytest.mark.parametrize('sizes', [[3, 3, 3, 3], [1, 2, 4, 5, 3], [7, 1], [10, 4], [2]])
def test_keeps_the_last_keys(sizes):
    queue, reference = KeyQueue(7, 1), deque(maxlen=7)
    value = 0
    for size in sizes:
        keys = torch.arange(value, value + size, dtype=torch.float32)[:, None]
        value += size
        queue.enqueue(keys)
        reference.extend(keys.flatten().tolist())
        assert sorted(queue.keys[queue.mask()].flatten().tolist()) == sorted(reference)
        assert queue.filled == len(reference)


def test_overwrites_the_oldest():
    queue = KeyQueue(4, 1)
    for value in range(6):
        queue.enqueue(torch.full((1, 1), float(value)))
    assert queue.keys.flatten().tolist() == [4, 5, 2, 3]
    assert queue.position == 2


def test_state_survives_a_checkpoint(tmp_path):
    queue = KeyQueue(5, 2)
    queue.enqueue(torch.randn(3, 2))
    torch.save(queue.state_dict(), tmp_path / 'queue.pth')
    copy = KeyQueue(5, 2)
    copy.load_state_dict(torch.load(tmp_path / 'queue.pth', weights_only=True))
    for each in (queue, copy):
        each.enqueue(torch.ones(4, 2))
    assert torch.equal(queue.keys, copy.keys)
    assert queue.position == copy.position
    assert queue.filled == copy.filled == 5


def test_empty_queue_takes_nothing():
    queue = KeyQueue(0, 2)
    queue.enqueue(torch.ones(4, 2))
    assert len(queue) == 0
    assert queue.mask().shape == (0,)


def test_bad_sizes():
    with pytest.raises(InputError, match='length >= 0 and width >= 1, got -1 and 2'):
        KeyQueue(-1, 2)


def test_keys_of_an_incomplete_step_wait():
    queue = KeyQueue(6, 1)
    queue.enqueue(torch.ones(2, 1), ends_step=False)
    assert queue.within_step
    assert queue.fill() == 0
    assert not any('waiting' in name for name in queue.state_dict())
    queue.enqueue(2 * torch.ones(1, 1))
    assert not queue.within_step
    assert queue.keys.flatten().tolist() == [1, 1, 2, 0, 0, 0]
    assert queue.fill() == 0.5


def test_a_queue_of_length_0_knows_steps_too():
    queue = KeyQueue(0, 1)
    queue.enqueue(torch.ones(2, 1), ends_step=False)
    assert queue.within_step
    queue.enqueue(torch.ones(2, 1))
    assert not queue.within_step
    assert queue.fill() == 0


@pytest.mark.parametrize('written', [0, 3, 7, 12])
@pytest.mark.parametrize('length', [0, 4, 6, 9, 20])
def test_a_queue_of_another_length_takes_the_newest_keys(length, written, caplog):
    """As MMEngine resumes: what does not fit is left out, so that counts without their keys would come."""
    first = KeyQueue(7, 1)
    for value in range(1, 1 + written):
        first.enqueue(torch.full((1, 1), float(value)))
    holder = torch.nn.Module()
    holder.queue = KeyQueue(length, 1)
    holder.load_state_dict({f'queue.{name}': value for name, value in first.state_dict().items()})
    reference = deque(range(max(1, written - 6), 1 + written), maxlen=length)
    queue = holder.queue
    assert sorted(queue.keys[queue.mask()].flatten().tolist()) == sorted(reference)
    queue.enqueue(torch.full((1, 1), 100.0))
    queue.enqueue(torch.full((1, 1), 101.0))
    reference.extend([100, 101])  # the oldest go first
    assert sorted(queue.keys[queue.mask()].flatten().tolist()) == sorted(reference)
    assert queue.keys.shape == (length, 1)
    assert first.keys.shape == (7, 1)
