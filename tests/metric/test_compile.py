"""torch.compile: no graph breaks, and the scores of the network as it is."""

import shutil

import numpy as np
import pytest
import torch

from mmqpt.metric.open import Scorer

SIZES = [(1, 64, 96), (3, 67, 95), (2, 128, 70)]


@pytest.fixture(autouse=True)
def forget():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.random((n, 3, height, width), np.float32)) for n, height, width in SIZES]


@pytest.mark.parametrize('dynamic', [True, False])
def test_one_graph_without_breaks(metric_weights, batches, dynamic):
    """``fullgraph`` raises at a graph break; this back-end runs the graph as it was captured."""
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    net = Scorer(metric_weights, 'cpu').net
    compiled = torch.compile(net, fullgraph=True, dynamic=dynamic, backend=keep)
    with torch.inference_mode():
        for batch in batches:
            torch.testing.assert_close(compiled(batch), net(batch), atol=1e-5, rtol=0)
    assert 1 <= len(graphs) <= len(batches)
    if not dynamic:
        assert len(graphs) == len(batches)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which('g++') or shutil.which('clang++')), reason='needs a C++ compiler')
@pytest.mark.parametrize('dynamic', [True, False])
def test_compiled_scores_are_those_of_the_network(metric_weights, batches, dynamic):
    scorer = Scorer(metric_weights, 'cpu')
    wanted = [scorer.score_batch(batch) for batch in batches]
    scorer.net.score_view = torch.compile(scorer.net.score_view, fullgraph=True, dynamic=dynamic)
    for batch, scores in zip(batches, wanted, strict=True):
        np.testing.assert_allclose(scorer.score_batch(batch), scores, atol=1e-5)
