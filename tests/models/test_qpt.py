"""The model: which key is whose negative, the momentum encoder, determinism, any backbone, two ranks."""

import math
import os
import socket

import pytest
import timm
import torch
import torch.multiprocessing
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError
from mmqpt.degradations import Recipe
from mmqpt.models.qc_loss import qc_loss

TINY = {'type': 'TIMMBackbone', 'model_name': 'test_resnet'}


def build(**changes):
    torch.manual_seed(0)
    config = {
        'type': 'QPT',
        'backbone': TINY,
        'neck': {'type': 'MoCoV2Neck', 'hid_channels': 16, 'out_channels': 8},
        'head': {'type': 'QCHead', 'temperature': 0.2},
        'queue_length': 20,
        'input_size': 32,
        **changes,
    }
    model = MODELS.build(config)
    model.init_weights()
    return model


def batch(photos=3, versions=2, patches=2, seed=0):
    return torch.rand(photos, versions, patches, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def embed(model, which, images):
    """Unit vectors (M, E) of the query encoder, or of the ``key_`` encoder."""
    features = model.part.features(getattr(model, f'{which}backbone'), images)
    return model._project(features, getattr(model, f'{which}neck'))


@pytest.mark.parametrize('batch_negatives', [False, True])
@pytest.mark.parametrize(('versions', 'patches'), [(2, 2), (3, 2), (2, 3)])
def test_loss_equals_a_loop_over_patches(versions, patches, batch_negatives):
    model = build(batch_negatives=batch_negatives).eval()
    model.queue.enqueue(F.normalize(torch.randn(7, 8), dim=1))
    inputs = batch(versions=versions, patches=patches)
    with torch.no_grad():
        flat = model.data_preprocessor.normalise(inputs.flatten(0, 2))
        key = embed(model, 'key_', flat).view(3, versions, patches, 8)
        query = embed(model, '', flat).view(3, versions, patches, 8)
        losses = []
        for n in range(3):
            for v in range(versions):
                for p in range(patches):
                    positive = torch.stack([key[n, v, i] for i in range(patches) if i != p])
                    other = torch.stack([key[n, w, i] for w in range(versions) if w != v for i in range(patches)])
                    content = [model.queue.keys[:7]]
                    if batch_negatives:
                        content += [key[m].flatten(0, 1) for m in range(3) if m != n]
                    losses.append(qc_loss(query[n, v, p][None], positive[None], other[None], torch.cat(content), 0.2))
        found = model.loss(inputs)
    assert found['loss'].item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    negatives = (versions - 1) * patches + 7 + (2 * versions * patches if batch_negatives else 0)
    assert found['chance_level'].item() == pytest.approx(math.log(1 + negatives), rel=1e-6)
    assert found['queue_fill'].item() == pytest.approx(7 / 20)


@pytest.mark.parametrize('batch_negatives', [False, True])
@pytest.mark.parametrize('share', [None, 0.5])
def test_recipe_positives_equal_a_loop_over_patches(batch_negatives, share):
    """Groups of two photos under the same three recipes: with a share, C counts what is not masked for the query."""
    head = {'type': 'QCHead', 'degradation_share': share}
    model = build(head=head, batch_negatives=batch_negatives, recipe_positives=2).eval()
    model.queue.enqueue(F.normalize(torch.randn(7, 8), dim=1))
    inputs = batch(photos=4, versions=3, patches=2)
    with torch.no_grad():
        flat = model.data_preprocessor.normalise(inputs.flatten(0, 2))
        key = embed(model, 'key_', flat).view(4, 3, 2, 8)
        query = embed(model, '', flat).view(4, 3, 2, 8)
        losses, own, others = [], [], []
        for n in range(4):
            twin = n + 1 if n % 2 == 0 else n - 1
            for v in range(3):
                for p in range(2):
                    positive = torch.stack([key[n, v, 1 - p], key[twin, v, 0], key[twin, v, 1]])
                    negative = torch.stack([key[n, w, i] for w in range(3) if w != v for i in range(2)])
                    content = [model.queue.keys[:7]]
                    if batch_negatives:
                        content += [
                            key[m, w] for m in range(4) for w in range(3) if m != n and not (m == twin and w == v)
                        ]
                    q = query[n, v, p]
                    losses.append(
                        qc_loss(*(q[None], positive[None], negative[None], torch.cat(content)), degradation_share=share)
                    )
                    closer = positive @ q > (negative @ q).max()
                    own.append(float(closer[0]))
                    others += closer[1:].tolist()
        found = model.loss(inputs)
    assert found['loss'].item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)
    assert found['acc_degradation'].item() == pytest.approx(sum(own) / len(own))
    assert found['acc_recipe'].item() == pytest.approx(sum(others) / len(others))
    contents = 20 + (3 * 6 - 2 if batch_negatives else 0)
    assert model.contrast(inputs).contents == contents


