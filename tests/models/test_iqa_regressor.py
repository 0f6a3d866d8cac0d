"""The regressor: loss, prediction on photos of any size, the size rule."""

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.models.histograms import score_histogram
from mmqpt.models.iqa_losses import HISTOGRAM_LOSSES, ladder_loss, plcc_loss

VIEW = {'min_side': 32, 'max_side': 64, 'crop': 32}


def build(**changes):
    torch.manual_seed(0)
    config = {
        'type': 'IQARegressor',
        'backbone': {'type': 'TIMMBackbone', 'model_name': 'test_resnet'},
        'head': {'hidden': 8},
        'view': VIEW,
        'input_size': 32,
        **changes,
    }
    return MODELS.build(config)


def sample(score):
    return DataSample().set_gt_score(torch.tensor([score]))


@pytest.mark.parametrize(
    ('name', 'function'), [('smooth_l1', F.smooth_l1_loss), ('l1', F.l1_loss), ('mse', F.mse_loss)]
)
def test_losses(name, function):
    model = build(loss=name).eval()
    images = torch.rand(2, 3, 32, 32)
    found = model(images, [sample(0.1), sample(0.9)], mode='loss')['loss']
    assert found.item() == pytest.approx(function(model(images), torch.tensor([0.1, 0.9])).item())


def test_terms_are_named_and_summed():
    model = build(loss=[{'type': 'mse'}, {'type': 'plcc', 'weight': 0.1}]).eval()
    images, target = torch.rand(3, 3, 32, 32), torch.tensor([0.1, 0.5, 0.9])
    found = model(images, [sample(x) for x in target], mode='loss')
    predicted = model(images)
    assert found['loss_mse'].item() == pytest.approx(F.mse_loss(predicted, target).item())
    assert found['loss_plcc'].item() == pytest.approx(0.1 * plcc_loss(predicted, target).item())
    total, log = model.parse_losses(found)
    assert total.item() == pytest.approx(sum(x.item() for x in found.values()))
    assert set(log) == {'loss', 'loss_mse', 'loss_plcc'}


def test_crops_of_a_photo_are_samples_with_its_score():
    model = build(loss=[{'type': 'mse'}, {'type': 'rank', 'margin': 0.1}]).eval()
    crops = torch.rand(2, 3, 3, 32, 32)
    samples = [sample(0.1), sample(0.9)]
    found = model(crops, samples, mode='loss')
    flat = model(crops.flatten(0, 1), [samples[0]] * 3 + [samples[1]] * 3, mode='loss')
    for name, value in flat.items():
        assert found[name].item() == pytest.approx(value.item(), abs=1e-6)
    with pytest.raises(InputError, match=r'must be \(3, H, W\), got \(3, 3, 32, 32\); View cuts crops'):
        model(crops, samples, mode='predict')


def rung_sample(score, seed):
    found = sample(score)
    generator = torch.Generator().manual_seed(seed)
    found.ladder = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=generator)
    found.ladder_levels = torch.tensor([0.0, 3.0])
    return found


def test_ladder_is_a_term_of_its_own():
    model = build(loss='mse', ladder={'weight': 0.5, 'margin': 0.1}).eval()
    samples = [rung_sample(0.1, 0), rung_sample(0.9, 1)]
    images = torch.rand(2, 3, 32, 32)
    found = model(images, samples, mode='loss')
    rungs = torch.stack([x.ladder for x in samples]).flip(2).float() / 255  # BGR, as loaded
    scores = model(rungs.flatten(0, 1)).view(2, 2)
    assert found['loss_ladder'].item() == pytest.approx(
        0.5 * ladder_loss(scores, torch.tensor([[0.0, 3]] * 2), 0.1).item()
    )
    assert found['loss'].item() == pytest.approx(build(loss='mse').eval()(images, samples, mode='loss')['loss'].item())
    with pytest.raises(InputError, match='samples have none; put a LevelLadder into the pipeline'):
        model(images, [sample(0.1), sample(0.9)], mode='loss')


@pytest.mark.parametrize('ladder', [{'weight': 0}, {'margin': float('inf')}, {'step': 1}])
def test_bad_ladder(ladder):
    with pytest.raises(InputError, match='ladder takes weight > 0 and margin > 0, both finite'):
        build(ladder=ladder)


