"""Pooling and the quality head."""

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.head import QualityHead, pool_features


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_maps_tokens_and_vectors_are_averaged_over_space():
    maps = torch.rand(2, 5, 3, 4)
    loop = torch.zeros(2, 5)
    for n in range(2):
        for c in range(5):
            loop[n, c] = sum(maps[n, c, y, x] for y in range(3) for x in range(4)) / 12
    torch.testing.assert_close(pool_features(maps), loop)
    torch.testing.assert_close(pool_features(maps.flatten(2).transpose(1, 2)), loop)
    assert pool_features(loop) is loop


@pytest.mark.parametrize('kind', [tuple, list])
def test_the_last_stage_counts(kind):
    stages = kind([torch.rand(2, 4, 8, 8), torch.rand(2, 7, 4, 4)])
    torch.testing.assert_close(pool_features(stages), pool_features(stages[-1]))


@pytest.mark.parametrize('shape', [(3,), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match='must have 2, 3 or 4 dimensions, got shape'):
        pool_features(torch.rand(shape))


@pytest.mark.parametrize('hidden', [0, 1, 16])
def test_scores_lie_inside_the_range(hidden):
    head = QualityHead(6, hidden).eval()
    scores = head(torch.randn(50, 6))
    assert scores.shape == (50,)
    assert ((scores > 0) & (scores < 1)).all()
    assert head(torch.randn(1, 6)).shape == (1,)


def test_formula_with_a_hidden_layer():
    head = QualityHead(4, 3, dropout=0.5).eval()
    features = torch.randn(5, 4)
    first, second = (layer for layer in head.layers if isinstance(layer, torch.nn.Linear))
    hidden = (features @ first.weight.T + first.bias).clamp(min=0)
    logit = (hidden @ second.weight.T + second.bias)[:, 0]
    torch.testing.assert_close(head(features), 1 / (1 + torch.exp(-logit)))


def test_formula_without_a_hidden_layer():
    head = QualityHead(4, 0).eval()
    (linear,) = (layer for layer in head.layers if isinstance(layer, torch.nn.Linear))
    features = torch.randn(5, 4)
    torch.testing.assert_close(head(features), torch.sigmoid(features @ linear.weight[0] + linear.bias))


def test_dropout_only_in_training():
    head = QualityHead(64, 8, dropout=0.5)
    features = torch.randn(1, 64)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


def test_batch_equals_one_by_one():
    head = QualityHead(6, 16).double().eval()
    features = torch.randn(8, 6, dtype=torch.float64)
    torch.testing.assert_close(head(features), torch.cat([head(row[None]) for row in features]))


def test_gradcheck():
    head = QualityHead(3, 4).double().eval()
    assert torch.autograd.gradcheck(head, torch.randn(4, 3, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize('arguments', [(0,), (4, -1), (4, 2, 1.0), (4, 2, -0.1)])
def test_errors(arguments):
    with pytest.raises(InputError, match='QualityHead needs channels >= 1, hidden >= 0 and 0 <= dropout < 1, got'):
        QualityHead(*arguments)