def test_without_groups_there_are_no_recipe_positives():
    model = build().eval()
    assert 'acc_recipe' not in model.loss(batch())


def test_a_batch_is_checked():
    with pytest.raises(InputError, match=r'got \(3, 1, 2, 3, 32, 32\)'):
        build().loss(batch(versions=1))
    recipes = [[Recipe([('jpeg', 1)])], [Recipe([('haze', 1)])]]
    samples = [DataSample(metainfo={'recipes': own}) for own in recipes]
    with pytest.raises(InputError, match='photos of a group have different recipes'):
        build(recipe_positives=2).loss(batch(photos=2), samples)


def test_learns_to_name_a_degradation_across_photos():
    """Two photos a group, whose own colours differ: with recipe positives the degradation brings photos together."""
    accuracy = {}
    for group in (1, 2):
        model = build(queue_length=0, recipe_positives=group, batch_negatives=True, backbone=dict(TINY)).train()
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        generator = torch.Generator().manual_seed(1)
        found = []
        for _ in range(40):
            photos = torch.rand(8, 1, 1, 3, 1, 1, generator=generator) * 0.5
            inputs = photos + 0.1 * torch.rand(8, 2, 2, 3, 32, 32, generator=generator)
            inputs[:, 1] += 0.3 * torch.rand(8, 2, 3, 32, 32, generator=generator)  # noisy versions
            losses = model.loss(inputs)
            optimiser.zero_grad()
            losses['loss'].backward()
            optimiser.step()
            model.recipe_positives = 2
            found.append(model.eval().loss(inputs)['acc_recipe'].item())
            model.recipe_positives = group
            model.train()
        accuracy[group] = sum(found[-10:]) / 10
    assert accuracy[2] > 0.8
    assert accuracy[2] > accuracy[1] + 0.1


def test_without_degradation_negatives():
    model = build(degradation_negatives=False).eval()
    model.queue.enqueue(F.normalize(torch.randn(7, 8), dim=1))
    with torch.no_grad():
        found = model.loss(batch())
        flat = model.data_preprocessor.normalise(batch().flatten(0, 2))
        key = embed(model, 'key_', flat).view(3, 2, 2, 8)
        query = embed(model, '', flat)
    wanted = qc_loss(query, key.flip(2).view(12, 1, 8), torch.zeros(12, 0, 8), model.queue.keys[:7], 0.2)
    assert found['loss'].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.isnan(found['acc_degradation'])
    assert found['chance_level'].item() == pytest.approx(math.log(1 + 7), rel=1e-5)


def test_queue_gets_the_keys_of_every_step_in_training_only():
    model = build()
    model.eval()
    model.loss(batch())
    assert model.queue.filled == 0
    model.train()
    model.loss(batch())
    assert model.queue.filled == 12
    assert torch.allclose(model.queue.keys[:12].norm(dim=1), torch.ones(12))
    model.loss(batch())
    assert model.queue.filled == 20
    assert model.queue.position == 4


