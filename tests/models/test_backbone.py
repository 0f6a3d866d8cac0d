"""Weights into backbones: every key accounted for."""

import pickle

import pytest
import timm
import torch
from mmpretrain.registry import MODELS
from safetensors.torch import save_file

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.models.backbone import build_backbone, load_pretrained, plain_backbone_state
from mmqpt.models.iqa_regressor import IQARegressor


def tiny(name='test_resnet', **options):
    return MODELS.build({'type': 'TIMMBackbone', 'model_name': name, **options})


def named(name, **options):
    return {'type': 'TIMMBackbone', 'model_name': name, **options}


class Jumpy(torch.nn.Module):
    """As many features as a photo has columns."""

    def forward(self, images):
        return images.mean(dim=(1, 2))


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_plain_state_dict_of_timm_with_its_classifier(tmp_path, suffix):
    source = timm.create_model('test_resnet', num_classes=7)
    path = tmp_path / f'weights{suffix}'
    (save_file if suffix == '.safetensors' else torch.save)(source.state_dict(), path)
    backbone = tiny()
    load_pretrained(backbone, str(path))
    assert torch.equal(backbone.timm_model.layer1[0].conv1.weight, source.layer1[0].conv1.weight)


def test_torchvision_weights_into_mmpretrain_resnet(tmp_path):
    import torchvision

    source = torchvision.models.resnet18()
    torch.save(source.state_dict(), tmp_path / 'resnet18.pth')
    backbone, channels = build_backbone({'type': 'ResNet', 'depth': 18}, 32)
    load_pretrained(backbone, str(tmp_path / 'resnet18.pth'))
    photo = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        ours = backbone.eval()
        ours = backbone(photo)[-1].mean(dim=(2, 3))
        theirs = torch.nn.Sequential(*list(source.eval().children())[:-1])(photo).flatten(1)
    assert channels == 512
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_round_trip_of_the_plain_state(tmp_path):
    source, target = tiny(), tiny()
    torch.save(plain_backbone_state(source), tmp_path / 'plain.pth')
    load_pretrained(target, str(tmp_path / 'plain.pth'))
    for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_imagenet_weights_of_the_package_work():
    """Features of two photos of one thing must be closer than those of another: wrong names would give noise."""
    backbone = tiny('tf_efficientnet_lite0')
    before = backbone.timm_model.blocks[3][1].conv_dw.weight.clone()
    load_pretrained(backbone, 'imagenet:efficientnet_lite0')
    assert not torch.equal(before, backbone.timm_model.blocks[3][1].conv_dw.weight)
    data = pytest.importorskip('skimage.data')

    def features(photo):
        x = (torch.from_numpy(photo.copy()).permute(2, 0, 1)[None].float() - 127) / 128
        with torch.no_grad():
            return backbone(x)[-1].mean(dim=(2, 3))[0]

    backbone.eval()
    cat, coffee = data.chelsea(), data.coffee()
    a, b, c = features(cat[:, :300]), features(cat[:, 150:]), features(coffee)
    assert torch.cosine_similarity(a, b, dim=0) > torch.cosine_similarity(a, c, dim=0) + 0.2


