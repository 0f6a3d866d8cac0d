"""Nothing that a user does around a scoring network changes its scores."""

import copy
import pickle

import numpy as np
import pyiqa
import pytest
import torch
from torch import nn

import mmqpt
from mmqpt.core.head import build_head
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import WeightsSpec, write_weights
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.onnx_export import export_onnx
from mmqpt.metric.open import open_scorer


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A network with BatchNorm and dropout whose scores depend on its mode."""
    torch.manual_seed(0)
    head = {'channels': 96, 'hidden': 8, 'dropout': 0.5}
    network = nn.ModuleDict({'backbone': create_timm_backbone('test_resnet', {}), 'head': build_head(head)})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    tensors['head.layers.3.bias'] += 1
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    spec = WeightsSpec(
        'metric', 'test_resnet', (120, 110, 100), (60, 61, 62), view={'min_side': 40, 'max_side': 90}, head=head
    )
    write_weights(path, tensors, spec)
    return path


@pytest.fixture(scope='module')
def batch(photos):
    return torch.stack([torch.from_numpy(photo[:120, :160].copy()).permute(2, 0, 1) / 255 for photo in photos])


@pytest.fixture
def loss(weights):
    return pyiqa.create_metric(
        'qpt', as_loss=True, pretrained_model_path=str(weights), device='cpu', loss_reduction='none'
    )


def forget(module):
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight)


def set_flags(model):
    for module in model.modules():
        module.training = True


def children(model):
    for module in model.modules():
        if module is not model:
            module.train()


CHANGES = {
    'train': lambda model: model.train(),
    'train of every module': children,
    'training set by hand': set_flags,
    'requires_grad_': lambda model: model.requires_grad_(True),
    'half': lambda model: model[1].half(),
    'double': lambda model: model.double(),
    'bfloat16': lambda model: model[1].to(torch.bfloat16),
    'new start': lambda model: model.apply(forget),
    'channels': lambda model: model.to(memory_format=torch.channels_last),
    'dropout': lambda model: [setattr(m, 'p', 0.9) for m in model.modules() if isinstance(m, nn.Dropout)],
    'its own parts': lambda model: (model[1].net.backbone.train(), model[1].net.head.train()),
    'float64 values': lambda model: [p.data.zero_() for p in model.parameters()],
}


@pytest.mark.parametrize('change', CHANGES)
def test_a_parent_changes_nothing(loss, batch, change):
    model = nn.Sequential(nn.Identity(), loss)
    wanted = model(batch).detach()
    CHANGES[change](model)
    for _ in range(2):  # batch statistics would have moved
        torch.testing.assert_close(model(batch).detach(), wanted, atol=1e-6, rtol=0)
    model.eval()
    torch.testing.assert_close(model(batch).detach(), wanted, atol=1e-6, rtol=0)


@pytest.mark.parametrize('optimizer', [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_of_the_parent_trains_the_rest_alone(loss, batch, optimizer):
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Sigmoid(), loss).train()
    model.requires_grad_(True)
    wanted = loss(batch).detach()
    steps = optimizer(model.parameters(), lr=0.5, weight_decay=0.1)
    before = model[0].weight.detach().clone()
    for _ in range(3):
        steps.zero_grad()
        (-model(batch).mean()).backward()
        steps.step()
    assert not torch.equal(model[0].weight, before)
    torch.testing.assert_close(loss(batch).detach(), wanted, atol=1e-6, rtol=0)


def test_gradients_reach_the_photos_alone(weights, batch):
    net = MMQPT(weights).train().requires_grad_(True)
    net.backbone.requires_grad_(True)
    photos = batch.clone().requires_grad_(True)
    net(photos).sum().backward()
    assert photos.grad.abs().sum() > 0
    assert list(net.parameters()) == []
    assert all(value.grad is None for part in (net.backbone, net.head) for value in part.parameters())


def test_half_precision_photos(loss, batch):
    wanted = loss(batch).detach()
    for kind in (torch.float64, torch.float16, torch.bfloat16):
        torch.testing.assert_close(loss(batch.to(kind)).detach().float(), wanted, atol=0.02, rtol=0)


def test_copies_score_alike(loss, batch):
    wanted = loss(batch).detach()
    for one in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        torch.testing.assert_close(one.train()(batch).detach(), wanted, atol=1e-6, rtol=0)


def test_a_network_to_be_trained_is_an_ordinary_module(weights, batch):
    net = MMQPT(backbone_path=weights, head={'hidden': 8})
    assert net.training
    assert len(list(net.parameters())) == len(list(net.backbone.parameters())) + 4
    assert all(value.requires_grad for value in net.parameters())
    net(batch).sum().backward()
    assert all(value.grad is not None for value in net.parameters())
    assert net.half().backbone.conv1[0].weight.dtype == torch.float16


def test_building_leaves_the_random_numbers_alone(weights):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    MMQPT(weights)
    assert torch.equal(torch.rand(3), wanted)


def default_type(kind):
    torch.set_default_dtype(kind)
    return lambda: torch.set_default_dtype(torch.float32)


def default_device():
    torch.set_default_device('meta')
    return lambda: torch.set_default_device(None)


def deterministic():
    torch.use_deterministic_algorithms(True)
    return lambda: torch.use_deterministic_algorithms(False)


def precision():
    torch.set_float32_matmul_precision('medium')
    return lambda: torch.set_float32_matmul_precision('highest')


def entered(context):
    context.__enter__()
    return lambda: context.__exit__(None, None, None)


STATES = {
    'autocast': lambda: entered(torch.autocast('cpu', dtype=torch.bfloat16)),
    'autocast in half': lambda: entered(torch.autocast('cpu', dtype=torch.float16)),
    'float64': lambda: default_type(torch.float64),
    'bfloat16': lambda: default_type(torch.bfloat16),
    'meta': default_device,
    'device context': lambda: entered(torch.device('meta')),
    'deterministic': deterministic,
    'precision': precision,
    'no_grad': lambda: entered(torch.no_grad()),
    'inference_mode': lambda: entered(torch.inference_mode()),
    'numpy errors': lambda: entered(np.errstate(all='raise')),
}


@pytest.fixture(scope='module')
def onnx(weights):
    return export_onnx(weights, weights.with_suffix('.onnx')) and weights.with_suffix('.onnx')


@pytest.mark.parametrize('state', STATES)
def test_global_settings_change_no_score(weights, onnx, photos, photo_folder, state):
    path = str(photo_folder / 'coffee_0.jpg')
    big = photos[0].astype(np.uint16) * 257
    wanted = [mmqpt.score(path, weights, 'cpu'), mmqpt.score(big, weights, 'cpu'), open_scorer(onnx, 'cpu').score(path)]
    metric = pyiqa.create_metric('qpt', pretrained_model_path=str(weights), device='cpu')
    of_pyiqa = metric.net(torch.from_numpy(photos[1]).permute(2, 0, 1)[None] / 255).item()
    pixels = torch.from_numpy(photos[1]).permute(2, 0, 1)[None] / 255
    leave = STATES[state]()
    try:
        fresh, exported = open_scorer(weights, 'cpu'), open_scorer(onnx, 'cpu')
        built = MMQPT(weights)
        found = [fresh.score(path), mmqpt.score(big, weights, 'cpu'), exported.score(path)]
        given = [metric.net(pixels).item(), built(pixels).item()]
    finally:
        leave()
    assert found == pytest.approx(wanted, abs=1e-6)
    assert given == pytest.approx([of_pyiqa] * 2, abs=1e-6)
    photo = pixels.clone().requires_grad_(True)
    built(photo).sum().backward()  # also if it was built in inference mode
    assert photo.grad.abs().sum() > 0