def test_momentum_encoder_follows_the_formula():
    model = build(momentum=0.9).train()
    model.steps.fill_(1000)  # past the ramp
    parameter, averaged = model.backbone.timm_model.conv1[0].weight, model.key_backbone.timm_model.conv1[0].weight
    statistic, its_average = model.backbone.timm_model.bn1.running_mean, model.key_backbone.timm_model.bn1.running_mean
    with torch.no_grad():
        parameter += 1
        statistic += 2
    expected = 0.9 * averaged + 0.1 * parameter, 0.9 * its_average + 0.1 * statistic
    model._update_key_encoder()
    assert torch.allclose(averaged, expected[0], atol=1e-6)
    assert torch.allclose(its_average, expected[1], atol=1e-6)


def test_momentum_ramps_up():
    model = build(momentum=0.999)
    weight, averaged = model.neck.mlp[0].bias, model.key_neck.mlp[0].bias
    with torch.no_grad():
        weight.fill_(1)
        averaged.fill_(0)
    model._update_key_encoder()  # m = min(0.999, 1 / 10)
    assert torch.allclose(averaged, torch.full_like(averaged, 0.9))


def test_key_encoder_has_no_gradient_and_stays_in_eval_mode():
    model = build().train()
    model.loss(batch())['loss'].backward()
    assert all(parameter.grad is None for parameter in model.key_backbone.parameters())
    assert not any(module.training for module in [*model.key_backbone.modules(), *model.key_neck.modules()])
    assert model.backbone.timm_model.conv1[0].weight.grad.abs().sum() > 0


