"""Averages of weights and statistics, in closed form."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmqpt.models.key_encoder import longest_queue, momentum_at, move_towards


@pytest.mark.parametrize(('step', 'wanted'), [(0, 0.1), (8, 0.5), (10**6, 0.99)])
def test_momentum_ramps_up_to_its_bound(step, wanted):
    assert momentum_at(torch.tensor(step), 0.99).item() == pytest.approx(wanted)


def test_weights_and_statistics_move_and_integers_are_copied():
    key, query = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    for name, value in query.state_dict().items():
        value.fill_(5 if name == 'num_batches_tracked' else 2)
    for value in key.state_dict().values():
        value.zero_()
    move_towards([key], [query], 0.25)
    for name, value in key.state_dict().items():
        assert torch.equal(value, torch.full_like(value, 5 if name == 'num_batches_tracked' else 0.5)), name


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    layers = [layer for _ in range(5) for layer in (nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))]
    return nn.Sequential(*layers, nn.Linear(4, 70).to(torch.float64), nn.Linear(70, 9).half())


def test_the_bits_are_those_of_tensor_after_tensor():
    key, query, expected = network(0), network(1), network(0)
    share = 1 - momentum_at(torch.tensor(100), 0.999)
    for ours, theirs in zip(expected.state_dict().values(), query.state_dict().values(), strict=True):
        if ours.is_floating_point():
            with torch.no_grad():
                ours.lerp_(theirs, share.to(ours.dtype))
        else:
            ours.copy_(theirs)
    move_towards([key], [query], float(share))
    for (name, ours), wanted in zip(key.state_dict().items(), expected.state_dict().values(), strict=True):
        if ours.dtype == torch.float32:
            assert torch.equal(ours, wanted), name
        torch.testing.assert_close(ours, wanted)


class Calls(TorchDispatchMode):
    """Names of all operators that PyTorch dispatches."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(function.name())
        return function(*args, **(kwargs or {}))


def test_one_call_for_all_layers():
    key, query = network(0), network(1)
    with Calls() as calls:
        move_towards([key, key], [query, query], 0.5)
    moved = [name for name in calls.names if 'detach' not in name]  # detach, of state_dict, runs no kernel
    assert moved == ['aten::_foreach_lerp_.Scalar', 'aten::_foreach_copy_']


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match='argument 2 is'):
        move_towards([nn.Linear(2, 2)], [nn.Linear(2, 2, bias=False)], 0.5)


@pytest.mark.parametrize(
    ('steps', 'keys', 'wanted'),
    [(800, 96, 560), (2000, 96, 1360), (10_000, 96, 6693), (100, 96, 512), (10**6, 1024, 256_000), (1, 1, 512)],
)
def test_longest_queue_spans_a_quarter_of_what_the_key_encoder_remembers(steps, keys, wanted):
    assert longest_queue(steps, keys, 0.999) == wanted
    remembered = 1 / (1 - min((1 + steps // 4) / (10 + steps // 4), 0.999))
    assert wanted == max(512, round(keys * remembered / 4))


def test_queue_of_a_run_that_is_longer_may_be_longer():
    lengths = [longest_queue(steps, 96, 0.999) for steps in range(1, 40_000, 500)]
    assert lengths == sorted(lengths)
    assert longest_queue(10**6, 96, 0.9) == 512  # a quick key encoder needs a short queue at any length
