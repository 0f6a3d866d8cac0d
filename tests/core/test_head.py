"""Pooling and the quality head."""

import math

import pytest
import torch
from timm.layers.format import Format

from mmqpt.core.errors import InputError
from mmqpt.core.head import DistributionHead, QualityHead, Standardise, build_head, pool_features


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_maps_tokens_and_vectors_are_averaged_over_space():
    maps = torch.rand(2, 5, 3, 4)
    loop = torch.zeros(2, 5)
    for n in range(2):
        for c in range(5):
            loop[n, c] = sum(maps[n, c, y, x] for y in range(3) for x in range(4)) / 12
    torch.testing.assert_close(pool_features(maps), loop)
    torch.testing.assert_close(pool_features(maps.flatten(2).transpose(1, 2)), loop)
    assert pool_features(loop) is loop


@pytest.mark.parametrize('kind', [tuple, list])
def test_the_last_stage_counts(kind):
    stages = kind([torch.rand(2, 4, 8, 8), torch.rand(2, 7, 4, 4)])
    torch.testing.assert_close(pool_features(stages), pool_features(stages[-1]))


def test_all_stages_are_joined_in_their_order():
    stages = [torch.rand(2, 4, 8, 8), torch.rand(2, 6, 7), torch.rand(2, 3)]
    found = pool_features(stages, pooling='stages')
    torch.testing.assert_close(found, torch.cat([pool_features(stage) for stage in stages], dim=1))
    assert found.shape == (2, 4 + 7 + 3)
    torch.testing.assert_close(pool_features(stages[0], pooling='stages'), pool_features(stages[0]))


@pytest.mark.parametrize('shape', [(2, 4, 8, 6), (2, 48, 4)])
def test_moments_are_means_and_deviations(shape):
    stage = torch.rand(shape)
    flat = stage.flatten(2) if len(shape) == 4 else stage.mT  # (N, C, places)
    wanted = torch.cat([flat.mean(dim=2), flat.std(dim=2, unbiased=False)], dim=1)
    torch.testing.assert_close(pool_features(stage, pooling='moments'), wanted, rtol=1e-4, atol=1e-4)
    both = pool_features([stage, stage * 2], pooling='moments')
    torch.testing.assert_close(both, torch.cat([wanted, 2 * wanted], dim=1), rtol=1e-4, atol=1e-4)


def test_moments_of_a_flat_map_have_a_finite_slope():
    stage = torch.ones(1, 3, 4, 4, requires_grad=True)
    pooled = pool_features(stage, pooling='moments')
    pooled.sum().backward()
    assert torch.isfinite(stage.grad).all()
    assert pooled[0, 3:].max() <= 1.1e-3


def test_moments_need_places():
    with pytest.raises(InputError, match=r'3 or 4 dimensions for moments, got shape \(2, 5\)'):
        pool_features(torch.rand(2, 5), pooling='moments')


class Backbone(torch.nn.Module):
    """Says about its features what timm's and mmpretrain's networks say."""

    def __init__(self, **said):
        super().__init__()
        for name, value in said.items():
            setattr(self, name, value)


@pytest.mark.parametrize('layout', ['NHWC', Format.NHWC])
@pytest.mark.parametrize('wrapped', [False, True])
def test_channels_may_come_last(layout, wrapped):
    """timm's Swin gives (N, H, W, C); an average over the last two would be over width and channels."""
    maps = torch.rand(2, 5, 3, 4)
    backbone = Backbone(output_fmt=layout)
    backbone = Backbone(timm_model=backbone) if wrapped else backbone
    torch.testing.assert_close(pool_features(maps.permute(0, 2, 3, 1), backbone), pool_features(maps))
    torch.testing.assert_close(pool_features(maps, Backbone(output_fmt=Format.NCHW)), pool_features(maps))


@pytest.mark.parametrize('name', ['num_prefix_tokens', 'num_extra_tokens'])
def test_only_tokens_of_patches_are_averaged(name):
    tokens = torch.rand(2, 6, 5)
    torch.testing.assert_close(pool_features(tokens, Backbone(**{name: 2})), tokens[:, 2:].mean(dim=1))
    torch.testing.assert_close(pool_features(tokens, Backbone()), tokens.mean(dim=1))


