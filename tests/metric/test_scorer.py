"""What any scorer promises, and ``Scorer(file)`` as the class that reads the file."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.metric import weights
from mmqpt.metric.scorer import Scorer
from mmqpt.metric.torch_scorer import TorchScorer


def test_a_file_makes_the_scorer_that_reads_it(metric_weights, photos):
    scorer = mmqpt.Scorer(metric_weights, 'cpu')
    assert type(scorer) is TorchScorer
    assert mmqpt.Scorer is Scorer
    assert type(Scorer(weights=str(metric_weights), device='cpu')) is TorchScorer
    assert scorer.score(photos[0]) == TorchScorer(metric_weights, 'cpu').score(photos[0])
    assert scorer.device == torch.device('cpu')
    assert isinstance(scorer.view, View)
    assert scorer.spec.kind == 'metric'


def test_an_onnx_file_makes_an_onnx_scorer(metric_weights, tmp_path, photos, monkeypatch):
    pytest.importorskip('onnxruntime')
    from mmqpt.metric.onnx_export import export_onnx
    from mmqpt.metric.onnx_scorer import OnnxScorer

    path = tmp_path / 'q.onnx'
    export_onnx(metric_weights, path)
    for scorer in (Scorer(path, 'cpu'), Scorer(weights=str(path), device='cpu', threads=1), Scorer(path, 'cpu', 1)):
        assert type(scorer) is OnnxScorer
        assert scorer.score(photos[0]) == OnnxScorer(path, 'cpu').score(photos[0])
    monkeypatch.setattr(weights, '_registered', {})
    weights.name_weights('qpt-mine', path)
    assert type(Scorer('qpt-mine', 'cpu')) is OnnxScorer


@pytest.mark.parametrize('through', [copy.copy, copy.deepcopy, lambda scorer: pickle.loads(pickle.dumps(scorer))])
def test_copies_score_the_same(through, metric_weights, photos):
    scorer = Scorer(metric_weights, 'cpu')
    found = through(scorer)
    assert type(found) is TorchScorer
    assert found is not scorer
    assert found.score(photos[0]) == scorer.score(photos[0])


def test_the_first_scorer_needs_no_other_import(metric_weights):
    code = f'from mmqpt.metric.scorer import Scorer; print(type(Scorer({str(metric_weights)!r}, "cpu")).__name__)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == 'TorchScorer', done.stderr


class Mean(Scorer):
    """Somebody's own: the mean of all pixels."""

    def __init__(self, factor, view=None):
        self.factor, self.view, self.device = factor, view or View(), torch.device('cpu')

    def score_batch(self, batch):
        return self.factor * batch.double().mean((1, 2, 3)).numpy() / 255


def test_a_subclass_has_its_own_arguments():
    photo = np.full((40, 50, 3), 51, np.uint8)
    assert Mean(0.5).score(photo) == pytest.approx(0.1)
    assert Mean(factor=1, view=View(min_side=8)).prepare(photo[:8]).shape == (3, 8, 50)
    with pytest.raises(InputError, match='no finite score'):
        Mean(np.nan).score(photo)
    with pytest.raises(NotImplementedError):
        Mean(1).score_view(torch.zeros(1, 3, 8, 8))


def test_what_is_not_there():
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: x\.safetensors'):
        Scorer('x.safetensors', 'cpu')
