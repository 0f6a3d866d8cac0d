"""Other methods start from QPT's weights: what is loaded gives the features of the QPT network."""

import warnings
from collections import OrderedDict

import pyiqa
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

import mmqpt
from mmqpt.core.errors import InputError
from mmqpt.core.timm_backbone import create_timm_backbone
from mmqpt.core.weights_file import read_weights, write_weights
from mmqpt.core.weights_spec import WeightsSpec
from mmqpt.metric.arch import MMQPT
from mmqpt.metric.load_backbone import load_backbone

IMAGENET = {'input_mean': (123.675, 116.28, 103.53), 'input_std': (58.395, 57.12, 57.375)}
LITE = {'input_mean': (127.0,) * 3, 'input_std': (128.0,) * 3}


def network(name, seed=7, **args):
    """With running statistics, biases and counters that are not those of a new network."""
    torch.manual_seed(seed)
    net = create_timm_backbone(name, args)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.1)
            layer.num_batches_tracked.fill_(500)
    return net.eval()


def write(folder, name, norm=IMAGENET, **args):
    net = network(name, **args)
    path = folder / f'{name}.safetensors'
    tensors = {f'backbone.{key}': value for key, value in net.state_dict().items()}
    write_weights(path, tensors, WeightsSpec('backbone', name, backbone_args=args, **norm))
    return path


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('weights')


@pytest.fixture(scope='module')
def resnet50(folder):
    return write(folder, 'resnet50')


@pytest.fixture(scope='module')
def resnet18(folder):
    return write(folder, 'resnet18')


@pytest.fixture(scope='module')
def lite(folder):
    return write(folder, 'tf_efficientnet_lite0', LITE)


@pytest.fixture(scope='module')
def vgg16(folder):
    return write(folder, 'vgg16', features_only=True)


@pytest.fixture
def offline(monkeypatch):
    """Some constructors of pyiqa always ask for ImageNet weights, which they would download."""
    create, vgg = timm.create_model, torchvision.models.vgg16
    monkeypatch.setattr(timm, 'create_model', lambda name, **args: create(name, **{**args, 'pretrained': False}))
    monkeypatch.setattr(torchvision.models, 'vgg16', lambda **_: vgg())
    monkeypatch.setattr('pyiqa.archs.dbcnn_arch.load_pretrained_network', lambda *_: None)


