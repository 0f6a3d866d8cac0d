"""Losses of fine-tuning: against loops written from the formulas, closed forms, batches that say nothing."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from mmqpt.core.errors import InputError
from mmqpt.models.iqa_losses import (
    BLANK_SCORE,
    HISTOGRAM_LOSSES,
    SCORE_LOSSES,
    build_losses,
    cross_entropy_loss,
    emd_loss,
    ladder_loss,
    norm_in_norm_loss,
    plcc_loss,
    rank_loss,
)


def scores(count=7, seed=0):
    return torch.rand(2, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shares(count=5, bins=4, seed=0):
    values = torch.rand(2, count, bins, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values[0] * 4 - 2, values[1] / values[1].sum(dim=1, keepdim=True)


def norm_in_norm_loop(predicted, target, p, q):
    n = len(target)
    normalised = []
    for x in (predicted.tolist(), target.tolist()):
        mean = sum(x) / n
        norm = sum(abs(v - mean) ** q for v in x) ** (1 / q)
        normalised.append([(v - mean) / norm for v in x])
    total = sum(abs(a - b) ** p for a, b in zip(*normalised, strict=True))
    return total / (2**p * (n ** (1 - p / q) if p < q else 1))


def rank_loop(predicted, target, margin):
    losses = [
        max(0, min(margin, (target[i] - target[j]).item()) - (predicted[i] - predicted[j]).item())
        for i in range(len(target))
        for j in range(len(target))
        if target[i] > target[j]
    ]
    return sum(losses) / len(losses)


def emd_loop(logits, target):
    total = 0.0
    for row, wanted in zip(logits.tolist(), target.tolist(), strict=True):
        exponents = [math.exp(x) for x in row]
        for k in range(len(row)):
            total += (sum(exponents[: k + 1]) / sum(exponents) - sum(wanted[: k + 1])) ** 2
    return total / logits.numel()


@pytest.mark.parametrize('seed', range(3))
def test_plcc_equals_scipy(seed):
    predicted, target = scores(seed=seed)
    expected = (1 - stats.pearsonr(predicted, target).statistic) / 2
    assert plcc_loss(predicted, target).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(('p', 'q'), [(1, 1), (1, 2), (2, 2), (2, 1), (1.5, 3), (3, 2)])
def test_norm_in_norm_equals_the_formula(p, q):
    predicted, target = scores()
    expected = norm_in_norm_loop(predicted, target, p, q)
    assert norm_in_norm_loss(predicted, target, p, q).item() == pytest.approx(expected, rel=1e-10)


def test_norm_in_norm_of_two_is_the_plcc_loss():
    predicted, target = scores()
    assert norm_in_norm_loss(predicted, target, 2, 2).item() == pytest.approx(plcc_loss(predicted, target).item())


@pytest.mark.parametrize('loss', [plcc_loss, norm_in_norm_loss])
def test_losses_of_the_relation_ignore_scale_and_shift(loss):
    predicted, target = scores()
    assert loss(0.2 * predicted + 0.3, target).item() == pytest.approx(loss(predicted, target).item(), rel=1e-9)
    assert loss(0.2 * target + 0.3, target).item() == pytest.approx(0, abs=1e-9)
    assert loss(1 - 0.5 * predicted, target).item() == pytest.approx(loss(1 - predicted, target).item(), rel=1e-9)


@pytest.mark.parametrize(('p', 'q'), [(1, 1), (1, 2), (2, 2), (3, 1)])
def test_opposite_clusters(p, q):
    """Two clusters of equal size, predicted the wrong way round, reach the bound where p <= q."""
    target = torch.tensor([0.2, 0.2, 0.8, 0.8], dtype=torch.float64)
    found = norm_in_norm_loss(1 - target, target, p, q).item()
    assert found == pytest.approx(1 if p <= q else 4 * 0.25**p, rel=1e-9)


@pytest.mark.parametrize('margin', [0.01, 0.1, 1.0])
def test_rank_equals_a_loop_over_pairs(margin):
    predicted, target = scores()
    target[2] = target[4]  # a tie is no pair
    assert rank_loss(predicted, target, margin).item() == pytest.approx(rank_loop(predicted, target, margin), rel=1e-10)


def test_rank_closed_form():
    target = torch.tensor([0.9, 0.1])
    assert rank_loss(torch.tensor([0.5, 0.5]), target, 0.05).item() == pytest.approx(0.05)
    assert rank_loss(torch.tensor([0.4, 0.5]), target, 0.05).item() == pytest.approx(0.15)
    assert rank_loss(torch.tensor([0.6, 0.5]), target, 0.05).item() == 0
    assert rank_loss(target, target, 5.0).item() == 0  # exact predictions have no loss, whatever the margin


def test_emd_equals_a_loop():
    logits, target = shares()
    assert emd_loss(logits, target).item() == pytest.approx(emd_loop(logits, target), rel=1e-10)


def test_emd_grows_with_the_distance_of_the_bins_and_cross_entropy_does_not():
    target = torch.eye(5)[:1]
    logits = [60.0 * torch.eye(5)[k : k + 1] for k in range(5)]
    emd = [emd_loss(x, target).item() for x in logits]
    assert emd == pytest.approx([k / 5 for k in range(5)])  # k cumulative shares differ by 1
    entropy = [cross_entropy_loss(x, target).item() for x in logits]
    assert entropy[1] == pytest.approx(entropy[4])


def test_cross_entropy_equals_torch():
    logits, target = shares()
    assert cross_entropy_loss(logits, target).item() == pytest.approx(F.cross_entropy(logits, target).item())


@pytest.mark.parametrize('name', SCORE_LOSSES)
def test_gradcheck_of_scores(name):
    predicted, target = scores()
    assert torch.autograd.gradcheck(SCORE_LOSSES[name], (predicted.requires_grad_(), target))


@pytest.mark.parametrize('name', HISTOGRAM_LOSSES)
def test_gradcheck_of_histograms(name):
    logits, target = shares()
    assert torch.autograd.gradcheck(HISTOGRAM_LOSSES[name], (logits.requires_grad_(), target))


@pytest.mark.parametrize('name', SCORE_LOSSES)
@pytest.mark.parametrize(
    ('predicted', 'target'),
    [
        ([0.5], [0.7]),
        ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]),
        ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5]),
        ([0.5, 0.5], [0.5, 0.5]),
        ([0.5, 0.5 + 6e-8], [0.2, 0.4]),
        ([0.0, 1.0], [1.0, 0.0]),
    ],
)
def test_batches_that_say_nothing_are_finite(name, predicted, target):
    predicted = torch.tensor(predicted, requires_grad=True)
    loss = SCORE_LOSSES[name](predicted, torch.tensor(target))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(predicted.grad).all()
    assert predicted.grad.abs().max() < 1000


def test_equal_predictions_are_drawn_apart_the_right_way():
    predicted = torch.full((3,), 0.5, requires_grad=True)
    plcc_loss(predicted, torch.tensor([0.1, 0.5, 0.9])).backward()
    assert predicted.grad[0] > 0 > predicted.grad[2]


@pytest.mark.parametrize('name', HISTOGRAM_LOSSES)
def test_exact_histograms_have_no_gradient(name):
    target = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    logits = target.log().requires_grad_()
    HISTOGRAM_LOSSES[name](logits, target).backward()
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize('loss', [plcc_loss, norm_in_norm_loss, rank_loss])
def test_order_of_the_batch_does_not_matter(loss):
    predicted, target = scores()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(1))
    assert loss(predicted[order], target[order]).item() == pytest.approx(loss(predicted, target).item(), rel=1e-10)


def test_one_config_key():
    predicted, target = scores()
    (one,) = build_losses('smooth_l1', {'beta': 0.1})
    assert one(predicted, target).item() == pytest.approx(F.smooth_l1_loss(predicted, target, beta=0.1).item())
    (same,) = build_losses({'type': 'smooth_l1', 'beta': 0.1})
    assert same == one
    terms = build_losses([{'type': 'smooth_l1'}, {'type': 'plcc', 'weight': 0.1}])
    assert [term.name for term in terms] == ['smooth_l1', 'plcc']
    assert terms[1](predicted, target).item() == pytest.approx(0.1 * plcc_loss(predicted, target).item())
    assert [term.on_histograms for term in build_losses([{'type': 'emd'}, {'type': 'plcc'}])] == [True, False]


@pytest.mark.parametrize(
    ('loss', 'arguments', 'message'),
    [
        ('x', None, "unknown loss 'x'; there are: smooth_l1, l1, mse, plcc, rank, norm_in_norm, emd, cross_entropy"),
        ('plcc', {'beta': 1}, "loss 'plcc': .*unexpected keyword argument 'beta'"),
        ('smooth_l1', {'beta': -1}, "loss 'smooth_l1': .*negative"),
        ('rank', {'margin': 0}, "loss 'rank': margin must be > 0 and finite, got 0"),
        ('norm_in_norm', {'p': 0.5}, 'p and q must be >= 1 and finite, got 0.5 and 2'),
        ('norm_in_norm', {'q': math.inf}, 'p and q must be >= 1 and finite, got 1 and inf'),
        ('plcc', {'floor': 0}, 'floor must be > 0 and finite, got 0'),
        ([{'type': 'l1', 'weight': 0}], None, "weight of loss 'l1' must be > 0 and finite, got 0"),
        ([{'type': 'l1'}, {'type': 'l1'}], None, r"give one or more losses, each once, got \['l1', 'l1'\]"),
        ([], None, r'give one or more losses, each once, got \[\]'),
        (['l1'], None, "a dict with a type, or a list of such dicts, got 'l1'"),
        ([{'weight': 1}], None, 'a dict with a type'),
        ({'type': 'l1'}, {'beta': 1}, 'loss_args go with a loss given by name'),
    ],
)
def test_bad_config(loss, arguments, message):
    with pytest.raises(InputError, match=message):
        build_losses(loss, arguments)


@pytest.mark.parametrize('loss', [plcc_loss, norm_in_norm_loss, rank_loss])
def test_other_shapes_are_refused(loss):
    """(N, 1) against (N,) would broadcast to a wrong number in silence."""
    with pytest.raises(InputError, match=r'one shape \(N >= 1,\), got \(3, 1\), \(3,\)'):
        loss(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(InputError, match=r'got \(0,\), \(0,\)'):
        loss(torch.zeros(0), torch.zeros(0))


def ladder_loop(values, levels, margin):
    losses = [
        max(0, margin * (row_levels[b] - row_levels[a]).item() - (row[a] - row[b]).item())
        for row, row_levels in zip(values, levels, strict=True)
        for a in range(len(row))
        for b in range(a + 1, len(row))
    ]
    return sum(losses) / len(losses)


@pytest.mark.parametrize('rungs', [2, 3, 6])
def test_ladder_equals_a_loop(rungs):
    generator = torch.Generator().manual_seed(rungs)
    values = torch.rand(4, rungs, generator=generator, dtype=torch.float64)
    levels = torch.stack([torch.randperm(6, generator=generator)[:rungs].sort().values for _ in range(4)]).double()
    assert ladder_loss(values, levels, 0.1).item() == pytest.approx(ladder_loop(values, levels, 0.1))


def test_ladder_is_content_with_steps_of_the_margin():
    levels = torch.tensor([[0.0, 2.0, 5.0]])
    assert ladder_loss(0.9 - 0.0201 * levels, levels, 0.02).item() == 0
    assert ladder_loss(torch.full((1, 3), 0.5), levels, 0.02).item() == pytest.approx(0.02 * (2 + 5 + 3) / 3)
    assert ladder_loss(0.5 + 0.02 * levels, levels, 0.02).item() == pytest.approx(2 * 0.02 * (2 + 5 + 3) / 3)


def test_frames_without_a_picture_go_to_the_bottom_and_leave_the_photo_alone():
    levels = torch.tensor([[0.0, 2.0], [1.0, math.inf]])
    scores = torch.tensor([[0.5, 0.4], [0.2, 0.3]], requires_grad=True)
    value = ladder_loss(scores, levels, 0.02)
    assert value.item() == pytest.approx((0.3 - BLANK_SCORE) / 2)
    value.backward()
    assert scores.grad.tolist() == [[0.0, 0.0], [0.0, 0.5]]
    assert ladder_loss(torch.tensor([[0.01, 0.039]]), levels[1:], 0.02).item() == 0


def test_ladder_of_bad_arguments():
    with pytest.raises(InputError, match=r'must both be \(N, R >= 2\), got \(3, 1\) and \(3, 1\)'):
        ladder_loss(torch.rand(3, 1), torch.rand(3, 1))
    with pytest.raises(InputError, match=r'got \(3, 2\) and \(2, 2\)'):
        ladder_loss(torch.rand(3, 2), torch.rand(2, 2))
    with pytest.raises(InputError, match='margin must be > 0 and finite, got 0'):
        ladder_loss(torch.rand(3, 2), torch.rand(3, 2), 0)
