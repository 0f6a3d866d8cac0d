"""Every backbone and head: built, trained for two steps, exported, and scored alike by training code and metric.

Of mmpretrain's own backbones, those that timm has as well are exported under its names; Swin and ViT train only.
"""

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.export.convert import export_backbone, export_checkpoint
from mmqpt.metric.arch import MMQPT

ANY = {'min_side': 32, 'max_side': 64}
ONE = {'min_side': 32, 'max_side': None, 'crop': 32}
STAGES = {'features_only': True}
JOINED = {'pooling': 'stages'}


def trained(backbone, view=ANY, head=None, **options):
    """After two steps on four photos of 32 px."""
    torch.manual_seed(0)
    model = MODELS.build(
        {
            'type': 'IQARegressor',
            'backbone': backbone,
            'head': {'hidden': 4, **(head or {})},
            'view': view,
            'input_size': 32,
            'norm_eval': True,
            **options,
        }
    )
    model.init_weights()
    wrapper = build_optim_wrapper(model, {'type': 'OptimWrapper', 'optimizer': {'type': 'AdamW', 'lr': 1e-3}})
    side = view.get('crop') or 32
    generator = torch.Generator().manual_seed(0)
    samples = [DataSample().set_gt_score(torch.tensor([0.2 + 0.2 * i])) for i in range(4)]
    first = {name: value.clone() for name, value in model.named_parameters()}
    for _ in range(2):
        photos = (255 * torch.rand(4, 3, side, side, generator=generator)).byte()
        losses = model.train().train_step({'inputs': list(photos), 'data_samples': samples}, wrapper)
        assert torch.isfinite(losses['loss'])
    moved = sum(not torch.equal(value, first[name]) for name, value in model.named_parameters())
    assert moved > 0.8 * len(first)  # not all: a unit of a small head may be dead
    model.eval()
    return model


def saved(model, path):
    """What MMEngine and ExportSpecHook write."""
    meta = {**model.export_spec(), 'config_sha256': '0' * 64, 'iterations': 2, 'mmqpt_version': '0'}
    torch.save({'state_dict': model.state_dict(), 'meta': {'mmqpt': meta}}, path)
    return path


def check_metric(model, folder, sizes=((40, 52), (33, 41))):
    spec = export_checkpoint(saved(model, folder / 'checkpoint.pth'), folder / 'metric.safetensors')
    metric = MMQPT(folder / 'metric.safetensors').eval()
    for height, width in sizes:
        photos = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            ours, theirs = model.predict_photo(photos), metric(photos)
            torch.testing.assert_close(theirs[:, 0], ours, atol=2e-5, rtol=0)
            torch.testing.assert_close(metric(photos[1:])[0], theirs[1], atol=2e-5, rtol=0)
    return spec


def timm_backbone(name, **options):
    return {'type': 'TIMMBackbone', 'model_name': name, **options}


@pytest.mark.parametrize(
    ('backbone', 'view'),
    [
        ({'type': 'ResNet', 'depth': 18}, ANY),
        ({'type': 'ResNet', 'depth': 50}, ANY),
        pytest.param(timm_backbone('resnet50'), ANY, marks=pytest.mark.slow),
        ({'type': 'ResNetV1d', 'depth': 18}, ANY),
        ({'type': 'SEResNet', 'depth': 50}, ANY),
        ({'type': 'MobileNetV2', 'widen_factor': 0.5}, ANY),
        ({'type': 'MobileNetV3', 'arch': 'small_050'}, ANY),
        ({'type': 'EfficientNet', 'arch': 'b0'}, ANY),
        ({'type': 'ConvNeXt', 'arch': 'tiny'}, ANY),
        (timm_backbone('tf_efficientnet_lite0'), ANY),
        (timm_backbone('convnext_tiny'), ANY),
        (timm_backbone('swin_tiny_patch4_window7_224', img_size=32), ONE),
        pytest.param(
            timm_backbone('swin_tiny_patch4_window7_224', img_size=32, strict_img_size=False),
            {**ONE, 'crop': 28},
            marks=pytest.mark.slow,
        ),
        (timm_backbone('vit_small_patch16_224', img_size=32), ONE),
        (timm_backbone('vit_small_patch16_224', img_size=32, dynamic_img_size=True, dynamic_img_pad=True), ANY),
    ],
    ids=lambda value: '-'.join(str(x) for x in value.values() if x is not True)[:60],
)
def test_trains_exports_and_scores_alike(backbone, view, tmp_path):
    check_metric(trained(backbone, view), tmp_path)


