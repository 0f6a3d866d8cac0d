"""A step waits for the device as seldom as it can: by count, not by time."""

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.engine.step_counts import StepCounts, _Kernels, _Methods, _Part, count_step


def test_a_step_waits_four_times(tiny_pretrain, tmp_path):
    """Are the queries, the keys and the gradients finite, and what is to be logged; all else can be queued."""
    counts = count_step(tiny_pretrain(tmp_path))
    places = sorted(place.split()[1] for place in counts.syncs.elements())
    places.remove('_update_key_encoder')  # of a number that is on the CPU beside a GPU, too
    assert places == ['_check_gradients', '_enqueue', '_finite_everywhere', 'fetched']
    assert set(counts.kernels) == {'transfer', 'forward', 'backward', 'optimiser', 'rest'}
    assert counts.kernels['rest'] <= 16
    assert counts.kernels['optimiser'] <= 30


def test_what_counts():
    counts, part = StepCounts(), _Part()
    x = torch.arange(6.0)
    with _Kernels(counts, part), _Methods(counts):
        part.timed('forward', lambda: (x * 2).view(2, 3).t())()
        torch._foreach_add([x, x], 1)
        bool((x > 2).any())
        x.tolist()
        x.cpu()
        torch.empty(3).detach()
    assert counts.kernels == {'forward': 1, 'rest': 3}
    assert counts.syncs.total() == 3


def test_warmup_must_be_a_number_of_steps(tiny_pretrain, tmp_path):
    with pytest.raises(InputError, match='warmup must be an integer >= 0, got -1'):
        count_step(tiny_pretrain(tmp_path), warmup=-1)
