"""Averages of encoders: the mean of each tensor, and nothing that can't be averaged."""

from dataclasses import replace

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.core.weights_file import read_weights, tensors_below, write_weights
from mmqpt.export.average import average_encoders
from mmqpt.metric.encoders import create_encoder, find_encoder


def first_convolution(tensors):
    return next(key for key, value in tensors.items() if key.startswith('backbone.') and value.dim() == 4)


@pytest.fixture
def moved(metric_weights, tmp_path):
    """The same network with other weights, head included."""
    tensors, spec = read_weights(metric_weights)
    other = {key: value * 3 if value.is_floating_point() else value for key, value in tensors.items()}
    write_weights(tmp_path / 'moved.safetensors', other, spec)
    return tmp_path / 'moved.safetensors'


def test_each_tensor_is_the_mean_by_share(metric_weights, moved, tmp_path):
    out = tmp_path / 'mean.safetensors'
    spec = average_encoders([metric_weights, moved], out, [0.75, 0.25])
    before, found = read_weights(metric_weights)[0], read_weights(out)[0]
    assert spec.kind == 'backbone'
    assert set(found) == {key for key in before if key.startswith('backbone.')}
    for key, value in found.items():
        assert value.dtype == before[key].dtype
        wanted = before[key] * 1.5 if value.is_floating_point() else before[key]
        torch.testing.assert_close(value, wanted)
    create_encoder(out)


def test_shares_are_equal_by_default_and_a_file_with_itself_is_that_file(metric_weights, moved, tmp_path):
    out = tmp_path / 'mean.safetensors'
    average_encoders([metric_weights, metric_weights, metric_weights], out)
    before = read_weights(metric_weights)[0]
    assert all(torch.equal(value, before[key]) for key, value in read_weights(out)[0].items())
    average_encoders([metric_weights, moved], out)
    key = first_convolution(before)
    torch.testing.assert_close(read_weights(out)[0][key], before[key] * 2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ('shares', 'message'),
    [
        ([1.0], 'shares must be one for each of the 2 files, got 1'),
        ([0.5, 0.6], 'shares must be from 0 to 1 and together 1, got 0.5, 0.6'),
        ([1.5, -0.5], 'shares must be from 0 to 1 and together 1'),
        ([float('nan'), 1.0], 'shares must be from 0 to 1 and together 1'),
    ],
)
def test_shares_that_do_not_fit(shares, message, metric_weights, moved, tmp_path):
    with pytest.raises(InputError, match=message):
        average_encoders([metric_weights, moved], tmp_path / 'x.safetensors', shares)


def test_what_can_not_be_averaged(metric_weights, tmp_path):
    tensors, spec = read_weights(metric_weights)
    out, other = tmp_path / 'x.safetensors', tmp_path / 'other.safetensors'
    with pytest.raises(InputError, match='at least two files, or one and a branch, got 1'):
        average_encoders([metric_weights], out)
    with pytest.raises(InputError, match=r'must end with \.safetensors'):
        average_encoders([metric_weights, metric_weights], tmp_path / 'x.pth')
    write_weights(other, tensors, replace(spec, input_mean=(0.0, 0.0, 0.0)))
    with pytest.raises(InputError, match=r'other\.safetensors: input_mean is \(0\.0, 0\.0, 0\.0\)'):
        average_encoders([metric_weights, other], out)
    write_weights(other, tensors, replace(spec, backbone='resnet18'))
    with pytest.raises(InputError, match=r"backbone is 'resnet18', but .* has 'test_resnet'; only alike"):
        average_encoders([metric_weights, other], out)
    name = first_convolution(tensors)
    for changed in (
        {key: value for key, value in tensors.items() if key != name},
        {**tensors, name: tensors[name][:1].contiguous()},
        {**tensors, 'backbone.a.weight': torch.zeros(1)},
    ):
        write_weights(other, changed, spec)
        with pytest.raises(InputError, match=r'other\.safetensors: .*weight is not as in'):
            average_encoders([metric_weights, other], out)
    assert not out.exists()


@pytest.fixture
def one_branch(tmp_path):
    """The bundled encoder with the first of its branches alone."""
    tensors, spec = read_weights(find_encoder('qpt_efficientnet_lite0_side'))
    kept = {key: value for key, value in tensors.items() if not key.startswith('backbone.side.')}
    first = {f'backbone.side.{key}': value for key, value in tensors_below(tensors, 'backbone.side.0.').items()}
    write_weights(tmp_path / 'seed0.safetensors', kept | first, replace(spec, backbone_args={'features_only': True}))
    return tmp_path / 'seed0.safetensors'


