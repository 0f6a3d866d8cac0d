"""Does BatchNorm tell which patches came in one batch? On pure noise there is nothing else to tell them by.

Keys that are normalised by their own batch of n patches add up to nearly nothing, so that two of them have a cosine of
about -1 / (n - 1), and of keys from other batches 0. A network needs but to learn that sign to find its positive.
"""

import pytest
import torch
from mmpretrain.registry import MODELS
from scipy.stats import mannwhitneyu

import mmqpt.components  # noqa: F401
from mmqpt.models.key_queue import KeyQueue


def auc_of_togetherness(keys_of_their_batch: bool, batches: int = 150) -> float:
    """How well the cosine of two keys tells whether they are of one batch: 0.5 not at all, 0 or 1 always.

    Each batch is four patches of fresh noise, as of a rank with one photo.
    """
    torch.manual_seed(0)
    model = MODELS.build(
        {
            'type': 'QPT',
            'backbone': {'type': 'TIMMBackbone', 'model_name': 'test_resnet'},
            'neck': {
                'type': 'NonLinearNeck', 'hid_channels': 32, 'out_channels': 32, 'num_layers': 2,
                'norm_cfg': {'type': 'BN1d'},
            },
            'head': {'type': 'QCHead', 'temperature': 0.2},
            'queue_length': 4 * batches,
            'input_size': 32,
        }
    )  # fmt: skip
    model.init_weights()
    model.train()
    generator = torch.Generator().manual_seed(1)
    made = []
    model.queue.enqueue = lambda keys, _: made.append(keys.clone()) or KeyQueue.enqueue(model.queue, keys)
    with torch.no_grad():
        for step in range(20 + batches):
            if step == 20:  # the averages have seen some batches
                model._update_key_encoder = lambda: None  # one encoder for all, so that its age tells nothing
                if keys_of_their_batch:  # as MoCo without shuffled batches; QPT itself has no such mode
                    model.key_backbone.train()
                    model.key_neck.train()
            model.loss(torch.rand(1, 2, 2, 3, 32, 32, generator=generator))
    keys = torch.stack(made[20:])  # (batches, 4, E)
    together = (
        torch.einsum('bie,bje->bij', keys, keys).flatten(1)[:, [1, 2, 3, 6, 7, 11]].flatten()
    )  # the pairs of a batch
    apart = torch.einsum('bie,bje->bij', keys[:-1], keys[1:]).flatten()
    return mannwhitneyu(together, apart).statistic / (len(together) * len(apart))


def test_keys_of_averaged_statistics_tell_nothing():
    assert auc_of_togetherness(False) == pytest.approx(0.5, abs=0.05)


def test_keys_of_their_batch_would_tell():
    """The leak that the averages close."""
    assert auc_of_togetherness(True) < 0.2