def test_keys_do_not_depend_on_the_rest_of_the_batch():
    """BatchNorm over the batch would tell which patches were loaded together."""
    model = build().train()
    images = model.data_preprocessor.normalise(batch(photos=4).flatten(0, 2))
    with torch.no_grad():
        together = embed(model, 'key_', images)
        alone = torch.cat([embed(model, 'key_', image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)


BN_NECK = {
    'type': 'NonLinearNeck',
    'hid_channels': 16,
    'out_channels': 8,
    'num_layers': 2,
    'norm_cfg': {'type': 'BN1d'},
}


@pytest.mark.parametrize('neck', [{'type': 'MoCoV2Neck', 'hid_channels': 16, 'out_channels': 8}, BN_NECK])
def test_keys_are_normalised_by_the_first_batch_from_the_first_step(neck):
    """With BatchNorm's own mean 0 and variance 1 the keys of random weights would be nearly alike."""
    model = build(neck=neck, queue_length=0).train()
    inputs = batch(photos=8) + torch.linspace(0, 1, 8).view(8, 1, 1, 1, 1, 1)
    model.loss(inputs / 2)
    images = model.data_preprocessor.normalise(inputs.flatten(0, 2) / 2)
    with torch.no_grad():
        query = model.part.features(model.backbone, images)
        key = model.part.features(model.key_backbone, images)
    for layer in [*model.key_backbone.modules(), *model.key_neck.modules()]:
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            assert not torch.allclose(layer.running_var, torch.ones(()), atol=1e-2)
    assert torch.allclose(
        key, query, rtol=0.1, atol=0.1 * float(query.std())
    )  # BatchNorm of the query is that of the batch
    for layer in model.backbone.modules():
        assert getattr(layer, 'momentum', 0.1) == 0.1


@pytest.mark.parametrize('resumed', [False, True])
def test_statistics_of_given_or_resumed_weights_are_kept(started, resumed):
    model = build(pretrained=None if resumed else started).train()
    model.steps.fill_(5 if resumed else 0)
    layer = model.backbone.timm_model.bn1
    before = layer.running_mean.clone()
    images = model.data_preprocessor.normalise(batch().flatten(0, 2))
    expected = 0.9 * before + 0.1 * model.backbone.timm_model.conv1(images).mean(dim=(0, 2, 3))  # one usual update
    model.loss(batch())
    assert torch.allclose(layer.running_mean, expected, atol=1e-6)


@pytest.mark.parametrize('norm_eval', [False, True])
@pytest.mark.parametrize('neck', [BN_NECK, {'type': 'StandardisedNeck', 'hid_channels': 16, 'out_channels': 8}])
def test_the_neck_on_given_weights_is_normalised_by_the_first_batch(started, neck, norm_eval):
    """Its weights are random: with mean 0 and variance 1 its keys would be nearly alike."""
    model = build(pretrained=started, neck=neck, norm_eval=norm_eval, queue_length=0).train()
    inputs = batch(photos=8) + torch.linspace(0, 1, 8).view(8, 1, 1, 1, 1, 1)
    images = model._prepared(inputs / 2)
    model.loss(inputs / 2)
    with torch.no_grad():
        key = model._project(model.part.features(model.backbone, images), model.key_neck)
        query = model._project(model.part.features(model.backbone, images), model.neck)
    assert F.cosine_similarity(key, query).min() > 0.99
    model.steps.fill_(0)
    before = {name: value.clone() for name, value in model.key_neck.state_dict().items()}
    model._start_neck(torch.rand(8, 512))  # once only
    assert all(torch.equal(before[name], value) for name, value in model.key_neck.state_dict().items())


def test_a_resumed_neck_keeps_its_statistics(started):
    model = build(pretrained=started, neck=BN_NECK).train()
    model.steps.fill_(5)
    model._start_neck(torch.rand(8, 512))
    assert all(bool((layer.running_var == 1).all()) for layer in model.neck.modules() if hasattr(layer, 'running_var'))


@pytest.fixture
def started(tmp_path):
    """A file of weights to start from."""
    torch.manual_seed(7)
    backbone = MODELS.build(TINY)
    torch.save(backbone.state_dict(), tmp_path / 'start.pth')
    return str(tmp_path / 'start.pth')


def test_anchor_is_zero_at_the_start_and_says_what_is_lost(started):
    model = build(pretrained=started, anchor=2.0).eval()
    with torch.no_grad():
        plain = build(pretrained=started).eval().loss(batch())
        before = model.loss(batch())
        assert before['loss'] == plain['loss']  # a term of its own, not a change of QC-Loss
        assert 'anchor_loss' not in plain
        assert before['anchor_loss'] == pytest.approx(0, abs=1e-6)
        images = model.data_preprocessor.normalise(batch().flatten(0, 2))
        target = model.extract_feat(batch().flatten(0, 2))
        for weight in model.backbone.parameters():
            weight.mul_(0.5)
        features = model.extract_feat(batch().flatten(0, 2))
        wanted = F.mse_loss(features, target) / target.var(dim=0).mean()
        assert model.anchor_loss(features, images).item() == pytest.approx(wanted.item(), rel=1e-4)
        assert model.loss(batch())['anchor_loss'].item() == pytest.approx(2 * wanted.item(), rel=1e-4)


def test_anchor_lets_features_turn(started):
    """What a linear map can undo is not lost."""
    model = build(pretrained=started, anchor=1.0).eval()
    flat = batch().flatten(0, 2)
    images = model.data_preprocessor.normalise(flat)
    with torch.no_grad():
        features = model.extract_feat(flat)
        turn = torch.linalg.qr(torch.randn(features.shape[1], features.shape[1]))[0]
        assert model.anchor_loss(features @ turn, images) > 0.1
        model.anchor_map.weight.copy_(turn)
        assert model.anchor_loss(features @ turn, images).item() == pytest.approx(0, abs=1e-5)


def test_anchor_itself_never_moves(started):
    model = build(pretrained=started, anchor=1.0, norm_eval=False).train()
    before = {name: value.clone() for name, value in model.anchor_backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for seed in range(2):
        sum(value for name, value in model.loss(batch(seed=seed)).items() if 'loss' in name).backward()
        optimizer.step()
    for name, value in model.anchor_backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert model.anchor_map.weight.grad.abs().sum() > 0
    assert not any(name.startswith('anchor_backbone') for name, p in model.named_parameters() if p.requires_grad)


@pytest.mark.parametrize(('pooling', 'times'), [('stages', 1), ('moments', 2)])
def test_the_neck_may_see_all_stages(pooling, times):
    model = build(backbone={**TINY, 'features_only': True}, pooling=pooling).train()
    stages = model.key_backbone(torch.zeros(1, 3, 32, 32))
    width = times * sum(stage.shape[1] for stage in stages)
    assert model.extract_feat(batch().flatten(0, 2)).shape == (12, width)
    losses = model.loss(batch())
    losses['loss'].backward()
    first = next(p for p in model.backbone.parameters())
    assert first.grad.abs().sum() > 0


def test_compiled_backbones_keep_their_names():
    """Nothing is compiled before the first batch; all else stays as it is."""
    plain, compiled = build(), build(compile_backbone=True)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    for model, wanted in ((plain, False), (compiled, True)):
        for part in (model.backbone, model.key_backbone, model):
            assert (part._compiled_call_impl is not None) == (wanted and part is not model)


def test_names_in_checkpoints_stay(started):
    """Old runs must resume: these names were written down before the model was taken apart."""
    model = build(pretrained=started, anchor=1.0)
    names = list(model.state_dict())
    encoder = [name.removeprefix('backbone.') for name in names if name.startswith('backbone.')]
    neck = ['mlp.0.weight', 'mlp.0.bias', 'mlp.2.weight', 'mlp.2.bias']
    assert len(encoder) > 20
    assert 'timm_model.conv1.0.weight' in encoder
    wanted = [
        'steps',
        *(f'backbone.{name}' for name in encoder),
        *(f'neck.{name}' for name in neck),
        *(f'anchor_backbone.{name}' for name in encoder),
        'anchor_map.weight',
        'anchor_map.bias',
        *(f'key_backbone.{name}' for name in encoder),
        *(f'key_neck.{name}' for name in neck),
        'queue.keys',
        'queue.position',
        'queue.filled',
    ]
    assert sorted(names) == sorted(wanted)
    assert not [name for name in build().state_dict() if name.startswith('anchor')]


@pytest.mark.parametrize('batch_negatives', [True, False])
def test_contrast_counts_what_a_query_meets(batch_negatives):
    """Once the queue is full: what the statistics then say of the loss."""
    head = {'type': 'QCHead', 'temperature': 0.1, 'degradation_share': 0.5}
    model = build(head=head, batch_negatives=batch_negatives).train()
    inputs = batch(versions=3, patches=2)
    for _ in range(3):
        found = model.loss(inputs)
    contrast = model.contrast(inputs)
    assert found['queue_fill'] == 1
    assert contrast.contents == 20 + (2 * 6 if batch_negatives else 0)
    assert found['chance_level'].item() == pytest.approx(math.log(1 + 2 * contrast.contents))
    assert (contrast.keys, contrast.degradations, contrast.queue_length) == (18, 4, 20)
    assert (contrast.temperature, contrast.degradation_share, contrast.momentum) == (0.1, 0.5, 0.999)
    assert build(degradation_negatives=False).contrast(inputs).degradations == 0


def test_feature_accuracy_equals_a_loop_over_patches():
    model = build().eval()
    inputs = batch(photos=6, versions=3, patches=2)
    with torch.no_grad():
        flat = model.backbone(model.data_preprocessor.normalise(inputs.flatten(0, 2)))[-1].mean(dim=(2, 3))
    features = F.normalize(flat, dim=1).view(6, 3, 2, -1)
    right = []
    for n in range(6):
        for v in range(3):
            for p in range(2):
                near = features[n, v, p] @ features[n, v, 1 - p]
                others = torch.stack([features[n, w] @ features[n, v, p] for w in range(3) if w != v])
                right.append(float(near > others.max()))
    assert 0 < sum(right) < len(right)
    assert model.feature_accuracy(inputs, model.backbone).item() == pytest.approx(sum(right) / len(right))


def test_untrained_backbone_stays_as_it_is(started):
    model = build(pretrained=started).train()
    inputs = batch()
    state = torch.random.get_rng_state()
    start = model.untrained_backbone(inputs)
    assert torch.equal(state, torch.random.get_rng_state())
    before = {name: value.clone() for name, value in start.state_dict().items()}
    for name, value in torch.load(started, weights_only=True).items():
        assert torch.equal(before[name], value), name
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    model.loss(inputs)['loss'].backward()
    optimiser.step()
    assert all(torch.equal(before[name], value) for name, value in start.state_dict().items())
    assert not any(module.training for module in start.modules())
    assert not any(parameter.requires_grad for parameter in start.parameters())
    assert model.backbone.training


def test_untrained_backbone_of_random_weights_has_the_statistics_of_the_batch():
    model = build().train()
    inputs = batch(photos=8)
    start = model.untrained_backbone(inputs)
    model.loss(inputs)  # sets those of the key encoder in the same way
    ours, theirs = start.state_dict(), model.key_backbone.state_dict()
    for name, value in ours.items():
        if 'running_mean' in name:
            assert torch.allclose(value, theirs[name], rtol=0.2, atol=0.1 * float(theirs[name].std())), name
    model = build().train()
    assert torch.equal(model.backbone.timm_model.bn1.running_var, torch.ones(32))  # the model's own are untouched


def test_norm_eval_keeps_statistics():
    model = build(norm_eval=True).train()
    before = model.backbone.timm_model.bn1.running_mean.clone()
    model.loss(batch())
    assert torch.equal(before, model.backbone.timm_model.bn1.running_mean)
    changing = build().train()
    changing.loss(batch())
    assert not torch.equal(before, changing.backbone.timm_model.bn1.running_mean)


@pytest.mark.parametrize(
    ('backbone', 'size'),
    [
        ({'type': 'ResNet', 'depth': 18}, 32),
        ({'type': 'MobileNetV2'}, 32),
        ({'type': 'TIMMBackbone', 'model_name': 'test_efficientnet'}, 32),
        ({'type': 'TIMMBackbone', 'model_name': 'test_vit', 'img_size': 32}, 32),
        ({'type': 'TIMMBackbone', 'model_name': 'test_convnext'}, 32),
    ],
)
def test_any_backbone_by_changing_one_dict(backbone, size):
    model = build(backbone=backbone, input_size=size).train()
    loss = model.loss(batch(photos=2))['loss']
    loss.backward()
    assert torch.isfinite(loss)


def test_learns_to_tell_two_degradations_apart():
    """From chance to almost certain on a toy: dark patches against bright ones, whatever the photo."""
    model = build(queue_length=0, backbone={**TINY, 'drop_path_rate': 0.0}).train()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    generator = torch.Generator().manual_seed(1)
    accuracy = []
    for _ in range(30):
        inputs = torch.rand(8, 2, 2, 3, 32, 32, generator=generator) * 0.3
        inputs[:, 1] += 0.5 * torch.rand(8, 1, 1, 1, 1, generator=generator) + 0.1
        losses = model.loss(inputs)
        optimiser.zero_grad()
        losses['loss'].backward()
        optimiser.step()
        accuracy.append(losses['acc_degradation'].item())
    assert sum(accuracy[-5:]) / 5 > 0.9


def test_same_seed_same_losses():
    runs = []
    for _ in range(2):
        model = build().train()
        optimiser = torch.optim.SGD(model.parameters(), 0.1)
        losses = []
        for step in range(3):
            loss = model.loss(batch(seed=step))['loss']
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        runs.append(losses)
    assert runs[0] == runs[1]


def test_forward_gives_features():
    assert build()(batch()[:, 0, 0], mode='tensor').shape == (3, build().neck.mlp[0].in_features)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'recipe_positives': 0}, 'recipe_positives must be an integer >= 1, got 0'),
        ({'recipe_positives': True}, 'recipe_positives must be an integer >= 1, got True'),
        ({'momentum': 1}, 'momentum must be at least 0 and below 1, got 1'),
        ({'head': {'type': 'QCHead', 'temperature': 0}}, 'temperature must be a number > 0, got 0'),
        (
            {'neck': {'type': 'MoCoV2Neck', 'in_channels': 3, 'hid_channels': 8, 'out_channels': 8}},
            'in_channels 3, but',
        ),
        ({'queue_length': -1}, 'length >= 0'),
        ({'anchor': -1.0}, 'anchor must be a weight >= 0, got -1.0'),
        ({'anchor': 1.0}, 'anchor keeps what pretrained weights know, but there are none'),
        ({'pooling': 'max'}, "pooling must be one of last, stages, moments, got 'max'"),
    ],
)
def test_bad_config(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)