@pytest.fixture(scope='module')
def photo(photos):
    crop = torch.from_numpy(photos[1][100:228, 200:328].copy()).permute(2, 0, 1)[None] / 255
    return (crop - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / 0.226


def stages(name, photo):
    """Features of the QPT network, stage by stage."""
    with torch.no_grad():
        return network(name).forward_intermediates(photo, intermediates_only=True)


def check(report, model, path):
    """Every name of both sides is in the report, once, and every value is the file's."""
    tensors, _ = read_weights(path)
    state = model.state_dict()
    assert sorted(report.loaded + report.missing) == sorted(state)
    assert len(report.loaded) + len(report.skipped) == len(tensors)
    assert not set(report.loaded) & set(report.missing)
    assert report.loaded


@torch.no_grad()
def test_hypernet(resnet50, photo, offline):
    metric = pyiqa.create_metric('hyperiqa', pretrained=False, device='cpu')
    report = mmqpt.load_backbone(metric, resnet50)
    check(report, metric.net, resnet50)
    assert report.prefix == 'base_model.'
    assert report.architecture == 'resnet50'
    assert report.skipped == ()
    assert all(not name.startswith('base_model.') for name in report.missing)
    assert report.normalisation.startswith('network and weights both take mean 0.485/0.456/0.406')
    for own, wanted in zip(metric.net.base_model(photo), stages('resnet50', photo), strict=True):
        assert torch.equal(own, wanted)
    assert '318 tensors loaded, 0 of the file skipped, 37 of the network left' in str(report)


@torch.no_grad()
@pytest.mark.parametrize('use_ref', [False, True])
def test_topiq(resnet50, photo, use_ref):
    name = 'topiq_fr' if use_ref else 'topiq_nr'
    metric = pyiqa.create_metric(name, pretrained=False, backbone_pretrain=False, device='cpu')
    report = load_backbone(metric, resnet50)
    check(report, metric.net, resnet50)
    assert report.prefix == 'semantic_model.'
    for own, wanted in zip(metric.net.semantic_model(photo), stages('resnet50', photo), strict=True):
        assert torch.equal(own, wanted)


@torch.no_grad()
def test_dbcnn_takes_a_vgg_and_no_resnet(resnet50, vgg16, photo, offline):
    metric = pyiqa.create_metric('dbcnn', pretrained=False, device='cpu')
    with pytest.raises(InputError, match=r'no place for these weights in DBCNN.*no ResNet: only weights of a VGG-16'):
        load_backbone(metric, resnet50)
    report = load_backbone(metric, vgg16)
    check(report, metric.net, vgg16)
    assert report.prefix == 'features1.'
    assert torch.allclose(metric.net.features1(photo), network('vgg16', features_only=True)(photo)[-2], atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ('name', 'library'),
    [
        ('resnet18', 'timm'),
        ('resnet34', 'torchvision'),
        ('resnet50', 'torchvision'),
        ('resnet101', 'timm'),
    ],
)
def test_plain_resnets(name, library, folder, photo):
    path = write(folder, name)
    net = torchvision.models.get_model(name, weights=None) if library == 'torchvision' else timm.create_model(name)
    report = load_backbone(net, path)
    check(report, net, path)
    assert report.prefix == ''
    assert report.missing == ('fc.weight', 'fc.bias')
    net.eval().fc = nn.Identity()
    assert torch.allclose(net(photo), stages(name, photo)[-1].mean((2, 3)), atol=1e-4)
    assert net.state_dict()['bn1.num_batches_tracked'] == 500


@torch.no_grad()
def test_efficientnet_lite(lite, photo):
    wanted = network('tf_efficientnet_lite0')(photo)
    whole = timm.create_model('tf_efficientnet_lite0').eval()
    report = load_backbone(whole, lite)
    check(report, whole, lite)
    assert torch.equal(whole.forward_features(photo), wanted)
    cut = timm.create_model('tf_efficientnet_lite0', features_only=True, out_indices=(1, 3)).eval()
    report = load_backbone(cut, lite)
    check(report, cut, lite)
    assert {name.split('.')[0] for name in report.skipped} == {'conv_head', 'bn2'}
    assert report.missing == ()
    assert torch.equal(cut(photo)[1], whole.blocks[:5](whole.bn1(whole.conv_stem(photo))))


@torch.no_grad()
def test_network_that_ends_early(resnet18, photo):
    net = timm.create_model('resnet18', features_only=True, out_indices=(1, 2)).eval()
    report = load_backbone(net, resnet18)
    check(report, net, resnet18)
    assert {name.split('.')[0] for name in report.skipped} == {'layer3', 'layer4'}
    assert torch.equal(net(photo)[-1], stages('resnet18', photo)[2])


@torch.no_grad()
def test_inside_wrappers(resnet18, photo):
    inner = torchvision.models.resnet18()
    net = nn.DataParallel(nn.ModuleDict({'trunk': inner, 'score': nn.Linear(512, 1)}))
    assert load_backbone(net, resnet18).prefix == 'module.trunk.'
    bare = nn.Sequential(OrderedDict(trunk=nn.Sequential(*list(inner.children())[:-2]), neck=nn.Conv2d(512, 8, 1)))
    assert load_backbone(bare, resnet18).prefix == 'trunk.'  # the same tensors under other names
    assert torch.allclose(bare.trunk.eval()(photo), stages('resnet18', photo)[-1], atol=1e-5)
    frozen = torchvision.models.resnet18(norm_layer=torchvision.ops.FrozenBatchNorm2d)
    report = load_backbone(frozen, resnet18)
    check(report, frozen, resnet18)
    assert all(name.endswith('num_batches_tracked') for name in report.skipped)
    assert len(report.skipped) == 20


def test_whole_convnext_in_its_stages(folder):
    path = write(folder, 'test_convnext')
    net = timm.create_model('test_convnext', features_only=True)
    report = load_backbone(net, path)
    check(report, net, path)
    assert report.missing == ()
    assert set(report.skipped) == {'head.norm.weight', 'head.norm.bias'}


def test_metric_weights_leave_out_the_quality_head(metric_weights):
    net = timm.create_model('test_resnet')
    report = load_backbone(net, metric_weights)
    check(report, net, metric_weights)
    assert [name for name in report.skipped if not name.startswith('head.')] == []
    assert len(report.skipped) == 4
    assert report.missing == ('fc.weight', 'fc.bias')
    other = load_backbone(MMQPT(backbone_path=metric_weights), metric_weights)
    assert other.prefix == 'backbone.'


@pytest.mark.parametrize('suffix', ['safetensors', 'pth'])
def test_plain_files(suffix, tmp_path):
    state = network('resnet18').state_dict()
    path = tmp_path / f'plain.{suffix}'
    state['fc.weight'] = torch.zeros(1000, 512)
    del state['bn1.num_batches_tracked']  # older files have none
    save_file(state, path) if suffix == 'safetensors' else torch.save(state, path)
    net = torchvision.models.resnet18()
    report = load_backbone(net, path)
    assert report.architecture is None
    assert report.skipped == ('fc.weight',)
    assert set(report.missing) == {'fc.weight', 'fc.bias', 'bn1.num_batches_tracked'}
    assert report.normalisation == 'the file does not say how its input was normalised'
    assert torch.equal(net.layer1[0].conv1.weight, state['layer1.0.conv1.weight'])
    assert torch.equal(net.layer4[1].bn2.running_var, state['layer4.1.bn2.running_var'])


def unchanged_after(net, path, match, **options):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(InputError, match=match):
        load_backbone(net, path, **options)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_other_networks_are_refused_and_stay_as_they_were(resnet18, resnet50, lite):
    plain = torchvision.models
    unchanged_after(plain.resnet34(), resnet18, r'80 names of the network are not in the file \(first: layer1\.2\.bn1')
    unchanged_after(plain.resnet18(), resnet50, r'\(resnet50\): other weights than those of ResNet: .* 165 of the file')
    unchanged_after(plain.resnext50_32x4d(), resnet50, r'176 have another shape \(first: layer1\.0\.bn1\.bias')
    unchanged_after(plain.resnet18(), lite, r'no place for these weights in ResNet: no module has most of their 294')
    unchanged_after(timm.create_model('tf_efficientnet_lite0'), resnet50, 'other weights|no place')
    unchanged_after(timm.create_model('resnet18d'), resnet18, r'not in the file \(first: conv1\.0\.weight')


def test_same_tensors_but_other_layers_are_refused(lite, resnet18):
    """Their features would be others: the padding and epsilon of TensorFlow's networks, dilation."""
    unchanged_after(timm.create_model('efficientnet_lite0'), lite, r'same tensors, but 54 layers .* not 0\.001')
    dilated = torchvision.models.resnet50(replace_stride_with_dilation=[False, False, True])
    unchanged_after(dilated, write(lite.parent, 'resnet50'), r'layer4\.0\.conv2: stride \(1, 1\), not \(2, 2\)')


def test_file_without_the_last_stage(tmp_path):
    path = write(tmp_path, 'resnet18', features_only=True, out_indices=[1, 2, 3])
    unchanged_after(timm.create_model('resnet18'), path, r'25 names of the network are not in the file \(first: layer4')
    cut = timm.create_model('resnet18', features_only=True, out_indices=(1, 2, 3))
    check(load_backbone(cut, path), cut, path)


def test_several_places_need_a_choice(resnet18):
    net = nn.ModuleDict({'photo': torchvision.models.resnet18(), 'reference': torchvision.models.resnet18()})
    unchanged_after(
        net, resnet18, r"2 places for these weights in ModuleDict; give prefix, one of 'photo', 'reference'"
    )
    unchanged_after(net, resnet18, r"prefix must be a module of ModuleDict, got 'fotos\.'", prefix='fotos')
    unchanged_after(net, resnet18, r"no place for these weights at 'photo\.layer1'", prefix='photo.layer1')
    report = load_backbone(net, resnet18, prefix='reference')
    check(report, net, resnet18)
    assert report.prefix == 'reference.'
    assert torch.equal(net['reference'].conv1.weight, network('resnet18').conv1.weight)
    assert not torch.equal(net['photo'].conv1.weight, network('resnet18').conv1.weight)


def test_one_network_under_two_names_is_one_place(resnet18):
    net = nn.ModuleDict({'a': torchvision.models.resnet18()})
    net['b'] = net['a']
    report = load_backbone(net, resnet18)
    assert report.prefix == 'a.'
    assert torch.equal(net['b'].conv1.weight, network('resnet18').conv1.weight)


def test_another_normalisation_is_a_warning(lite, resnet18):
    net = timm.create_model('tf_efficientnet_lite0')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert 'the network does not say what it takes' in load_backbone(net, lite).normalisation
    net.default_mean, net.default_std = torch.tensor([0.485, 0.456, 0.406]), (0.229, 0.224, 0.225)
    with pytest.warns(UserWarning, match=r'normalises with mean 0\.485/.* trained with mean 0\.498/0\.498/0\.498'):
        report = load_backbone(net, lite)
    assert report.normalisation.endswith('build it with default_mean and default_std of the weights')


def test_trained_or_not_devices_and_random_numbers_stay(resnet18):
    net = torchvision.models.resnet18().half()
    net.layer1.requires_grad_(False)
    net.train()
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    load_backbone(net, resnet18)
    assert torch.equal(torch.rand(3), wanted)
    assert net.training
    assert not net.layer1[0].conv1.weight.requires_grad
    assert net.layer2[0].conv1.weight.requires_grad
    assert net.conv1.weight.dtype == torch.float16


def test_bad_arguments(resnet18, pretrained_checkpoint, tmp_path):
    net = torchvision.models.resnet18()
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: none\.safetensors'):
        load_backbone(net, 'none.safetensors')
    with pytest.raises(InputError, match='a pyiqa metric or a torch module is needed, got str'):
        load_backbone('hyperiqa', resnet18)
    unchanged_after(net, pretrained_checkpoint, r'epoch_2\.pth: (not a plain state dict|holds more than tensors)')
    (tmp_path / 'x.safetensors').write_bytes(resnet18.read_bytes()[:5000])
    unchanged_after(net, tmp_path / 'x.safetensors', r'x\.safetensors \(sha256 \w+\): not a safetensors file')
    with torch.device('meta'):
        empty = torchvision.models.resnet18()
    with pytest.raises(InputError, match=r'120 parameters have no memory yet \(meta device\)'):
        load_backbone(empty, resnet18)
