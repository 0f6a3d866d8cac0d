"""The metric as pyiqa's users call it."""

from dataclasses import replace

import numpy as np
import pyiqa
import pytest
import torch
from mmengine.runner import Runner

import mmqpt  # noqa: F401  (registers qpt)
from mmqpt.core.errors import InputError
from mmqpt.core.photo import read_photo
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.export.convert import export_checkpoint
from mmqpt.metric import weights
from mmqpt.metric.arch import MMQPT


@pytest.fixture(scope='module')
def metric(metric_weights):
    return pyiqa.create_metric('qpt', pretrained_model_path=str(metric_weights), device='cpu')


def test_file_and_tensor_give_one_score(metric, photo_folder):
    path = photo_folder / 'coffee_0.jpg'
    tensor = torch.from_numpy(read_photo(path)).permute(2, 0, 1)[None] / 255
    score = metric(str(path))
    assert score.shape == (1, 1)
    assert 0 < score.item() < 1
    assert score.item() == pytest.approx(metric(tensor).item(), abs=1e-4)


def test_batch_equals_one_by_one_and_repeats(metric, photos):
    batch = torch.stack([torch.from_numpy(photo[:200, :300].copy()).permute(2, 0, 1) / 255 for photo in photos])
    together = metric(batch)
    assert together.shape == (3, 1)
    assert torch.allclose(together, torch.cat([metric(photo[None]) for photo in batch]), atol=1e-5)
    assert torch.equal(together, metric(batch))
    assert len({round(score, 6) for score in together.flatten().tolist()}) == 3


def test_grey_equals_grey_in_three_channels(metric):
    grey = torch.rand(1, 1, 80, 90, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(metric(grey), metric(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (300, 20), (64, 64)])
def test_any_size(metric, size):
    assert torch.isfinite(metric(torch.rand(1, 3, *size))).all()


def test_gradient_reaches_the_photo_as_a_loss(metric_weights):
    loss = pyiqa.create_metric('qpt', as_loss=True, pretrained_model_path=str(metric_weights), device='cpu')
    photo = torch.rand(2, 3, 70, 70, requires_grad=True)
    loss(photo).backward()
    assert photo.grad.abs().sum() > 0


def test_scores_equal_those_of_the_training_code(metric, finetuned_checkpoint, tiny_finetune, rated_csv, tmp_path):
    """What mmqpt test computes in OpenMMLab is what the exported file computes in pyiqa."""
    runner = Runner.from_cfg(tiny_finetune(tmp_path, load_from=str(finetuned_checkpoint)))
    runner.test()
    lines = (tmp_path / 'predictions.csv').read_text().splitlines()[1:]
    assert len(lines) == 6
    for line in lines:
        name, _, score, predicted = line.split(',')
        photo = rated_csv.parent / 'rated_photos' / name
        assert metric(str(photo)).item() == pytest.approx(float(score), abs=1e-5)
        assert float(predicted) == pytest.approx(1 + 4 * float(score))


def test_no_weights_no_score(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, 'BUNDLED', tmp_path)
    with pytest.raises(InputError, match=r'are missing .* it never scores with random ones: install mmqpt again'):
        pyiqa.create_metric('qpt', device='cpu')


def test_wrong_files(pretrained_checkpoint, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: none\.safetensors'):
        pyiqa.create_metric('qpt', pretrained_model_path='none.safetensors')
    export_checkpoint(pretrained_checkpoint, tmp_path / 'backbone.safetensors')
    with pytest.raises(InputError, match=r'backbone.safetensors: a pre-trained backbone without a quality head'):
        pyiqa.create_metric('qpt', pretrained_model_path=str(tmp_path / 'backbone.safetensors'))
    with pytest.raises(InputError, match=r'epoch_2.pth \(sha256 \w+\): not a safetensors file'):
        pyiqa.create_metric('qpt', pretrained_model_path=str(pretrained_checkpoint))


def test_head_that_this_version_does_not_have(metric_weights, tmp_path):
    tensors, spec = read_weights(metric_weights)
    path = tmp_path / 'new.safetensors'
    write_weights(path, tensors, replace(spec, head={**spec.head, 'type': 'FutureHead'}))
    with pytest.raises(InputError, match=r"new.safetensors: unknown head 'FutureHead'; there are: QualityHead"):
        pyiqa.create_metric('qpt', pretrained_model_path=str(path))


def test_bad_tensors(metric_weights):
    net = pyiqa.create_metric('qpt', pretrained_model_path=str(metric_weights), device='cpu').net
    with pytest.raises(InputError, match=r'shape \(N, 3, H, W\) or \(N, 1, H, W\), got \(3, 8, 8\)'):
        net(torch.zeros(3, 8, 8))
    for other in (
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 0),
        torch.zeros(1, 3, 8, 8).to_sparse(),
    ):
        with pytest.raises(InputError, match='must be a dense tensor of floats'):
            net(other)
    with pytest.raises(InputError, match='on meta'):
        net(torch.zeros(1, 3, 8, 8, device='meta'))
    assert np.isfinite(net(torch.zeros(1, 3, 8, 8)).detach().numpy()).all()


@pytest.fixture(scope='module')
def backbone_file(pretrained_checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp('backbone') / 'backbone.safetensors'
    export_checkpoint(pretrained_checkpoint, path)
    return path


def test_a_network_to_be_trained_has_the_backbone_of_the_file(backbone_file, tmp_path):
    view = {'min_side': 64, 'max_side': 128}
    net = MMQPT(backbone_path=backbone_file, head={'hidden': 8}, view=view, mos_range=(1, 5)).eval()
    tensors, _ = read_weights(backbone_file)
    for name, value in net.backbone.state_dict().items():
        assert torch.equal(value, tensors[f'backbone.{name}'])
    assert (net.view.min_side, net.view.max_side) == (64, 128)
    assert net.head.layers[1].out_features == 8
    net.save(tmp_path / 'metric.safetensors', dataset='mine')
    again = MMQPT(tmp_path / 'metric.safetensors').eval()
    photo = torch.rand(1, 3, 70, 90)
    assert torch.equal(net(photo), again(photo))
    assert again.spec.kind == 'metric'
    assert again.spec.dataset == 'mine'
    assert again.spec.mos_range == (1, 5)


def test_a_metric_gives_its_backbone_and_size_rule(metric_weights):
    given, new = MMQPT(metric_weights), MMQPT(backbone_path=metric_weights)
    assert new.view == given.view
    for one, other in zip(given.backbone.parameters(), new.backbone.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(
        given.head.layers[1].weight, MMQPT(backbone_path=metric_weights, head={'hidden': 8}).head.layers[1].weight
    )


def test_arguments_that_exclude_each_other(metric_weights, tmp_path):
    with pytest.raises(InputError, match='head, view and mos_range are stored with the weights'):
        MMQPT(metric_weights, view={'min_side': 8})
    with pytest.raises(InputError, match='not both'):
        MMQPT(pretrained_model_path=metric_weights, backbone_path=metric_weights)
    with pytest.raises(InputError, match=r'must end with \.safetensors, got x\.pth'):
        MMQPT(metric_weights).save('x.pth')