def test_encoder_that_comes_with_the_package():
    backbone, start = (tiny('tf_efficientnet_lite0_side', features_only=True, branches=3) for _ in range(2))
    load_pretrained(backbone, 'qpt:efficientnet_lite0_side')
    load_pretrained(start, 'imagenet:efficientnet_lite0', new_branch=True)
    for (name, ours), theirs in zip(backbone.state_dict().items(), start.state_dict().values(), strict=True):
        if '.side.' not in name and ours.is_floating_point():  # the trunk is ImageNet's, but for half precision
            assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6), name
    for layer in backbone.timm_model.side.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # trained
            assert layer.weight.std() > 0.01
            assert layer.running_var.std() > 0
    with pytest.raises(InputError, match="no QPT encoder named 'resnet50' comes with mmqpt; there are: efficientnet"):
        load_pretrained(backbone, 'qpt:resnet50')
    with pytest.raises(InputError, match='keys missing'):
        load_pretrained(tiny('tf_efficientnet_lite0'), 'qpt:efficientnet_lite0_side')  # it has stages only
    with pytest.raises(InputError, match='it has 3 side branches, not 1: give the backbone branches=3'):
        load_pretrained(tiny('tf_efficientnet_lite0_side', features_only=True), 'qpt:efficientnet_lite0_side')


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('test_resnet', {}),
        ('test_resnet', {'out_indices': [1, 2]}),
        ('test_convnext', {}),
        ('test_efficientnet', {}),
        ('test_vit', {'out_indices': [1, 3], 'img_size': 32}),
    ],
)
def test_weights_of_the_whole_network_into_its_stages(tmp_path, name, options):
    """The parts that features_only cuts off are left out; all that it has is loaded."""
    whole = MODELS.build(
        {'type': 'TIMMBackbone', 'model_name': name, **{k: v for k, v in options.items() if k[0] == 'i'}}
    )
    torch.save(plain_backbone_state(whole), tmp_path / 'whole.pth')
    stages = MODELS.build({'type': 'TIMMBackbone', 'model_name': name, 'features_only': True, **options})
    load_pretrained(stages, str(tmp_path / 'whole.pth'))
    whole.eval()
    stages.eval()
    photo = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        indices = options.get('out_indices')
        expected = whole.timm_model.forward_intermediates(photo, indices=indices, intermediates_only=True)
        features = stages(photo)
        # Some releases of timm count the stem of a ConvNeXt as its first stage here.
        for ours, theirs in zip(features, expected[-len(features) :], strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(('deeper', 'name'), [('resnet34', 'resnet18'), ('resnet18', 'resnet34')])
def test_stages_refuse_weights_of_another_depth(tmp_path, deeper, name):
    torch.save(timm.create_model(deeper).state_dict(), tmp_path / 'other.pth')
    with pytest.raises(InputError, match='not the weights of this backbone'):
        load_pretrained(MODELS.build({'type': 'TIMMBackbone', 'model_name': name, 'features_only': True}),
                      str(tmp_path / 'other.pth'))  # fmt: skip


def test_feature_lengths():
    assert build_backbone({'type': 'TIMMBackbone', 'model_name': 'test_resnet'}, 32)[1] == 96
    stages = {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'features_only': True, 'out_indices': [3, 4]}
    assert build_backbone(stages, 32, 'stages')[1] == 192 + 96
    fixed = {'type': 'TIMMBackbone', 'model_name': 'test_vit', 'img_size': 48, 'dynamic_img_size': False}
    assert build_backbone(fixed, 224)[1] == 64  # tried on 48 px


def test_other_backbone_is_refused(tmp_path):
    torch.save(timm.create_model('test_efficientnet').state_dict(), tmp_path / 'other.pth')
    with pytest.raises(
        InputError, match=r'other.pth: not the weights of this backbone: \d+ keys missing \(first: .*unknown'
    ):
        load_pretrained(tiny(), str(tmp_path / 'other.pth'))


def test_other_shape_is_refused(tmp_path):
    state = timm.create_model('test_resnet').state_dict()
    state['layer1.0.conv1.weight'] = torch.zeros(1)
    torch.save(state, tmp_path / 'shape.pth')
    with pytest.raises(InputError, match=r'1 of another shape \(first: layer1.0.conv1.weight\)'):
        load_pretrained(tiny(), str(tmp_path / 'shape.pth'))


def test_a_missing_key_is_refused(tmp_path):
    state = timm.create_model('test_resnet').state_dict()
    del state['bn1.running_mean']
    torch.save(state, tmp_path / 'part.pth')
    with pytest.raises(InputError, match=r'1 keys missing \(first: bn1.running_mean\)'):
        load_pretrained(tiny(), str(tmp_path / 'part.pth'))


def test_missing_file_and_unknown_name():
    with pytest.raises(FileNotFoundError, match=r'no such file of weights: nowhere\.pth'):
        load_pretrained(tiny(), 'nowhere.pth')
    with pytest.raises(InputError, match="no ImageNet weights named 'x'; there are: efficientnet_lite0"):
        load_pretrained(tiny(), 'imagenet:x')


class _Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, 'w')


def test_a_crafted_pickle_does_not_run(tmp_path):
    target = tmp_path / 'written'
    with (tmp_path / 'evil.pth').open('wb') as file:
        pickle.dump({'state_dict': _Payload(str(target))}, file)
    with pytest.raises(InputError, match=r'evil.pth: not a checkpoint that can be loaded safely'):
        load_pretrained(tiny(), str(tmp_path / 'evil.pth'))
    assert not target.exists()


def test_a_damaged_safetensors_file_is_named(tmp_path):
    (tmp_path / 'bad.safetensors').write_bytes(b'\x08\x00\x00\x00\x00\x00\x00\x00notjson!')
    with pytest.raises(InputError, match=r'bad\.safetensors \(sha256 [0-9a-f]{64}\): not a safetensors file'):
        load_pretrained(torch.nn.Linear(1, 1), str(tmp_path / 'bad.safetensors'))


