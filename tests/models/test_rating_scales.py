"""Training on several rating scales: the maps start at the labels, stay in one frame, and recover known scales."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from mmqpt.core.errors import InputError
from mmqpt.core.rating_scales import COMMON, SPREAD, RatingScale
from mmqpt.models.iqa_losses import plcc_loss
from mmqpt.models.rating_scales import MAPS, RatingScales, within_scales

NAMES = ('a', 'b', 'c')
TRUE = {'a': (-0.6, 0.9), 'b': (0.1, 0.45), 'c': (1.1, 0.6)}
"""Offset and slope of three raters' scales, in logits."""


def made_up(count=900, noise=0.1, seed=0):
    """Photos of three sets, of other quality in each, rated on three scales: features, quality, scale, label.

    Of the features eight follow quality with noise of their own, and one tells the sets apart, as style does.
    """
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(3), count // 3)
    z = rng.normal(size=count) + np.array([0.3, 0.0, -0.3])[index]
    offset, slope = np.array([TRUE[name] for name in NAMES]).T
    labels = 1 / (1 + np.exp(-(offset[index] + slope[index] * z)))
    spread = np.array([labels[index == place].std() for place in range(3)])
    labels = np.clip(labels + noise * spread[index] * rng.normal(size=count), 0.01, 0.99)
    features = z[:, None] * rng.uniform(0.5, 1, 8) + 0.7 * rng.normal(size=(count, 8))
    style = index[:, None] + 0.3 * rng.normal(size=(count, 1))
    x = torch.tensor(np.concatenate([features, style], axis=1), dtype=torch.float32)
    return x, z, torch.tensor(index), torch.tensor(labels, dtype=torch.float32)


def labels_of(index, labels):
    return {name: (labels[index == place].tolist(), (0.0, 1.0)) for place, name in enumerate(NAMES)}


def fit(x, target, predict, parameters, steps=600):
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        (predict() - target).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize('maps', ['learned', 'spline'])
def test_known_scales_are_recovered_where_pooled_training_fails(maps):
    torch.manual_seed(0)
    x, _, index, labels = made_up()
    net = nn.Linear(9, 1)
    scales = RatingScales(NAMES, maps)
    scales.start(labels_of(index, labels))
    gains = scales.gains(index)
    fit(
        x,
        labels * gains,
        lambda: scales(torch.sigmoid(SPREAD * net(x)[:, 0]), index) * gains,
        [*net.parameters(), *scales.parameters()],
    )
    pooled = nn.Linear(9, 1)
    fit(x, labels, lambda: torch.sigmoid(pooled(x)[:, 0]), pooled.parameters())

    test, quality, places, _ = made_up(seed=1)
    with torch.no_grad():
        common = torch.sigmoid(SPREAD * net(test)[:, 0]).numpy()
        one = torch.sigmoid(pooled(test)[:, 0]).numpy()
    right, wrong = (spearmanr(found, quality).statistic for found in (common, one))
    within = [spearmanr(common[places == place], quality[places == place]).statistic for place in range(3)]
    assert right > 0.9
    assert np.mean(within) > 0.9
    assert wrong < 0.6  # it learned which set a photo is of
    # The scales, up to the units of the latent quality: what raters of one say of what raters of another call good.
    exported = {name: RatingScale(**fields) for name, fields in scales.export().items()}
    inside = np.quantile(common, [0.2, 0.4, 0.6, 0.8])
    back = np.log(exported['a'].from_common(inside) / (1 - exported['a'].from_common(inside)))
    for name in ('b', 'c'):
        z_true = (back - TRUE['a'][0]) / TRUE['a'][1]
        wanted = 1 / (1 + np.exp(-(TRUE[name][0] + TRUE[name][1] * z_true)))
        np.testing.assert_allclose(exported[name].from_common(inside), wanted, atol=0.05)


def test_start_standardises_labels():
    _, _, index, labels = made_up()
    scales = RatingScales(NAMES, 'fixed')
    scales.start(labels_of(index, labels))
    logits = torch.logit(labels)
    for place in range(3):
        same = logits[index == place]
        z = torch.tensor([-1.0, 0.0, 2.0])
        found = torch.logit(scales(torch.sigmoid(SPREAD * z), torch.full((3,), place)))
        torch.testing.assert_close(found, same.mean() + same.std() * z, rtol=1e-3, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in scales.parameters())
    assert scales.gains(torch.arange(3)).reciprocal().mean() == pytest.approx(1)


