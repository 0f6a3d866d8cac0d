"""Degradation in the preprocessor: the patches that PatchPairs gives, and a run of QPT on them."""

import json

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.datasets.photo_windows  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.datasets.patch_pairs import PackPatchPairs, PatchPairs
from mmqpt.datasets.photo_windows import PhotoWindows
from mmqpt.degradations.batched import BATCHED
from mmqpt.models.degrading_preprocessor import DegradingPreprocessor
from mmqpt.models.preprocessor import PhotoPreprocessor

EXACT = ['brightness', 'hue', 'haze', 'jpeg', 'white_noise', 'dead_pixels', 'block_shift', 'gaussian_blur', 'webp']
OPTIONS = {'patch_size': 32, 'window': 96, 'space': {'operators': EXACT}}


def batch_of(transforms, photos, bgr=True):
    data = []
    for seed, photo in enumerate(photos):
        results = {'img': np.ascontiguousarray(photo[..., ::-1] if bgr else photo), 'rng': np.random.default_rng(seed)}
        for transform in transforms:
            results = transform(results)
        data.append(results)
    return {key: [sample[key] for sample in data] for key in ('inputs', 'data_samples')}


@pytest.mark.parametrize('positions', ['independent', 'shared'])
@pytest.mark.parametrize(('versions', 'patches'), [(2, 2), (3, 2), (2, 3)])
def test_gives_what_patch_pairs_gives(photos, positions, versions, patches):
    assert set(EXACT) - set(BATCHED) == {'webp'}
    options = {**OPTIONS, 'versions': versions, 'patches': patches, 'positions': positions}
    expected = PhotoPreprocessor()(batch_of([PatchPairs(**options), PackPatchPairs()], photos))
    data = batch_of([PhotoWindows(**options)], photos)
    kept = [window.clone() for window in data['inputs']]
    found = DegradingPreprocessor()(data, training=True)
    assert found['inputs'].shape == (3, versions, patches, 3, 32, 32)
    assert torch.equal(found['inputs'], expected['inputs'])
    assert [sample.recipes for sample in found['data_samples']] == [s.recipes for s in expected['data_samples']]
    assert all(torch.equal(one, two) for one, two in zip(data['inputs'], kept, strict=True))


def test_channels_in_rgb_order(photos):
    data = batch_of([PhotoWindows(**OPTIONS)], photos)
    expected = DegradingPreprocessor()(data)['inputs']
    data['inputs'] = [window.flip(0) for window in data['inputs']]
    assert torch.equal(DegradingPreprocessor(bgr_to_rgb=False)(data)['inputs'], expected)


def test_a_stacked_batch_and_autocast_change_nothing(photos):
    data = batch_of([PhotoWindows(patch_size=32, window=96)], photos)
    expected = DegradingPreprocessor()(data)['inputs']
    data['inputs'] = torch.stack(data['inputs'])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(DegradingPreprocessor()(data)['inputs'], expected)


def test_other_data_is_treated_as_by_the_photo_preprocessor(photos):
    patches = batch_of([PatchPairs(**OPTIONS), PackPatchPairs()], photos)
    whole = {'inputs': [torch.from_numpy(photo).permute(2, 0, 1) for photo in photos]}
    for data in (patches, whole, {**whole, 'data_samples': [DataSample() for _ in photos]}):
        found, expected = DegradingPreprocessor()(data)['inputs'], PhotoPreprocessor()(data)['inputs']
        assert type(found) is type(expected)
        assert all(torch.equal(one, two) for one, two in zip(found, expected, strict=True))


def test_errors(photos):
    data = batch_of([PhotoWindows(**OPTIONS)], photos)
    floats = {**data, 'inputs': [window.float() for window in data['inputs']]}
    with pytest.raises(InputError, match=r'windows to be degraded must be uint8, got torch.float32'):
        DegradingPreprocessor()(floats)
    data['inputs'][1] = data['inputs'][1][:, :90]
    with pytest.raises(
        InputError, match=r'windows of a batch must be of one size, got \[\(3, 90, 96\), \(3, 96, 96\)\]'
    ):
        DegradingPreprocessor()(data)


def test_it_is_registered_and_keeps_statistics():
    built = MODELS.build({'type': 'DegradingPreprocessor', 'mean': [1, 2, 3], 'std': [4, 5, 6]})
    assert built.statistics == {'mean': [1.0, 2.0, 3.0], 'std': [4.0, 5.0, 6.0]}


def losses(work_dir):
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line)['loss'] for line in lines]


@pytest.mark.parametrize('workers', [0, 2])
def test_qpt_trains_on_it_as_on_patch_pairs(tiny_pretrain, tmp_path, workers):
    shared = {'train_cfg.max_epochs': 1, 'train_dataloader.num_workers': workers}
    windows = {
        'model.data_preprocessor': {'type': 'DegradingPreprocessor'},
        'train_dataloader.dataset.pipeline': [{'type': 'LoadPhoto'}, {'type': 'PhotoWindows', **OPTIONS}],
    }
    Runner.from_cfg(tiny_pretrain(tmp_path / 'windows', **shared, **windows)).train()
    pairs = {
        'train_dataloader.dataset.pipeline': [
            {'type': 'LoadPhoto'},
            {'type': 'PatchPairs', **OPTIONS},
            {'type': 'PackPatchPairs'},
        ]
    }
    Runner.from_cfg(tiny_pretrain(tmp_path / 'pairs', **shared, **pairs)).train()
    assert len(losses(tmp_path / 'windows')) == 2
    assert losses(tmp_path / 'windows') == losses(tmp_path / 'pairs')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_on_a_gpu(photos):
    data = batch_of([PhotoWindows(**OPTIONS)], photos)
    found = DegradingPreprocessor().cuda()(data)['inputs']
    assert found.is_cuda
    apart = 255 * (found.cpu() - DegradingPreprocessor()(data)['inputs']).abs()
    assert apart.mean() < 0.1  # grey levels; docs/batched.md says which operators round differently
