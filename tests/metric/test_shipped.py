"""The weights that come with the package: they are there, say what they are, and mean something."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import skimage.data

import mmqpt
from mmqpt.core.weights_file import read_weights
from mmqpt.core.weights_spec import file_sha256
from mmqpt.degradations import Recipe, Step, apply
from mmqpt.evaluation.protocols.level_order import ordered_shares
from mmqpt.metric.onnx_file import read_onnx
from mmqpt.metric.onnx_graph import read_graph
from mmqpt.metric.weights import find_weights, list_weights

CARD = Path(__file__).parent.parent.parent / 'docs' / 'model_card.md'
PHOTOS = ('astronaut', 'coffee', 'chelsea', 'rocket')


@pytest.fixture(scope='module')
def scorer():
    return mmqpt.Scorer()


@pytest.fixture(scope='module')
def photos():
    return [getattr(skimage.data, name)() for name in PHOTOS]


@pytest.fixture(autouse=True)
def bundled(monkeypatch):
    monkeypatch.delenv('MMQPT_WEIGHTS', raising=False)
    monkeypatch.setattr('mmqpt.metric.weights._registered', {})


def test_small_enough_and_named():
    path = find_weights()
    assert path.stat().st_size <= 15_000_000
    assert list_weights()['qpt'] == path


def test_spec_and_card_agree():
    path = find_weights()
    spec = read_weights(path)[1]
    card = CARD.read_text(encoding='utf-8')
    assert file_sha256(path) in card
    assert spec.config_sha256 in card
    assert spec.kind == 'metric'
    assert spec.mos_range == (0, 1)
    assert re.search(rf'\| opinion scores of \| {spec.dataset} \|', card)


def test_scores_are_those_of_the_release(scorer, photos):
    found = [scorer.score(photo) for photo in photos]
    assert found == pytest.approx(list(RELEASED), abs=2e-3), found


@pytest.mark.parametrize(
    'name',
    ['gaussian_blur', 'motion_blur', 'white_noise', 'jpeg', 'pixelate', 'defocus_blur', 'jpeg2000', 'resample_area'],
)
def test_harsher_is_worse(name, scorer, photos):
    """Chance is 0.5. The model card has all operators, on more and on unseen photos."""
    scores = [
        [scorer.score(photo)] + [scorer.score(apply(Recipe((Step(name, level),)), photo)) for level in (1, 3, 5)]
        for photo in photos
    ]
    assert ordered_shares(np.array(scores)).mean() > 0.9


RELEASED = (0.7158, 0.6623, 0.7338, 0.5755)
"""Scores of PHOTOS with the shipped weights, rounded."""


def test_an_onnx_file_is_told_in_a_sentence_and_without_its_bytes():
    file = read_onnx(find_weights().with_suffix('.onnx'))
    assert str(file).startswith('metric of tf_efficientnet_lite0')
    assert str(file).endswith('the graph takes any size')
    assert ('', 'Conv') in read_graph(file.data).operators
    assert ('', 'Pad') not in read_graph(file.data).operators  # it would take a sixth more time
    assert json.loads(read_graph(file.data).metadata['mmqpt'])['backbone'] == 'tf_efficientnet_lite0_side'
    assert len(repr(file)) < 2000
