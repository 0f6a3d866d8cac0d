"""Which of our models and of mmpretrain's have which part."""

import torch
from mmpretrain.registry import MODELS

import mmqpt.components  # noqa: F401
from mmqpt.models.protocol import CountsSteps, Exportable, ShowsEmbeddings
from tests.models.test_qpt import TINY, batch, build


def parts_of(model):
    return [isinstance(model, part) for part in (CountsSteps, ShowsEmbeddings, Exportable)]


def test_who_has_what():
    assert parts_of(build()) == [True, True, True]
    assert parts_of(MODELS.build({'type': 'IQARegressor', 'backbone': TINY, 'input_size': 32})) == [False, False, True]
    assert parts_of(MODELS.build({'type': 'ImageClassifier', 'backbone': TINY})) == [False, False, False]


def test_embeddings_of_the_last_training_batch():
    model = build()
    model.eval().loss(batch())
    assert model.last_embeddings() is None
    model.train().loss(batch())
    first = model.last_embeddings()
    assert first.queries.shape == (12, 8)
    assert not first.queries.requires_grad
    assert torch.allclose(first.queries.norm(dim=1), torch.ones(12))
    model.loss(batch(seed=1))
    assert (int(first.queued), int(model.last_embeddings().queued)) == (12, 20)  # what was seen stays as it was


def test_keys_wait_for_the_end_of_the_step():
    model = build().train()
    model.begin_batch(False)
    model.loss(batch())
    model.loss(batch(seed=1))
    assert (int(model.queue.filled), int(model.steps)) == (0, 1)
    model.begin_batch(True)
    model.loss(batch(seed=2))
    assert (int(model.queue.filled), int(model.steps)) == (20, 1)
    model.loss(batch(seed=3))
    assert int(model.steps) == 2