def opinion(score, histogram=None, deviation=None):
    found = sample(score)
    if histogram is not None:
        found.gt_histogram = torch.tensor(histogram)
    if deviation is not None:
        found.gt_score_sd = torch.tensor([deviation])
    return found


DISTRIBUTION = {'type': 'DistributionHead', 'bins': 3, 'hidden': 8}


@pytest.mark.parametrize('name', ['emd', 'cross_entropy'])
@pytest.mark.parametrize('crops', [1, 2])
def test_losses_on_histograms(name, crops):
    model = build(head=DISTRIBUTION, loss=name).eval()
    images = torch.rand(2, crops, 3, 32, 32)
    shares = [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]
    found = model(images, [opinion(0.65, shares[0]), opinion(0.0, shares[1])], mode='loss')['loss']
    logits = model.head.logits(model.extract_features(images.flatten(0, 1)))
    expected = HISTOGRAM_LOSSES[name](logits, torch.tensor(shares).repeat_interleave(crops, dim=0))
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize('deviation', [None, 0.2])
def test_histograms_are_made_where_there_are_none(deviation):
    model = build(head=DISTRIBUTION, loss='emd').eval()
    images = torch.rand(2, 3, 32, 32)
    found = model(images, [opinion(x, deviation=deviation) for x in (0.3, 0.8)], mode='loss')['loss']
    made = score_histogram(torch.tensor([0.3, 0.8]), 3, None if deviation is None else torch.full((2,), deviation))
    logits = model.head.logits(model.extract_features(images))
    assert found.item() == pytest.approx(HISTOGRAM_LOSSES['emd'](logits, made).item(), abs=1e-6)


def test_distribution_also_takes_losses_of_scores():
    model = build(head=DISTRIBUTION, loss=[{'type': 'emd'}, {'type': 'plcc'}]).eval()
    images, target = torch.rand(3, 3, 32, 32), torch.tensor([0.1, 0.5, 0.9])
    found = model(images, [sample(x) for x in target], mode='loss')
    assert found['loss_plcc'].item() == pytest.approx(plcc_loss(model(images), target).item(), abs=1e-6)