@pytest.mark.parametrize(
    ('backbone', 'view'),
    [
        ({'type': 'SwinTransformer', 'arch': 'tiny', 'img_size': 32, 'pad_small_map': True}, ANY),
        ({'type': 'VisionTransformer', 'arch': 'deit-small', 'img_size': 32, 'patch_size': 16}, ONE),
        ({'type': 'VisionTransformer', 'arch': 'deit-small', 'img_size': 32, 'patch_size': 16,
          'out_type': 'avg_featmap'}, ONE),
    ],
    ids=['swin', 'vit-class-token', 'vit-patches'],
)  # fmt: skip
def test_other_backbones_of_mmpretrain_train(backbone, view, tmp_path):
    model = trained(backbone, view)
    assert torch.isfinite(model.predict_photo(torch.rand(1, 3, 40, 52))).all()
    with pytest.raises(InputError, match='what timm calls this backbone is not known'):
        export_checkpoint(saved(model, tmp_path / 'x.pth'), tmp_path / 'x.safetensors')


@pytest.mark.parametrize(
    ('backbone', 'view', 'channels'),
    [
        ({'type': 'ResNet', 'depth': 18, 'out_indices': [0, 3]}, ANY, 64 + 512),
        (timm_backbone('test_resnet', **STAGES), ANY, None),
        (timm_backbone('tf_efficientnet_lite0', **STAGES, out_indices=[2, 4]), ANY, 40 + 320),
        (timm_backbone('test_convnext', **STAGES, out_indices=[1, 3]), ANY, None),
        (timm_backbone('swin_tiny_patch4_window7_224', **STAGES, img_size=32), ONE, 96 + 192 + 384 + 768),
        (timm_backbone('test_vit', **STAGES, img_size=32, out_indices=[1, 5]), ONE, 64 + 64),
    ],
    ids=['mmpretrain-resnet', 'resnet', 'efficientnet', 'convnext', 'swin', 'vit'],
)
def test_stages_score_alike(backbone, view, channels, tmp_path):
    model = trained(backbone, view, JOINED)
    assert channels in (None, model.channels)
    spec = check_metric(model, tmp_path)
    assert spec.backbone_args['features_only']
    assert spec.head['pooling'] == 'stages'


@pytest.mark.parametrize('backbone', ['test_resnet', 'swin_tiny_patch4_window7_224', 'test_vit'])
def test_moments_score_alike(backbone, tmp_path):
    """Maps in both layouts, and tokens that timm makes maps of."""
    size = {} if backbone == 'test_resnet' else {'img_size': 32}
    model = trained(timm_backbone(backbone, **STAGES, **size), ONE if size else ANY, {'pooling': 'moments'})
    assert (
        model.channels == 2 * trained(timm_backbone(backbone, **STAGES, **size), ONE if size else ANY, JOINED).channels
    )
    assert check_metric(model, tmp_path).head['pooling'] == 'moments'


def test_distribution_scores_alike(tmp_path):
    head = {'type': 'DistributionHead', 'bins': 5}
    spec = check_metric(trained(timm_backbone('test_resnet'), head=head, loss='emd'), tmp_path)
    assert spec.head == {'channels': 96, 'hidden': 4, **head}


@pytest.mark.parametrize(
    'view',
    [
        {**ANY, 'flip': True},
        {**ANY, 'crop': 32, 'places': 'five'},
        {**ANY, 'crop': 32, 'places': 6, 'flip': True},
        {**ANY, 'crop': 20},
    ],
    ids=['flip', 'five', 'random', 'grid'],
)
def test_views_score_alike(view, tmp_path):
    spec = check_metric(trained(timm_backbone('test_resnet'), view), tmp_path, ((40, 52), (33, 41), (20, 90)))
    assert spec.view == view | {'crop': view.get('crop')}


def test_frozen_checkpoint_exports(tmp_path):
    """Frozen parameters are in the file as any other."""
    model = MODELS.build({'type': 'IQARegressor', 'backbone': timm_backbone('test_resnet'), 'view': ANY, 'freeze': 2,
                          'input_size': 32})  # fmt: skip
    check_metric(model.eval(), tmp_path)


def test_stages_without_the_whole_network_are_no_plain_backbone(tmp_path):
    whole = saved(trained(timm_backbone('test_resnet', **STAGES), head=JOINED), tmp_path / 'whole.pth')
    assert export_backbone(whole, tmp_path / 'plain.pth', 'timm') == 'test_resnet'
    part = trained(timm_backbone('test_efficientnet', **STAGES), head=JOINED)
    with pytest.raises(InputError, match='lacks parts of the whole test_efficientnet'):
        export_backbone(saved(part, tmp_path / 'part.pth'), tmp_path / 'plain.pth', 'timm')
