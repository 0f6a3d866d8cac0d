"""Several ranks (gloo, CPU): one queue, one key encoder, the loss and gradients of one rank with all the photos."""

import pytest
import torch
from mmengine.dist import all_gather
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmpretrain.registry import MODELS
from torch.utils.data import DataLoader

import mmqpt.components  # noqa: F401
from mmqpt.datasets.photos.sampler import SeededSampler

NECK = {'type': 'NonLinearNeck', 'hid_channels': 16, 'out_channels': 8, 'num_layers': 2, 'norm_cfg': {'type': 'BN1d'}}


def build(**changes):
    torch.manual_seed(0)
    config = {
        'type': 'QPT',
        'backbone': {'type': 'TIMMBackbone', 'model_name': 'test_resnet'},
        'neck': NECK,
        'head': {'type': 'QCHead', 'temperature': 0.2},
        'queue_length': 50,
        'input_size': 32,
        **changes,
    }
    model = MODELS.build(config)
    model.init_weights()
    return model.double()  # embeddings are float32 all the same; so that little but the order of sums differs


def photos(step, count=12):
    """(count, 2, 2, 3, 32, 32) of one step, for all ranks together."""
    generator = torch.Generator().manual_seed(step)
    return torch.rand(count, 2, 2, 3, 32, 32, generator=generator).double()


def _train(rank, ranks):
    """Three steps; the states after each, and the keys that this rank made."""
    model = build().train()
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    seen = []
    project = model._project
    made = []
    model._project = lambda features, neck: made.append((neck, project(features, neck))) or made[-1][1]
    for step in range(4):
        made.clear()
        losses = wrapped(photos(step)[rank::ranks], mode='loss')
        optimizer.zero_grad()
        losses['loss'].backward()
        optimizer.step()
        (own,) = [value for neck, value in made if neck is model.key_neck]
        state = {name: value.clone() for name, value in model.state_dict().items()}
        seen.append({'state': state, 'own': own, 'statistics': step})
    return seen


@pytest.mark.parametrize('ranks', [2, 3, 4])
def test_all_ranks_are_one(on_ranks, ranks):
    """Weights, averages of BatchNorm, key encoder and queue: the same bits on all ranks after every step."""
    found = on_ranks(_train, ranks)
    for step in range(4):
        first = found[0][step]['state']
        for other in found[1:]:
            for name, value in first.items():
                assert torch.equal(value, other[step]['state'][name]), (step, name)


def test_keys_lie_in_rank_order(on_ranks):
    found = on_ranks(_train, 3)
    written = torch.cat([rank[0]['own'] for rank in found])  # 3 ranks x 4 photos x 4 patches
    queue = found[0][0]['state']
    assert int(queue['queue.filled']) == 48
    assert torch.equal(queue['queue.keys'][:48], written)
    assert not torch.equal(found[0][0]['own'], found[1][0]['own'])


def _gradients(rank, ranks):
    """BatchNorm in eval mode: two steps' losses and gradients; the queue has keys from the first on."""
    model = build(norm_eval=True, neck={'type': 'MoCoV2Neck', 'hid_channels': 16, 'out_channels': 8}).train()
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False) if ranks > 1 else model
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    found = []
    for step in range(3):
        loss = wrapped(photos(step)[rank::ranks], mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        mean = torch.stack(all_gather(loss.detach())).mean() if ranks > 1 else loss.detach()
        found.append((mean, gradients))
        optimizer.step()
        model.queue.keys[:] = model.queue.keys[model.queue.keys[:, 0].argsort()]  # order is another question
    return found


@pytest.mark.parametrize('ranks', [2, 3])
def test_ranks_have_loss_and_gradients_of_one_rank_with_all_photos(on_ranks, ranks):
    together = on_ranks(_gradients, ranks)[0]
    alone = _gradients(0, 1)
    for (loss, gradients), (wanted, wanted_gradients) in zip(together, alone, strict=True):
        torch.testing.assert_close(loss, wanted, rtol=1e-6, atol=0)
        assert set(gradients) == set(wanted_gradients)
        for name, gradient in gradients.items():
            error = (gradient - wanted_gradients[name]).norm() / wanted_gradients[name].norm().clamp(min=1e-6)
            assert error < 1e-4, name


def _poisoned(rank, ranks):
    """The second step of rank 1 alone is not finite."""
    model = build().train()
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    found = []
    for step in range(2):
        inputs = photos(step)[rank::ranks]
        if step == 1 and rank == 1:
            inputs[0, 0, 0, 0, 0, 0] = torch.nan
        model.zero_grad()
        loss = wrapped(inputs, mode='loss')['loss']
        loss.backward()
        spoiled = [not bool(w.grad.isfinite().all()) for w in model.parameters() if w.grad is not None]
        found.append((float(loss), all(spoiled), {name: v.clone() for name, v in model.state_dict().items()}))
    return found


def test_not_finite_on_one_rank_is_known_on_all(on_ranks):
    for rank in on_ranks(_poisoned, 2):
        (good, _, before), (bad, spoiled, after) = rank
        assert good == good
        assert bad != bad
        assert spoiled
        for name, value in before.items():
            if name.startswith(('key_', 'queue.', 'steps')):
                assert torch.equal(value, after[name]), name


def accumulate(count):
    """Two optimiser steps of ``count`` batches each; BatchNorm in eval mode."""
    model = build(norm_eval=True, neck={'type': 'MoCoV2Neck', 'hid_channels': 16, 'out_channels': 8}).train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    wrapper = OptimWrapper(optimizer, accumulative_counts=count)
    for step in range(2):
        for part in photos(step).chunk(count):
            model.begin_batch(ends_step=wrapper.should_sync())
            wrapper.update_params(model.loss(part)['loss'])
    return model.state_dict()


@pytest.mark.parametrize('count', [2, 3])
def test_accumulated_batches_are_one_large_batch(count):
    """Weights, key encoder, number of steps, and the queue, key by key."""
    wanted, found = accumulate(1), accumulate(count)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_without_the_word_of_the_loop_the_queue_would_differ():
    """The test above can fail: each batch as a step of its own moves the key encoder more often."""
    model = build(norm_eval=True, neck={'type': 'MoCoV2Neck', 'hid_channels': 16, 'out_channels': 8}).train()
    for part in photos(0).chunk(3):
        model.loss(part)
    assert int(model.steps) == 3


def test_nothing_is_drawn_twice_by_any_rank_or_worker_in_any_epoch(monkeypatch):
    """3 ranks x 2 workers, 3 epochs, stopped in the middle of the second and resumed."""
    drawn = []
    for rank in range(3):
        monkeypatch.setattr('mmqpt.datasets.photos.sampler.get_dist_info', lambda rank=rank: (rank, 3))
        for epoch, first, last in ((0, 0, 5), (1, 0, 2), (1, 2, 5), (2, 0, 5)):
            sampler = SeededSampler(_Draws(), seed=7)  # made anew: as after a restart
            sampler.set_epoch(epoch)
            sampler.start = first
            for number, value in zip(
                range(first, last), DataLoader(_Draws(), None, sampler=sampler, num_workers=2), strict=False
            ):
                assert number < last
                drawn.append(value)
    assert len(drawn) == 3 * 3 * 5
    assert len(set(drawn)) == len(drawn)


class _Draws:
    """A data set of 15 photos whose samples are the first number that their generator gives."""

    def __len__(self):
        return 15

    def __getitem__(self, key):
        from numpy.random import default_rng

        return float(default_rng(key.entropy).random())