def test_distribution_fits_two_photos():
    model = build(head=DISTRIBUTION, loss='emd', view={'min_side': 32}).train()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.3, 1.0]).view(
        2, 1, 1, 1
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = model(images, [opinion(0.25, [0.5, 0.5, 0.0]), opinion(0.9, [0.0, 0.2, 0.8])], mode='loss')['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize('loss', ['plcc', 'rank', 'norm_in_norm'])
def test_a_batch_of_one_does_not_break_training(loss):
    model = build(loss=loss, norm_eval=True).train()
    found = model(torch.rand(1, 3, 32, 32), [sample(0.3)], mode='loss')['loss']
    found.backward()
    assert torch.isfinite(found)
    assert all(torch.isfinite(x.grad).all() for x in model.parameters() if x.grad is not None)


def test_stages_are_joined():
    backbone = {'type': 'TIMMBackbone', 'model_name': 'test_resnet', 'features_only': True, 'out_indices': [2, 4]}
    model = build(backbone=backbone, head={'hidden': 8, 'pooling': 'stages'}).eval()
    images = torch.rand(2, 3, 32, 32)
    maps = model.backbone(model.data_preprocessor.normalise(images))
    assert model.channels == sum(stage.shape[1] for stage in maps)
    expected = torch.cat([stage.mean(dim=(2, 3)) for stage in maps], dim=1)
    torch.testing.assert_close(model.extract_features(images), expected)


@pytest.mark.parametrize(
    'options', [{'places': 'five'}, {'places': 4}, {'flip': True}, {'places': 'five', 'flip': True}]
)
def test_prediction_is_the_mean_over_any_views(options):
    model = build(view={**VIEW, **options}).eval()
    photo = torch.rand(1, 3, 40, 64)
    with torch.no_grad():
        views = [photo[..., y : y + 32, x : x + 32] for y, x in model.view.corners(40, 64)]
        views += [view.flip(-1) for view in views] if options.get('flip') else []
        expected = torch.stack([model(view) for view in views]).mean()
        assert model.predict_photo(photo).item() == pytest.approx(expected.item(), abs=1e-6)
        if options.get('flip'):  # a mirror image has the score of the photo
            whole = build(view={'min_side': 32, 'flip': True}).eval()
            assert whole.predict_photo(photo.flip(-1)).item() == pytest.approx(
                whole.predict_photo(photo).item(), abs=1e-6
            )


VIT = {'type': 'TIMMBackbone', 'model_name': 'test_vit', 'img_size': 48, 'dynamic_img_size': False}


def test_view_must_fit_a_backbone_of_one_size():
    fits = {'min_side': 64, 'max_side': None, 'crop': 48}
    model = build(backbone=VIT, view=fits, input_size=224).eval()
    assert model.input_size == 48
    assert torch.isfinite(model.predict_photo(torch.rand(1, 3, 64, 100))).all()
    for bad in ({**fits, 'crop': None}, {**fits, 'crop': 32}, {**fits, 'max_side': 100}):
        with pytest.raises(InputError, match=r'takes photos of 48 px only: view must have crop=48, min_side >= 48'):
            build(backbone=VIT, view=bad)


def test_view_must_fit_patches():
    dynamic = {**VIT, 'dynamic_img_size': True}
    with pytest.raises(InputError, match='sides are multiples of 16 px'):
        build(backbone=dynamic, view={'min_side': 64})
    with pytest.raises(InputError, match='sides are multiples of 16 px'):
        build(backbone=dynamic, view={'min_side': 64, 'max_side': None, 'crop': 50})
    build(backbone=dynamic, view={'min_side': 64, 'max_side': None, 'crop': 64})
    any_size = build(backbone={**dynamic, 'dynamic_img_pad': True}, view={'min_side': 32}).eval()
    assert torch.isfinite(any_size.predict_photo(torch.rand(1, 3, 41, 77))).all()


def test_fits_two_photos():
    model = build(view={'min_side': 32}).train()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.3, 1.0]).view(
        2, 1, 1, 1
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss = model(images, [sample(0.2), sample(0.8)], mode='loss')['loss']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_prediction_is_the_mean_over_the_views():
    model = build().eval()
    photo = torch.rand(1, 3, 40, 64)
    with torch.no_grad():
        crops = [photo[..., y : y + 32, x : x + 32] for y in (0, 8) for x in (0, 32)]
        expected = torch.stack([model(crop) for crop in crops]).mean()
        found = model([photo[0]], [DataSample()], mode='predict')
    assert found[0].pred_score.item() == pytest.approx(expected.item(), abs=1e-6)


def test_list_of_sizes_equals_one_by_one():
    model = build().eval()
    photos = [torch.rand(3, 32, 50), torch.rand(3, 90, 40), torch.rand(3, 10, 10)]
    with torch.no_grad():
        together = [x.pred_score.item() for x in model(photos, [DataSample() for _ in photos], mode='predict')]
        alone = [model([photo], [DataSample()], mode='predict')[0].pred_score.item() for photo in photos]
    assert together == pytest.approx(alone, abs=1e-6)
    assert all(0 < score < 1 for score in together)


def test_preprocessor_stacks_what_it_can():
    preprocessor = build().data_preprocessor
    blue_in_bgr = torch.zeros(3, 4, 4, dtype=torch.uint8)
    blue_in_bgr[0] = 255
    same = preprocessor({'inputs': [blue_in_bgr, blue_in_bgr], 'data_samples': []})['inputs']
    assert same.shape == (2, 3, 4, 4)
    assert same[0, :, 0, 0].tolist() == [0, 0, 1]
    mixed = preprocessor({'inputs': [blue_in_bgr, blue_in_bgr[:, :2]], 'data_samples': []})['inputs']
    assert [tuple(x.shape) for x in mixed] == [(3, 4, 4), (3, 2, 4)]
    assert preprocessor.normalise(same)[0, 2, 0, 0].item() == pytest.approx((255 - 103.53) / 57.375)


def test_bad_input():
    with pytest.raises(InputError, match="unknown loss 'x'; there are: smooth_l1, l1, mse"):
        build(loss='x')
    with pytest.raises(InputError, match=r"loss 'emd' needs head=dict\(type='DistributionHead', bins=K\)"):
        build(loss='emd')
    with pytest.raises(InputError, match="unknown head 'x'"):
        build(head={'type': 'x'})
    model = build(head=DISTRIBUTION, loss='emd').eval()
    with pytest.raises(InputError, match='histograms of 2 bins, but the head has 3'):
        model(torch.rand(1, 3, 32, 32), [opinion(0.1, [0.9, 0.1])], mode='loss')
    with pytest.raises(InputError, match='training needs crops of one size'):
        build()([torch.rand(3, 32, 32), torch.rand(3, 32, 40)], [sample(0.1), sample(0.2)], mode='loss')
    with pytest.raises(InputError, match="mode 'loss' needs data_samples"):
        build()(torch.rand(1, 3, 32, 32), mode='loss')
    with pytest.raises(InputError, match=r'std above 0'):
        build(data_preprocessor={'std': [0, 1, 1]})


def rated(score, scale):
    found = sample(score)
    found.set_metainfo({'scale': scale})
    return found


def with_scales(**changes):
    model = build(scales=['a', 'b'], **changes).eval()
    model.start_scales({'a': ([0.1, 0.2, 0.4], (1, 5)), 'b': ([0.5, 0.8, 0.9], (0, 100))})
    return model


def test_losses_on_scales():
    """Each scale's own map, gains that make scales weigh alike, and losses of pairs within a scale."""
    images, samples = torch.rand(4, 3, 32, 32), [rated(s, n) for s, n in zip((0.1, 0.3, 0.5, 0.9), 'aabb', strict=True)]
    model = with_scales(loss=[{'type': 'l1'}, {'type': 'plcc', 'weight': 0.5}])
    found = model(images, samples, mode='loss')
    index, target = torch.tensor([0, 0, 1, 1]), torch.tensor([0.1, 0.3, 0.5, 0.9])
    predicted = model.scales(model(images), index)
    gains = model.scales.gains(index)
    torch.testing.assert_close(found['loss_l1'], ((predicted - target).abs() * gains).mean())
    wanted = (plcc_loss(predicted[:2], target[:2]) + plcc_loss(predicted[2:], target[2:])) / 4
    torch.testing.assert_close(found['loss_plcc'], wanted)
    found['loss_l1'].backward()
    assert model.scales.moved_offset.grad.abs().sum() > 0


def test_prediction_on_the_photo_s_scale():
    model = with_scales()
    image = torch.rand(3, 40, 40)
    a, b, other = model([image] * 3, [rated(0.1, 'a'), rated(0.1, 'b'), rated(0.1, 'x')], mode='predict')
    assert float(a.pred_score) == float(b.pred_score)
    assert a.pred_on_scale < b.pred_on_scale
    assert 'pred_on_scale' not in other
    torch.testing.assert_close(torch.tensor([a.pred_on_scale]), model.scales(a.pred_score, torch.tensor([0])).detach())


def test_scales_in_the_export_spec():
    spec = with_scales().export_spec()
    assert spec['scale'] == 'common'
    assert spec['scales']['b']['mos_range'] == [0.0, 100.0]
    assert 'scales' not in build().export_spec()


def test_mistakes_about_scales():
    with pytest.raises(InputError, match='photos have none'):
        with_scales()(torch.rand(1, 3, 32, 32), [sample(0.5)], mode='loss')
    with pytest.raises(InputError, match="no scale 'x' in the model"):
        with_scales()(torch.rand(1, 3, 32, 32), [rated(0.5, 'x')], mode='loss')
    with pytest.raises(InputError, match='the training set has the rating scales a'):
        build().start_scales({'a': ([0, 1], (0, 1))})
    with pytest.raises(InputError, match='histograms of one scale'):
        build(scales=['a'], loss='emd', head={'type': 'DistributionHead', 'bins': 5})


@pytest.mark.parametrize('head', [{'hidden': 8}, {'type': 'DistributionHead', 'bins': 5, 'hidden': 8}])
def test_scores_are_float32_under_autocast(head):
    """Scores of bfloat16 come in steps of 1/256: ranking losses would see ties."""
    model = build(head=head, loss=[{'type': 'mse'}, {'type': 'rank', 'margin': 0.01}]).train()
    features = torch.rand(500, model.channels, generator=torch.Generator().manual_seed(0))
    seen = []
    model.head.register_forward_hook(lambda module, given, scores: seen.append(scores))
    model.extract_features = lambda images: features.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        scores = model.score_views(torch.zeros(500, 3, 32, 32))
        found = model(torch.zeros(500, 3, 32, 32), [sample(0.5)] * 500, mode='loss')
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, model.eval().head(features.bfloat16().float()), rtol=1e-6, atol=1e-7)
    assert all(value.dtype == torch.float32 for value in found.values())
    assert len(scores.unique()) > 400