@pytest.fixture
def finetuned(tmp_path):
    """A file of the network that stands beside the branch of the bundled encoder, with other weights."""
    tensors, spec = read_weights(find_encoder('qpt_efficientnet_lite0_side'))
    trunk = {key: value * 0.5 for key, value in tensors.items() if not key.startswith('backbone.side.')}
    path = tmp_path / 'finetuned.safetensors'
    write_weights(path, trunk, replace(spec, backbone='tf_efficientnet_lite0'))
    return path


def test_a_branch_joins_as_it_is(finetuned, tmp_path):
    out, encoder = tmp_path / 'joined.safetensors', find_encoder('qpt_efficientnet_lite0_side')
    spec = average_encoders([finetuned], out, branches=[encoder])
    given, expected = read_weights(encoder)
    assert (spec.backbone, spec.backbone_args) == (expected.backbone, expected.backbone_args)
    found, trunk = read_weights(out)[0], read_weights(finetuned)[0]
    assert set(found) == set(given)
    for key, value in found.items():
        assert torch.equal(value, (given if key.startswith('backbone.side.') else trunk)[key])
    create_encoder(out)


def test_a_branch_that_does_not_fit(finetuned, metric_weights, tmp_path):
    out, encoder = tmp_path / 'x.safetensors', find_encoder('qpt_efficientnet_lite0_side')
    with pytest.raises(InputError, match=r'finetuned\.safetensors: tf_efficientnet_lite0 has no side branch'):
        average_encoders([finetuned], out, branches=[finetuned])
    with pytest.raises(
        InputError, match=r'side\.safetensors: its branch stands beside another network: .* is not as in'
    ):
        average_encoders([metric_weights], out, branches=[encoder])
    tensors, spec = read_weights(finetuned)
    write_weights(finetuned, tensors, replace(spec, input_std=(1.0, 1.0, 1.0)))
    with pytest.raises(InputError, match=r'input_std is .* a branch reads what its trunk reads'):
        average_encoders([finetuned], out, branches=[encoder])
    assert not out.exists()


@pytest.fixture
def other_seed(one_branch, tmp_path):
    """The same with another branch."""
    tensors, spec = read_weights(one_branch)
    moved = {
        key: value * 0.5 if '.side.' in key and value.is_floating_point() else value for key, value in tensors.items()
    }
    path = tmp_path / 'seed1.safetensors'
    write_weights(path, moved, spec)
    return path


def maps_of(path):
    encoder = create_encoder(path, features_only=True).eval()
    with torch.no_grad():
        return encoder(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize('how', ['a trunk and two', 'one and another', 'two files, then a third'])
def test_several_branches_side_by_side(how, finetuned, one_branch, other_seed, tmp_path):
    out, encoder = tmp_path / 'joined.safetensors', one_branch
    expected = [encoder, other_seed]
    if how == 'a trunk and two':
        spec = average_encoders([finetuned], out, branches=[encoder, other_seed])
    elif how == 'one and another':
        spec = average_encoders([encoder], out, branches=[other_seed])
    else:
        average_encoders([encoder], tmp_path / 'two.safetensors', branches=[other_seed])
        spec = average_encoders([other_seed], out, branches=[tmp_path / 'two.safetensors'])
        expected = [other_seed, encoder, other_seed]
    assert spec.backbone == 'tf_efficientnet_lite0_side'
    assert (spec.dataset, spec.iterations) == (read_weights(encoder)[1].dataset, 5000)
    assert spec.backbone_args['branches'] == len(expected)
    joined = maps_of(out)
    for place in (2, 4):
        if how != 'a trunk and two':  # else they read another trunk
            wanted = torch.cat([maps_of(path)[place] for path in expected], dim=1)
            torch.testing.assert_close(joined[place], wanted, rtol=1e-3, atol=1e-3)
    tensors = read_weights(out)[0]
    for number, path in enumerate(expected):
        given = read_weights(path)[0]
        mine = {key.replace(f'side.{number}.', 'side.'): tensors[key] for key in tensors if f'.side.{number}.' in key}
        assert mine
        assert all(torch.equal(value, given[key]) for key, value in mine.items())


def test_branches_of_other_widths_or_too_many(one_branch, other_seed, tmp_path):
    out, encoder = tmp_path / 'x.safetensors', one_branch
    tensors, spec = read_weights(other_seed)
    narrow = {
        key: value[:5].contiguous() if key.endswith('side.last.2.weight') else value for key, value in tensors.items()
    }
    write_weights(other_seed, narrow, spec)
    with pytest.raises(InputError, match=r'seed1\.safetensors: its branch is of other widths: last\.2\.weight is not'):
        average_encoders([encoder], out, branches=[other_seed])
    with pytest.raises(InputError, match='at most 16 branches, these would be 17'):
        average_encoders([encoder], out, branches=[encoder] * 16)
    assert not out.exists()