def _two_ranks(rank, port, folder):
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
    )
    torch.distributed.init_process_group('gloo')
    model = build(queue_length=30).train()
    own = []
    for step in range(3):  # 3 x 24 keys: the queue wraps around
        model.loss(batch(seed=10 * step + rank))
        own.append(model.queue.keys.clone())
    torch.save({'queue': model.queue.state_dict(), 'steps': own}, f'{folder}/rank{rank}.pth')
    torch.distributed.destroy_process_group()


def test_queue_is_the_same_on_two_ranks(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_two_ranks, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f'rank{rank}.pth', weights_only=True) for rank in (0, 1))
    for a, b in zip(first['steps'], second['steps'], strict=True):
        assert torch.equal(a, b)
    assert first['queue']['position'] == (3 * 24) % 30
    assert first['queue']['filled'] == 30
    assert not torch.equal(first['steps'][0][:12], first['steps'][0][12:24])  # the ranks had different photos


SIDE = {'type': 'TIMMBackbone', 'model_name': 'tf_efficientnet_lite0_side', 'features_only': True}


@pytest.fixture(scope='module')
def trunk_alone(tmp_path_factory):
    """Weights of the trunk without a branch."""
    torch.manual_seed(5)
    network = timm.create_model('tf_efficientnet_lite0', features_only=True)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
    torch.save(network.state_dict(), path := tmp_path_factory.mktemp('trunk') / 'trunk.pth')
    return str(path)