@pytest.mark.parametrize(
    ('theirs', 'ours', 'said'),
    [
        (2, 1, 'it has 2 side branches, not 1: give the backbone branches=2'),
        (1, 3, 'it has 1 side branch, not 3: give'),
    ],
)
def test_another_number_of_branches_is_named(theirs, ours, said, tmp_path):
    source = tiny('tf_efficientnet_lite0_side', features_only=True, branches=theirs)
    torch.save(source.timm_model.state_dict(), tmp_path / 'weights.pth')
    with pytest.raises(InputError, match=said):
        load_pretrained(
            tiny('tf_efficientnet_lite0_side', features_only=True, branches=ours), str(tmp_path / 'weights.pth')
        )


def test_a_side_network_takes_weights_of_its_trunk_or_of_all_of_it(tmp_path):
    source = tiny('tf_efficientnet_lite0_side', features_only=True)
    states = {'all': source.state_dict()}
    states['trunk'] = {name: value for name, value in states['all'].items() if '.side.' not in name}
    states['part'] = {name: value for name, value in states['all'].items() if 'side.last' not in name}
    for name, state in states.items():
        torch.save(state, tmp_path / f'{name}.pth')
    backbone = tiny('tf_efficientnet_lite0_side', features_only=True)
    before = backbone.timm_model.side.enter[0].weight.clone()
    with pytest.raises(InputError, match=r'\d+ keys missing \(first: side\.'):
        load_pretrained(backbone, str(tmp_path / 'trunk.pth'))
    load_pretrained(backbone, str(tmp_path / 'trunk.pth'), new_branch=True)
    assert torch.equal(backbone.timm_model.conv_stem.weight, source.timm_model.conv_stem.weight)
    assert torch.equal(backbone.timm_model.side.enter[0].weight, before)
    load_pretrained(backbone, str(tmp_path / 'all.pth'))
    assert torch.equal(backbone.timm_model.side.enter[0].weight, source.timm_model.side.enter[0].weight)
    with pytest.raises(InputError, match=r'\d+ keys missing \(first: side\.last'):
        load_pretrained(backbone, str(tmp_path / 'part.pth'), new_branch=True)
    with pytest.raises(InputError, match=r'0 keys missing, \d+ unknown \(first: side\.'):
        load_pretrained(tiny('tf_efficientnet_lite0', features_only=True), str(tmp_path / 'all.pth'))


@pytest.mark.parametrize(
    ('backbone', 'said'),
    [
        (
            {'type': 'MlpMixer', 'arch': 's', 'patch_size': 32},
            r'MlpMixer: .* photos of 299 x 225 px \(The MLP',
        ),
        (named('pit_ti_224'), r'pit_ti_224: this backbone does not take photos of 299 x 225 px \(The size of tensor'),
        (named('crossvit_tiny_240'), r"crossvit_tiny_240: this backbone can't be built \(Only token or avg pooling"),
        (named('nope'), r"nope: this backbone can't be built \(Unknown model"),
        (
            named('test_resnet', fan=3),
            r"test_resnet: this backbone can't be built \(.*unexpected keyword argument 'fan'\): leave fan out; .*"
            r'model\.backbone\._delete_=True model\.backbone\.type=TIMMBackbone model\.backbone\.model_name=test_r',
        ),
        (
            {'type': 'ResNet', 'depth': 18, 'out_indices': [1, 3], 'branches': 3},
            r"ResNet: .*'branches'\): leave branches out; with --cfg-options, begin without what the config has: "
            r"model\.backbone\._delete_=True .*=ResNet model\.backbone.depth=18 'model.backbone.out_indices=\[1, 3\]'$",
        ),
        ({'type': 'ResNet', 'depth': 19}, r"ResNet: this backbone can't be built \(.*invalid depth 19"),
        ({'type': 'Conformer', 'arch': 'tiny'}, r'Conformer: this backbone does not take photos of 224 x 224 px'),
        (Jumpy(), r'Jumpy: a photo of 299 x 225 px gives 299 features, one of 224 x 224 px 224'),
    ],
    ids=str,
)
def test_a_backbone_of_some_sizes_only_is_refused(backbone, said):
    with pytest.raises(InputError, match=said):
        build_backbone(backbone, 224)


def test_it_passes_where_it_meets_one_size():
    assert build_backbone(named('pit_ti_224'), 224, sizes=[(224, 224)])[1] == 256
    view = {'min_side': 224, 'max_side': None, 'crop': 224}
    assert IQARegressor(named('pit_ti_224'), view=view).input_size == 224
    with pytest.raises(InputError, match=r'does not take photos of 192 x 192 px'):
        IQARegressor(named('pit_ti_224'), view={**view, 'crop': 192})
