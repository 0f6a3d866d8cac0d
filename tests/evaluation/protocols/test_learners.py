"""What protocols compare: names, keys that change with whatever changes a result, and the linear probe itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmpretrain.registry import MODELS

from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.datasets.rated.ratings import group_of
from mmqpt.evaluation.protocols.features import FeatureStore
from mmqpt.evaluation.protocols.frozen import FrozenFeatures, weights_key
from mmqpt.evaluation.protocols.learners import LinearProbe, Method, PyiqaMetric, parse_method
from mmqpt.evaluation.protocols.linear_probe import cross_validated_probe
from mmqpt.evaluation.protocols.tasks import open_rated_set, split_tasks


@pytest.fixture
def task(rated_set):
    return split_tasks(
        open_rated_set(rated_set, rated_set.parent / 'images'), ['ratio604_seed0_split_01'], [1], 0.3, 0
    )[0]


@pytest.fixture
def probe(tiny_finetune, tmp_path):
    return LinearProbe(FrozenFeatures(tiny_finetune(tmp_path), [1.0, 0.5], FeatureStore(tmp_path / 'features')))


@pytest.mark.parametrize(
    ('text', 'name', 'weights'),
    [
        ('random', 'random', 'random'),
        ('QPT=work/epoch_1.pth', 'QPT', 'work/epoch_1.pth'),
        ('both = a.pth+imagenet:efficientnet_lite0', 'both', 'a.pth+imagenet:efficientnet_lite0'),
        ('pyiqa:piqe', 'pyiqa:piqe', 'pyiqa:piqe'),
    ],
)
def test_parse_method(text, name, weights):
    assert parse_method(text) == Method(name, weights)
    assert parse_method(text).is_pyiqa == weights.startswith('pyiqa:')


@pytest.mark.parametrize('text', ['=a.pth', 'name=', ''])
def test_parse_method_errors(text):
    with pytest.raises(InputError, match='--weights takes WEIGHTS or NAME=WEIGHTS, got'):
        parse_method(text)


def test_weights_key_follows_the_content(tmp_path):
    for name, content in (('a', b'1'), ('b', b'1'), ('c', b'2')):
        (tmp_path / name).write_bytes(content)
    a, b, c = (weights_key(str(tmp_path / name)) for name in 'abc')
    assert a == b != c
    assert weights_key('random') == 'random'
    with pytest.raises(FileNotFoundError, match='no such file of weights: nowhere'):
        weights_key('nowhere')


def test_probe_learns_from_features(probe, task, tmp_path):
    predicted, chosen = probe.predict(Method('r', 'random'), task, tmp_path)
    assert predicted.shape == (12,)
    assert chosen['penalty'] >= 1
    again, _ = probe.predict(Method('r', 'random'), task, tmp_path)
    np.testing.assert_array_equal(predicted, again)  # random weights are seeded, features come from the store
    assert len(list((tmp_path / 'features').glob('*.npz'))) == 1


def test_features_are_those_of_the_weights(probe, task, pretrained_checkpoint, tmp_path):
    probe.predict(Method('q', str(pretrained_checkpoint)), task, tmp_path)
    stored = np.load(next((tmp_path / 'features').glob('*.npz')))
    path = task.test_set.path(task.test[0])
    row = next(i for i, stamp in enumerate(stored['stamps']) if stamp.startswith(str(path)))
    model = MODELS.build({**probe.features.model_cfg, 'pretrained': str(pretrained_checkpoint)})
    model.init_weights()
    model.eval()
    photo = torch.from_numpy(read_photo(path)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        maps = model.backbone(model.data_preprocessor.normalise(model.view.resize(photo)))
    expected = maps[-1].mean(dim=(2, 3))[0]
    np.testing.assert_allclose(stored['features'][row][: len(expected)], expected, rtol=1e-3, atol=1e-4)


def test_side_by_side_is_more_than_either(probe, task, pretrained_checkpoint, tmp_path):
    alone, _ = probe.predict(Method('r', 'random'), task, tmp_path)
    both, _ = probe.predict(Method('b', f'random+{pretrained_checkpoint}'), task, tmp_path)
    assert not np.allclose(alone, both)
    assert len(list((tmp_path / 'features').glob('*.npz'))) == 2


def test_key_changes_with_what_changes_the_result(probe, tiny_finetune, tmp_path, pretrained_checkpoint):
    def key_of(scales=(1.0, 0.5), seed=0, **changes):
        cfg = tiny_finetune(tmp_path, **changes)
        return LinearProbe(FrozenFeatures(cfg, scales, probe.features.store, seed=seed)).key(method)

    method = Method('r', 'random')
    key = probe.key(method)
    assert key == key_of()
    assert key == probe.key(Method('another name', 'random'))
    assert key != probe.key(Method('q', str(pretrained_checkpoint)))
    for changes in ({'model.view.min_side': 65}, {'model.data_preprocessor.mean': [1, 2, 3]}):
        assert key != key_of(**changes), changes
    assert key != key_of(scales=[1.0])
    assert key != key_of(seed=1)


def test_only_configs_of_fine_tuning(tiny_pretrain, tmp_path):
    with pytest.raises(InputError, match=r"not a config of fine-tuning \(its model is 'QPT'\)"):
        FrozenFeatures(tiny_pretrain(tmp_path), [1.0], FeatureStore(tmp_path))


def test_pyiqa_metric_is_turned_so_that_higher_is_better(task, tmp_path):
    pyiqa = pytest.importorskip('pyiqa')
    found, chosen = PyiqaMetric(FeatureStore(tmp_path)).predict(Method('p', 'pyiqa:piqe'), task, tmp_path)
    metric = pyiqa.create_metric('piqe')
    assert metric.lower_better
    photo = torch.from_numpy(read_photo(task.test_set.path(task.test[2]))).permute(2, 0, 1)[None].float() / 255
    assert found[2] == pytest.approx(-float(metric(photo)), rel=1e-5)
    assert chosen == {}


def test_pyiqa_metric_with_weights_of_its_own(task, tmp_path, metric_weights):
    method = Method('ours', f'pyiqa:qpt@{metric_weights}')
    learner = PyiqaMetric(FeatureStore(tmp_path))
    found, _ = learner.predict(method, task, tmp_path)
    assert ((found > 0) & (found < 1)).all()
    assert learner.key(method) != learner.key(Method('other', 'pyiqa:qpt'))


def test_full_reference_metrics_are_refused(task, tmp_path):
    with pytest.raises(InputError, match='pyiqa:psnr needs a reference photo'):
        PyiqaMetric(FeatureStore(tmp_path)).predict(Method('p', 'pyiqa:psnr'), task, tmp_path)


def test_probe_fits_each_rating_scale_and_keeps_near_duplicates_together(probe, task, tmp_path, monkeypatch):
    given = []

    def fitted(labelled, mos, test, scales, groups):
        given.append((scales, groups))
        return cross_validated_probe(labelled, mos, test, scales, groups)

    monkeypatch.setattr('mmqpt.evaluation.protocols.learners.cross_validated_probe', fitted)
    info = replace(task.train_set.info, scale_column='kind')
    rated = replace(task.train_set, data=replace(task.train_set.data, info=info))
    pooled, _ = probe.predict(Method('r', 'random'), task, tmp_path)
    found, _ = probe.predict(Method('r', 'random'), replace(task, train_set=rated, test_set=rated), tmp_path)
    labelled = [*task.train, *task.val]
    groups = [group_of(rating, info.group_column) for rating in labelled]
    assert given == [(None, groups), ([rating.row['kind'] for rating in labelled], groups)]
    assert not np.allclose(found, pooled)
