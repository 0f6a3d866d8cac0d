"""The file of exported weights."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.core.weights_file import checksum, read_weights, save_tensors, write_weights
from mmqpt.core.weights_spec import FORMAT, WeightsSpec, read_metadata
from mmqpt.version import __version__


@pytest.fixture
def spec():
    return WeightsSpec(
        kind='metric',
        backbone='resnet18',
        input_mean=(123.675, 116.28, 103.53),
        input_std=(58.395, 57.12, 57.375),
        backbone_args={'output_stride': 32},
        view=View(min_side=64, crop=48).as_dict(),
        head={'channels': 4, 'hidden': 0},
        mos_range=(1.0, 5.0),
        dataset='somewhere',
        config_sha256='ab' * 32,
        iterations=123,
    )


@pytest.fixture
def tensors():
    torch.manual_seed(0)
    return {
        'backbone.weight': torch.randn(3, 4),
        'backbone.count': torch.tensor(7),
        'head.half': torch.randn(5).half(),
    }


def save_as(path, tensors, text):
    """A whole file with any text for a spec."""
    save_file(tensors, str(path), metadata={'mmqpt': text, 'mmqpt_sha256': checksum(text, tensors)})


def test_round_trip(spec, tensors, tmp_path):
    path = tmp_path / 'weights.safetensors'
    write_weights(path, tensors, spec)
    for source in (path, str(path)):
        read, read_spec = read_weights(source)
        assert read_spec == spec
        assert read.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)
    assert read_spec.mmqpt_version == __version__
    assert View(**read_spec.view) == View(min_side=64, crop=48)


def test_backbone_needs_neither_view_nor_head(tensors, tmp_path):
    path = tmp_path / 'backbone.safetensors'
    write_weights(path, tensors, WeightsSpec('backbone', 'resnet18', (0.0,) * 3, (1.0,) * 3))
    spec = read_weights(path)[1]
    assert spec.kind == 'backbone'
    assert spec.view is None
    assert spec.head is None


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: .*nowhere\.safetensors'):
        read_weights(tmp_path / 'nowhere.safetensors')
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        read_weights(tmp_path)


@pytest.mark.parametrize('content', [b'', b'not weights', b'\x80\x04N.' * 20])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'other.safetensors'
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'other\.safetensors \(sha256 \w{64}\): not a safetensors file'):
        read_weights(path)


def test_checkpoint_of_torch_is_refused_unread(tensors, tmp_path):
    path = tmp_path / 'checkpoint.pth'
    torch.save(tensors, path)
    with pytest.raises(InputError, match=r'checkpoint\.pth \(sha256 \w{64}\): not a safetensors file'):
        read_weights(path)


def test_truncated_file_is_refused(spec, tensors, tmp_path):
    path = tmp_path / 'weights.safetensors'
    write_weights(path, tensors, spec)
    data = path.read_bytes()
    for length in (4, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match=r'weights\.safetensors \(sha256 \w{64}\): not a safetensors file'):
            read_weights(path)


@pytest.mark.parametrize('metadata', [None, {'format': 'pt'}])
def test_foreign_safetensors_are_refused(tensors, tmp_path, metadata):
    path = tmp_path / 'foreign.safetensors'
    save_file(tensors, str(path), metadata=metadata)
    with pytest.raises(
        InputError, match=r'foreign\.safetensors \(sha256 \w{64}\): a safetensors file, but not one that mmqpt'
    ):
        read_weights(path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': FORMAT + 1}, f'weights of format {FORMAT + 1}, but this mmqpt reads format {FORMAT}'),
        ({'kind': 'elephant'}, "kind must be 'metric' or 'backbone', got 'elephant'"),
        ({'view': None}, 'need view and head'),
        ({'head': None}, 'need view and head'),
        ({'view': {'min_side': 8, 'zoom': 2}}, 'view has unknown fields'),
        ({'view': {'min_side': 8, 'crop': 8, 'places': 'six'}}, "places must be 'grid', 'five' or a number"),
        ({'view': {'min_side': 0}}, 'min_side must be >= 1 px'),
        ({'backbone': None}, 'backbone must be the name of a model in timm, got None'),
        ({'backbone_args': None}, 'backbone_args must be a dict with strings for keys, got None'),
        ({'backbone_args': ['img_size']}, r"backbone_args must be a dict .*, got \['img_size'\]"),
        ({'head': 'QualityHead'}, "head must be a dict with strings for keys, got 'QualityHead'"),
        ({'view': [64, 64]}, r'view must be a dict with strings for keys, got \[64, 64\]'),
        ({'view': {'min_side': 8.0}}, r'min_side of view must be a whole number, got 8\.0'),
        ({'view': {'min_side': '8'}}, "min_side of view must be a whole number, got '8'"),
        ({'view': {'min_side': True}}, 'min_side of view must be a whole number, got True'),
        ({'view': {'max_side': '9'}}, "max_side of view must be a whole number or null, got '9'"),
        ({'view': {'crop': 8.5}}, r'crop of view must be a whole number or null, got 8\.5'),
        ({'view': {'crop': 8, 'places': None}}, 'places of view must be a whole number or a string, got None'),
        ({'view': {'flip': 1}}, 'flip of view must be true or false, got 1'),
        ({'input_mean': None}, 'input_mean must be 3 finite numbers, got None'),
        ({'input_mean': 'abc'}, "input_mean must be 3 finite numbers, got 'abc'"),
        ({'input_mean': [1, 2]}, r'input_mean must be 3 finite numbers, got \(1, 2\)'),
        ({'input_mean': [1, 2, float('nan')]}, r'input_mean must be 3 finite numbers, got \(1, 2, nan\)'),
        ({'input_mean': [1, 2, 10**400]}, r'input_mean must be 3 finite numbers, got \(1, 2, 10+\)'),
        ({'input_std': [1, '2', 3]}, r"input_std must be 3 finite numbers, got \(1, '2', 3\)"),
        ({'input_std': [1, True, 3]}, r'input_std must be 3 finite numbers, got \(1, True, 3\)'),
        ({'input_std': [1, 0.0, 3]}, r'input_std must be > 0, got \(1, 0\.0, 3\)'),
        ({'input_std': [1, float('inf'), 3]}, r'input_std must be 3 finite numbers, got \(1, inf, 3\)'),
        ({'mos_range': 5}, 'mos_range must be two finite numbers, low < high, got 5'),
        ({'mos_range': [5, 1]}, r'mos_range must be two finite numbers, low < high, got \(5, 1\)'),
        ({'mos_range': [1, 1]}, r'mos_range must be two finite numbers, low < high, got \(1, 1\)'),
        ({'mos_range': [0, float('nan')]}, r'mos_range must be two finite numbers, low < high, got \(0, nan\)'),
        ({'mos_range': [0, 1, 2]}, r'mos_range must be two finite numbers, low < high, got \(0, 1, 2\)'),
    ],
)
def test_bad_spec_is_refused(spec, tensors, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        WeightsSpec(**{**asdict(spec), **change})
    path = tmp_path / 'bad.safetensors'
    save_as(path, tensors, json.dumps({**asdict(spec), **change}))
    with pytest.raises(InputError, match=rf'bad\.safetensors \(sha256 \w+\): .*{message}'):
        read_weights(path)


@pytest.mark.parametrize(
    'text',
    ['{"kind": "metric"}', '[]', 'null', '{', '{"kind": "backbone", "colour": 1}', '[' * 100_000],
    ids=str.__len__,
)
def test_spec_that_is_none_is_refused(tensors, tmp_path, text):
    path = tmp_path / 'bad.safetensors'
    save_as(path, tensors, text)
    with pytest.raises(InputError, match=r'bad\.safetensors \(sha256 \w+\): (?!damaged)'):
        read_weights(path)


def test_every_flipped_bit_is_found(spec, tensors, tmp_path):
    path = tmp_path / 'weights.safetensors'
    write_weights(path, tensors, spec)
    data = path.read_bytes()
    header = int.from_bytes(data[:8], 'little')
    spec_at = data.index(b'resnet18')
    for place in (spec_at, 8 + header, 8 + header + 20, len(data) - 1):
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r'weights\.safetensors \(sha256 \w+\): damaged: its content'):
            read_weights(path)


def test_a_failed_write_leaves_the_old_file(spec, tensors, tmp_path):
    path = tmp_path / 'weights.safetensors'
    write_weights(path, tensors, spec)
    before = path.read_bytes()
    shared = {'backbone.a': tensors['backbone.weight'], 'backbone.b': tensors['backbone.weight']}
    with pytest.raises(RuntimeError, match='share memory'):
        write_weights(path, shared, spec)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_from_before_the_checksum_is_not_called_damaged(spec, tensors, tmp_path):
    path = tmp_path / 'old.safetensors'
    save_file(tensors, str(path), metadata={'mmqpt': json.dumps(asdict(spec))})
    with pytest.raises(
        InputError,
        match=r'old\.safetensors \(sha256 \w{64}\): has no checksum \(made by an older mmqpt\); export it again$',
    ):
        read_weights(path)


def test_the_folder_is_made(spec, tensors, tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'folder' / 'weights.safetensors'
    write_weights(path, tensors, spec)
    assert read_weights(path)[1] == spec
    monkeypatch.chdir(tmp_path)
    write_weights('here.safetensors', tensors, spec)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['here.safetensors', 'new']


def test_metadata_of_any_safetensors(spec, tensors, tmp_path):
    path = tmp_path / 'weights.safetensors'
    write_weights(path, tensors, spec)
    found = read_metadata(path)
    assert json.loads(found['mmqpt'])['backbone'] == 'resnet18'
    assert found['mmqpt_sha256'] == checksum(found['mmqpt'], tensors)
    save_file(tensors, str(path))
    assert read_metadata(path) == {}
    path.write_bytes(b'x')
    with pytest.raises(InputError, match=r'weights\.safetensors \(sha256 \w{64}\): not a safetensors file'):
        read_metadata(path)
    with pytest.raises(FileNotFoundError, match='no such file of weights'):
        read_metadata(tmp_path / 'none')


def test_rating_scales(spec, tensors, tmp_path):
    scales = {'a': {'mos_range': [1, 5], 'offset': 0.0, 'slopes': [0.8], 'knots': []}}
    spec = WeightsSpec(**{**asdict(spec), 'mos_range': (0, 1), 'scale': 'common', 'scales': scales})
    write_weights(tmp_path / 'w.safetensors', tensors, spec)
    read = read_weights(tmp_path / 'w.safetensors')[1]
    assert read == spec
    assert read.to_mos([0.25, 0.5]).tolist() == [0.25, 0.5]
    assert read.to_mos([0.25, 0.5], 'a').tolist() == pytest.approx([2, 3])
    with pytest.raises(InputError, match="no scale 'b'; there are: a"):
        read.to_mos(0.5, 'b')
    with pytest.raises(InputError, match="scale must be 'common' or one of a"):
        WeightsSpec(**{**asdict(spec), 'scale': 'x'})
    with pytest.raises(InputError, match='slope'):
        WeightsSpec(**{**asdict(spec), 'scales': {'a': {**scales['a'], 'slopes': [-1]}}})


def test_to_mos_without_scales(spec):
    assert spec.to_mos([0, 0.5, 1]).tolist() == [1, 3, 5]
    with pytest.raises(InputError, match='there are: none'):
        spec.to_mos(0.5, 'a')
    with pytest.raises(InputError, match='do not say what scores 0 and 1 mean'):
        WeightsSpec(**{**asdict(spec), 'mos_range': None}).to_mos(0.5)


@pytest.mark.parametrize('name', ['best.pth', 'epoch 3.pth', 'last.ckpt', 'renamed.safetensors', 'old.pt'])
def test_checkpoints_are_to_be_exported_first(name, tmp_path):
    torch.save({'a': torch.zeros(2)}, tmp_path / name, _use_new_zipfile_serialization=name != 'old.pt')
    with pytest.raises(InputError, match=rf'{name} .*export it first, mmqpt export .*\.safetensors'):
        read_weights(tmp_path / name)


def test_other_files_are_no_checkpoints(tmp_path):
    (tmp_path / 'x.safetensors').write_bytes(b'text')
    with pytest.raises(InputError) as caught:
        read_weights(tmp_path / 'x.safetensors')
    assert 'checkpoint' not in str(caught.value)


def test_a_spec_is_a_sentence():
    spec = WeightsSpec('backbone', 'resnet18', (0.0,) * 3, (1.0,) * 3)
    assert str(spec) == 'encoder of resnet18'
    spec = WeightsSpec('backbone', 'resnet18', (0.0,) * 3, (1.0,) * 3, dataset='d', iterations=9, mos_range=(1.0, 5.0))
    assert str(spec) == (
        'encoder of resnet18, trained on d for 9 iterations; scores 0 and 1 stand for opinion scores of 1 and 5'
    )


def test_a_full_disk_is_an_error_of_the_system(tmp_path, monkeypatch):
    """safetensors raises its own, which is none of OSError."""
    from safetensors import SafetensorError

    def full(tensors, path, metadata):
        raise SafetensorError('Error while serializing: I/O error: No space left on device (os error 28)')

    (tmp_path / 'w.safetensors').write_bytes(b'old')
    monkeypatch.setattr('mmqpt.core.weights_file.save_file', full)
    with pytest.raises(OSError, match=r'w\.safetensors: not written .*No space left on device'):
        save_tensors(tmp_path / 'w.safetensors', {})
    assert (tmp_path / 'w.safetensors').read_bytes() == b'old'
    assert len(list(tmp_path.iterdir())) == 1
