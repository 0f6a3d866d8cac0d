"""The file of exported weights."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from mmqpt.core.errors import InputError
from mmqpt.core.view import View
from mmqpt.core.weights_file import FORMAT, WeightsSpec, checksum, read_weights, write_weights
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
    ],
)
def test_bad_spec_is_refused(spec, tensors, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        WeightsSpec(**{**asdict(spec), **change})
    path = tmp_path / 'bad.safetensors'
    save_as(path, tensors, json.dumps({**asdict(spec), **change}))
    with pytest.raises(InputError, match=rf'bad\.safetensors \(sha256 \w+\): .*{message}'):
        read_weights(path)


@pytest.mark.parametrize('text', ['{"kind": "metric"}', '[]', 'null', '{', '{"kind": "backbone", "colour": 1}'])
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