def build_side(**changes):
    neck = {'type': 'StandardisedNeck', 'hid_channels': 16, 'out_channels': 8}
    return build(**{'backbone': SIDE, 'neck': neck, 'side_tuning': 'side', 'pooling': 'moments', **changes})


@pytest.mark.parametrize('branches', [1, 2])
@pytest.mark.parametrize('seen', ['side', 'all'])
def test_side_tuning_changes_the_branches_alone(trunk_alone, seen, branches):
    backbone = {**SIDE, 'branches': branches}
    model = build_side(pretrained=trunk_alone, side_tuning=seen, backbone=backbone).train()
    network = model.backbone.timm_model
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert all(torch.equal(before[name], value) for name, value in torch.load(trunk_alone, weights_only=True).items())
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1)
    model.loss(batch())['loss'].backward()
    optimiser.step()
    for name, value in network.state_dict().items():
        same = torch.equal(value, before[name])
        assert same != name.startswith('side.'), name
    length = 2 * (branches * (48 + 96) + (512 if seen == 'all' else 0))
    assert model.extract_feat(batch().flatten(0, 2)).shape == (12, length)


def test_side_tuning_computes_the_trunk_once_and_no_further_than_it_is_read(trunk_alone):
    model = build_side(pretrained=trunk_alone).train()
    model.loss(batch())
    network, calls = model.backbone.timm_model, []
    network.conv_stem.register_forward_hook(lambda *_: calls.append('stem'))
    network.blocks[2].register_forward_hook(lambda *_: calls.append('third stage'))
    network.blocks[3].register_forward_hook(lambda *_: calls.append('further'))
    model.loss(batch())
    assert calls == ['stem', 'third stage']