@pytest.mark.parametrize('maps', MAPS)
@pytest.mark.parametrize('reference', [COMMON, 'b'])
def test_reference_scale_is_the_score_itself(maps, reference):
    torch.manual_seed(0)
    _, _, index, labels = made_up()
    scales = RatingScales(NAMES, maps, reference)
    scales.start({**labels_of(index, labels), 'b': (labels[index == 1].tolist(), (1.0, 9.0))})
    with torch.no_grad():
        scales.moved_offset += torch.randn(3)
        scales.moved_log_slope += torch.randn_like(scales.moved_log_slope)
    scores = torch.linspace(0.05, 0.95, 7)
    found = [scales(scores, torch.full((7,), place)).detach() for place in range(3)]
    if reference == 'b':
        torch.testing.assert_close(found[1], scores)
        assert scales.mos_range == (1.0, 9.0)
    else:
        assert scales.mos_range == (0.0, 1.0)
    assert all((values.diff() >= 0).all() and values[3] > values[1] for values in found)
    for place, fields in enumerate(scales.export().values()):
        scale = RatingScale(**fields)
        low, high = scale.mos_range
        np.testing.assert_allclose((scale.from_common(scores.numpy()) - low) / (high - low), found[place], atol=1e-5)


def test_what_all_maps_share_is_left_out():
    _, _, index, labels = made_up()
    scales = RatingScales(NAMES, 'spline')
    scales.start(labels_of(index, labels))
    before = scales(torch.tensor([0.2, 0.8]), torch.tensor([0, 2]))
    with torch.no_grad():
        scales.moved_offset += 3
        scales.moved_log_slope += torch.tensor([1.0, -1.0, 0.5, 2.0])
    torch.testing.assert_close(scales(torch.tensor([0.2, 0.8]), torch.tensor([0, 2])), before)


def test_gradients():
    scales = RatingScales(NAMES, 'spline').double()
    with torch.no_grad():
        scales.moved_log_slope += torch.rand(3, 4, dtype=torch.float64)
    scores = torch.tensor([0.2, 0.45, 0.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: scales(s, torch.arange(3)), (scores,))


def test_within_scales_is_the_mean_over_scales():
    predicted, target = torch.rand(9), torch.rand(9)
    index = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 0])
    wanted = (5 * plcc_loss(predicted[index == 0], target[index == 0]) + 3 * plcc_loss(predicted[4:7], target[4:7])) / 8
    torch.testing.assert_close(within_scales(plcc_loss, predicted, target, index), wanted)


def test_within_scales_of_single_photos_is_nothing():
    predicted = torch.rand(3, requires_grad=True)
    loss = within_scales(plcc_loss, predicted, torch.rand(3), torch.arange(3))
    loss.backward()
    assert loss == 0
    assert (predicted.grad == 0).all()


def test_resume_keeps_the_maps():
    _, _, index, labels = made_up()
    one, two = RatingScales(NAMES), RatingScales(NAMES)
    one.start(labels_of(index, labels))
    with torch.no_grad():
        one.moved_offset += torch.tensor([1.0, 0, 0])
    two.load_state_dict(one.state_dict())
    two.start(labels_of(index, labels))
    assert one.export() == two.export()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'names': []}, 'at least one'),
        ({'names': 'ab'}, 'different names'),
        ({'names': ['a', 'a']}, 'different names'),
        ({'names': ['a'], 'maps': 'x'}, 'maps must be one of fixed, learned, spline'),
        ({'names': ['a'], 'reference': 'b'}, "reference must be 'common'"),
        ({'names': ['common']}, 'no scale may be called'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        RatingScales(**arguments)


def test_other_labels():
    scales = RatingScales(['a', 'b'])
    with pytest.raises(InputError, match='the model has the scales a, b, but the training set a, c'):
        scales.start({'a': ([0, 1], (0, 1)), 'c': ([0, 1], (0, 1))})
    with pytest.raises(InputError, match="scale 'b' needs at least two different"):
        scales.start({'a': ([0, 1], (0, 1)), 'b': ([0.5, 0.5], (0, 1))})
    with pytest.raises(InputError, match="no scale 'x' in the model; there are: a, b"):
        scales.index(['a', 'x'])
