"""Features of batches on disk: whole, under their key, and nothing of a damaged file."""

import pytest
import torch
from mmpretrain.structures import DataSample

from mmqpt.engine import kept_features
from mmqpt.engine.kept_features import KeptFeatures, features_key
from mmqpt.models.protocol import BatchFeatures


def batch(number, ladder=True):
    sample = DataSample(metainfo={'name': f'{number}.jpg', 'mos': 2.5, 'scale': 'a', 'sample_key': (number, object())})
    sample.set_gt_score(torch.tensor([float(number)]))
    sample.ladder_levels = torch.tensor([0.0, 3.0])
    features = torch.full((2, 4), float(number))
    return BatchFeatures(features, -features if ladder else None), [sample]


def filled(folder, key, count, monkeypatch, ladder=True):
    monkeypatch.setattr(kept_features, 'SAVE_EVERY', 0.0)  # a block for each batch
    kept = KeptFeatures(folder, key)
    for number in range(count):
        kept.add(*batch(number, ladder))
    return kept


@pytest.mark.parametrize('ladder', [True, False])
def test_reads_what_was_written(tmp_path, monkeypatch, ladder):
    filled(tmp_path, 'key', 3, monkeypatch, ladder)
    found = KeptFeatures(tmp_path, 'key').to('cpu')
    assert [features.photos[0, 0].item() for features, _ in found] == [0, 1, 2]
    assert all((features.ladder is not None) == ladder for features, _ in found)
    (sample,) = found[2][1]
    assert (sample.name, sample.mos, sample.scale) == ('2.jpg', 2.5, 'a')
    assert sample.gt_score.tolist() == [2]
    assert sample.ladder_levels.tolist() == [0, 3]
    assert 'sample_key' not in sample


def test_writes_now_and_then_and_when_asked(tmp_path):
    kept = KeptFeatures(tmp_path, 'key')
    kept.add(*batch(0))
    assert not list(tmp_path.iterdir())
    kept.write()
    kept.write()
    assert len(list(tmp_path.iterdir())) == 1


def test_another_key_removes_all(tmp_path, monkeypatch):
    filled(tmp_path, 'key', 2, monkeypatch)
    assert KeptFeatures(tmp_path, 'other').batches == []
    assert not list(tmp_path.iterdir())


def test_without_a_key_nothing_is_on_disk(tmp_path, monkeypatch):
    kept = filled(tmp_path / 'folder', None, 2, monkeypatch)
    kept.write()
    assert len(kept.batches) == 2
    assert not (tmp_path / 'folder').exists()


@pytest.mark.parametrize('damage', [b'', b'PK\x03\x04', b'not a file of tensors', 'half', 'missing', 'other content'])
def test_a_damaged_block_and_those_after_it_are_computed_again(tmp_path, monkeypatch, damage):
    filled(tmp_path, 'key', 3, monkeypatch)
    path = tmp_path / 'block_00001.pt'
    if damage == 'missing':
        path.unlink()
    elif damage == 'half':
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == 'other content':
        torch.save({'key': 'key', 'batches': [{'photos': 1}]}, path)
    else:
        path.write_bytes(damage)
    kept = KeptFeatures(tmp_path, 'key')
    assert len(kept.batches) == 1
    kept.add(*batch(7))
    kept.write()
    assert [features.photos[0, 0].item() for features, _ in KeptFeatures(tmp_path, 'key').batches] == [0, 7]


def test_key_changes_with_weights_and_settings():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    keys = [features_key(network, {'passes': 1}), features_key(network, {'passes': 2})]
    network[1].running_mean += 1
    keys.append(features_key(network, {'passes': 1}))
    assert len(set(keys)) == 3
    network[1].running_mean -= 1
    assert features_key(network, {'passes': 1}) == keys[0]