def test_the_key_encoder_of_side_tuning_is_a_branch(trunk_alone):
    model = build_side(pretrained=trunk_alone).train()
    branch = [name for name in model.state_dict() if name.startswith('backbone.timm_model.side.')]
    keys = [name for name in model.state_dict() if name.startswith('key_backbone.')]
    assert [name.rsplit('side.', 1)[1] for name in branch] == [name.removeprefix('key_backbone.') for name in keys]
    model.loss(batch())
    for layer in model.key_backbone.modules():  # statistics start as those of the first batch
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert not torch.allclose(layer.running_var, torch.ones(()), atol=1e-3)
    inputs = batch(seed=3)
    with torch.no_grad():
        maps = model.part.inputs(model.backbone, model.data_preprocessor.normalise(inputs.flatten(0, 2)))
        together = model.part.features(model.key_backbone, maps)
        alone = torch.cat([model.part.features(model.key_backbone, [m[i : i + 1] for m in maps]) for i in range(12)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    start = model.untrained_backbone(inputs)
    assert 0 <= model.feature_accuracy(inputs, start) <= 1


def test_side_tuning_goes_on_with_the_statistics_of_a_trained_branch(trunk_alone, tmp_path):
    first = build_side(pretrained=trunk_alone).train()
    first.loss(batch())
    torch.save(first.backbone.timm_model.state_dict(), tmp_path / 'branch.pth')
    model = build_side(pretrained=str(tmp_path / 'branch.pth')).train()
    wanted = model.key_backbone.enter[1].running_mean.clone()
    assert torch.equal(wanted, first.backbone.timm_model.side.enter[1].running_mean)
    model.loss(batch(seed=9) / 4)
    first.key_backbone.load_state_dict(first.backbone.timm_model.side.state_dict())
    first.load_state_dict({**first.state_dict(), 'steps': torch.zeros((), dtype=torch.long)})
    first.loss(batch(seed=9) / 4)
    assert torch.equal(model.key_backbone.enter[1].running_mean, first.key_backbone.enter[1].running_mean)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'side_tuning': 'trunk'}, "side_tuning must be None, 'side' or 'all'"),
        ({'backbone': TINY}, 'needs a backbone with a side branch'),
        ({'anchor': 1.0}, 'side_tuning never changes'),
        ({'side_tuning': 'all', 'pooling': 'last'}, 'the branch would learn nothing'),
    ],
)
def test_mistakes_of_side_tuning(changes, message):
    with pytest.raises(InputError, match=message):
        build_side(**changes)


@pytest.mark.parametrize(
    ('seen', 'pooling'),
    [('side', 'last'), ('side', 'stages'), ('side', 'moments'), ('all', 'stages'), ('all', 'moments')],
)
def test_every_weight_of_the_branch_has_a_gradient(trunk_alone, seen, pooling):
    model = build_side(pretrained=trunk_alone, side_tuning=seen, pooling=pooling).train()
    model.loss(batch())['loss'].backward()
    for name, weight in model.backbone.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad == ('.side.' in name), name


def test_a_loss_without_negatives_is_refused():
    with pytest.raises(InputError, match='QC-Loss has no negatives'):
        build(queue_length=0, degradation_negatives=False)
    build(queue_length=0, degradation_negatives=False, batch_negatives=True)
    build(queue_length=0)