@pytest.mark.parametrize('shape', [(3,), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match='must have 2, 3 or 4 dimensions, got shape'):
        pool_features(torch.rand(shape))


@pytest.mark.parametrize('hidden', [0, 1, 16])
def test_scores_lie_inside_the_range(hidden):
    head = QualityHead(6, hidden).eval()
    scores = head(torch.randn(50, 6))
    assert scores.shape == (50,)
    assert ((scores > 0) & (scores < 1)).all()
    assert head(torch.randn(1, 6)).shape == (1,)


def test_formula_with_a_hidden_layer():
    head = QualityHead(4, 3, dropout=0.5).eval()
    features = torch.randn(5, 4)
    first, second = (layer for layer in head.layers if isinstance(layer, torch.nn.Linear))
    hidden = (features @ first.weight.T + first.bias).clamp(min=0)
    logit = (hidden @ second.weight.T + second.bias)[:, 0]
    torch.testing.assert_close(head(features), 1 / (1 + torch.exp(-logit)))


def test_formula_without_a_hidden_layer():
    head = QualityHead(4, 0).eval()
    (linear,) = (layer for layer in head.layers if isinstance(layer, torch.nn.Linear))
    features = torch.randn(5, 4)
    torch.testing.assert_close(head(features), torch.sigmoid(features @ linear.weight[0] + linear.bias))


def test_dropout_only_in_training():
    head = QualityHead(64, 8, dropout=0.5)
    features = torch.randn(1, 64)
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


def test_batch_equals_one_by_one():
    head = QualityHead(6, 16).double().eval()
    features = torch.randn(8, 6, dtype=torch.float64)
    torch.testing.assert_close(head(features), torch.cat([head(row[None]) for row in features]))


@pytest.mark.parametrize('hidden', [0, 8])
def test_distribution_has_the_expected_score(hidden):
    head = DistributionHead(6, bins=5, hidden=hidden).eval()
    features = 5 * torch.randn(20, 6)
    logits = head.logits(features)
    assert logits.shape == (20, 5)
    expected = [
        sum(k / 4 * math.exp(x) for k, x in enumerate(row)) / sum(math.exp(x) for x in row) for row in logits.tolist()
    ]
    assert head(features).tolist() == pytest.approx(expected, rel=1e-5)
    assert ((head(features) > 0) & (head(features) < 1)).all()
    assert head.expectation(torch.tensor([[0.0, 0, 0, 0, 0], [0, 0, 0, 0, 90]])).tolist() == pytest.approx([0.5, 1])


def test_weights_of_a_distribution_are_its_layers_alone():
    assert all(name.startswith('layers.') for name in DistributionHead(4, bins=5).state_dict())


def test_build_head():
    torch.manual_seed(1)
    plain = build_head({'channels': 4, 'hidden': 3})
    assert isinstance(plain, QualityHead)
    assert plain.pooling == 'last'
    head = build_head({'type': 'DistributionHead', 'channels': 4, 'bins': 3, 'pooling': 'stages'})
    assert isinstance(head, DistributionHead)
    assert head.pooling == 'stages'


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'type': 'LinearHead', 'channels': 4}, "unknown head 'LinearHead'; there are: QualityHead, DistributionHead"),
        ({'channels': 4, 'bins': 5}, "QualityHead: .*unexpected keyword argument 'bins'"),
        ({'type': 'DistributionHead', 'channels': 4}, "DistributionHead: .*'bins'"),
        ({'type': 'DistributionHead', 'channels': 4, 'bins': 1}, 'bins must be >= 2, got 1'),
        ({'type': 'DistributionHead', 'channels': 0, 'bins': 5}, 'DistributionHead needs channels >= 1'),
        ({'channels': 4, 'pooling': 'first'}, "pooling must be one of last, stages, moments, got 'first'"),
    ],
)
def test_bad_heads(config, message):
    with pytest.raises(InputError, match=message):
        build_head(config)


def test_gradcheck():
    head = QualityHead(3, 4).double().eval()
    assert torch.autograd.gradcheck(head, torch.randn(4, 3, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize('arguments', [(0,), (4, -1), (4, 2, 1.0), (4, 2, -0.1)])
def test_errors(arguments):
    with pytest.raises(InputError, match='QualityHead needs channels >= 1, hidden >= 0 and 0 <= dropout < 1, got'):
        QualityHead(*arguments)


def test_standardised_features_have_mean_0_and_deviation_1():
    features = torch.randn(500, 3) * torch.tensor([1e-3, 1.0, 1e3]) + torch.tensor([5.0, 0.0, -1e4])
    features = torch.cat([features, torch.full((500, 1), 7.0)], dim=1)  # a dead channel
    layer = Standardise(4)
    torch.testing.assert_close(layer(features), features)
    layer.measure(features)
    found = layer(features)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.std(dim=0), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-3, rtol=0)


@pytest.mark.parametrize('bad', [torch.rand(1, 4), torch.rand(5, 3), torch.rand(4), torch.full((5, 4), float('nan'))])
def test_what_can_not_be_standardised_by_is_refused(bad):
    with pytest.raises(InputError, match='features to standardise by'):
        Standardise(4).measure(bad)


@pytest.mark.parametrize('kind', ['QualityHead', 'DistributionHead'])
def test_heads_standardise_only_when_asked(kind):
    bins = {'bins': 5} if kind == 'DistributionHead' else {}
    plain = build_head({'type': kind, 'channels': 4, **bins})
    assert not any(isinstance(layer, Standardise) for layer in plain.modules())
    head = build_head({'type': kind, 'channels': 4, 'standardise': True, **bins}).eval()
    features = torch.randn(50, 4) * 100 + 300
    before = head(features)
    head.layers[0].measure(features)
    assert not torch.allclose(before, head(features))
    assert {name for name in head.state_dict() if 'layers.0' in name} == {'layers.0.mean', 'layers.0.deviation'}
    with pytest.raises(InputError, match=f"{kind}: standardise must be true or false, got 'yes'"):
        build_head({'type': kind, 'channels': 4, 'standardise': 'yes', **bins})
