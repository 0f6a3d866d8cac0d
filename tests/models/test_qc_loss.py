"""QC-Loss against a loop written from the formula, closed forms, gradients and low precision."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmqpt.core.errors import InputError
from mmqpt.models.qc_head import QCHead
from mmqpt.models.qc_loss import (
    degradation_accuracy,
    largest_degradation_mass,
    qc_logits,
    qc_loss,
    qc_loss_from_logits,
    qc_similarities,
    qc_statistics,
)


def unit(*shape, seed=0, dtype=torch.float64):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)


def loop(query, positive, degradation, content, temperature, mask=None, share=None):
    """The formula, read from the paper and written as slowly as possible.

    With a share, degradation-based negatives count so often that they are that share of the negatives.
    """
    total, count = 0.0, 0
    for m in range(len(query)):
        counts = [c for c in range(content.shape[0]) if mask is None or bool(mask.expand(len(query), -1)[m, c])]
        times = 1.0
        if share is not None and counts and degradation.shape[1]:
            times = share * len(counts) / ((1 - share) * degradation.shape[1])
        for p in range(positive.shape[1]):
            numerator = math.exp(float(query[m] @ positive[m, p]) / temperature)
            denominator = numerator
            for d in range(degradation.shape[1]):
                denominator += times * math.exp(float(query[m] @ degradation[m, d]) / temperature)
            for c in counts:
                denominator += math.exp(float(query[m] @ content[c]) / temperature)
            total += -math.log(numerator / denominator)
            count += 1
    return total / count


SHARES = [None, 0.01, 0.5, 0.9]


@pytest.mark.parametrize('share', SHARES)
@pytest.mark.parametrize('temperature', [0.07, 0.2, 1.0])
@pytest.mark.parametrize(('positives', 'degradations', 'contents'), [(1, 2, 5), (3, 4, 7), (1, 1, 0), (2, 0, 3)])
def test_equals_the_formula(temperature, positives, degradations, contents, share):
    tensors = unit(6, 8), unit(6, positives, 8, seed=1), unit(6, degradations, 8, seed=2), unit(contents, 8, seed=3)
    found = qc_loss(*tensors, temperature, degradation_share=share)
    assert found.item() == pytest.approx(loop(*tensors, temperature, share=share), rel=1e-12)


@pytest.mark.parametrize('share', SHARES)
@pytest.mark.parametrize('shape', [(5,), (6, 5)])
def test_masked_negatives_do_not_count(shape, share):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(4)) > 0.5
    if len(shape) == 2:
        mask[0] = False  # a query without content-based negatives beside others that have some
    tensors = unit(6, 8), unit(6, 1, 8, seed=1), unit(6, 2, 8, seed=2), unit(5, 8, seed=3)
    found = qc_loss(*tensors, 0.2, mask, share)
    assert found.item() == pytest.approx(loop(*tensors, 0.2, mask, share), rel=1e-12)


def test_without_a_share_it_is_the_papers_formula_to_the_bit():
    for dtype in (torch.float32, torch.float64):
        tensors = [unit(6, 8, dtype=dtype), unit(6, 2, 8, seed=1, dtype=dtype)]
        tensors += [unit(6, 3, 8, seed=2, dtype=dtype), unit(50, 8, seed=3, dtype=dtype)]
        logits = qc_logits(*tensors, 0.2)
        negative = torch.cat([logits.degradation, logits.content], dim=1).logsumexp(dim=1, keepdim=True)
        assert torch.equal(qc_loss(*tensors), F.softplus(negative - logits.positive).mean())
        assert not torch.equal(qc_loss(*tensors, degradation_share=0.5), qc_loss(*tensors))


def test_the_share_as_counted_changes_nothing():
    tensors = unit(6, 8), unit(6, 2, 8, seed=1), unit(6, 3, 8, seed=2), unit(9, 8, seed=3)
    assert qc_loss(*tensors, degradation_share=3 / 12).item() == pytest.approx(qc_loss(*tensors).item(), rel=1e-12)


def test_all_equal_embeddings_give_the_chance_level():
    one = unit(1, 8).expand(4, 8)
    tensors = one, one[:, None], one[:, None].expand(-1, 3, -1), one[:1].expand(10, -1)
    logits = qc_logits(*tensors, 0.2)
    assert qc_loss(*tensors).item() == pytest.approx(math.log(1 + 3 + 10))
    assert qc_statistics(logits)['chance_level'].item() == pytest.approx(math.log(1 + 3 + 10))
    assert qc_statistics(logits)['acc_degradation'] == 0  # ties are wrong
    assert qc_statistics(logits)['mass_degradation'].item() == pytest.approx(3 / 13)


@pytest.mark.parametrize('share', [0.01, 0.5, 0.9])
def test_all_equal_embeddings_have_the_share_as_mass_and_give_the_chance_level(share):
    one = unit(1, 8).expand(4, 8)
    tensors = one, one[:, None], one[:, None].expand(-1, 3, -1), one[:1].expand(10, -1)
    mask = torch.ones(4, 10, dtype=torch.bool)
    mask[1, 5:], mask[2] = False, False
    found = qc_statistics(qc_logits(*tensors, 0.2, mask), share)
    levels = [math.log(1 + contents / (1 - share)) for contents in (10, 5, 10)] + [math.log(1 + 3)]
    assert qc_loss(*tensors, 0.2, mask, share).item() == pytest.approx(sum(levels) / 4)
    assert found['chance_level'].item() == pytest.approx(sum(levels) / 4)
    assert found['mass_degradation'].item() == pytest.approx((3 * share + 1) / 4)  # a query has no other negatives
    assert found['acc_degradation'] == 0


@pytest.mark.parametrize('share', SHARES)
def test_mass_is_that_of_the_softmax_over_negatives(share):
    tensors = unit(6, 8), unit(6, 2, 8, seed=1), unit(6, 3, 8, seed=2), unit(9, 8, seed=3)
    times = 1 if share is None else share * 9 / ((1 - share) * 3)
    near = times * (torch.einsum('me,mde->md', tensors[0], tensors[2]) / 0.2).exp().sum(dim=1)
    far = (tensors[0] @ tensors[3].T / 0.2).exp().sum(dim=1)
    found = qc_statistics(qc_logits(*tensors, 0.2), share)
    assert found['mass_degradation'].item() == pytest.approx((near / (near + far)).mean().item())
    assert math.isnan(
        qc_statistics(qc_logits(*tensors[:2], tensors[2][:, :0], tensors[3], 0.2), share)['mass_degradation']
    )


def test_largest_mass():
    """Two negatives beside a queue, and a network that has learned everything."""
    assert largest_degradation_mass(2, 4096, 0.2) == pytest.approx(2 * math.exp(5) / (2 * math.exp(5) + 4096))
    assert largest_degradation_mass(2, 65536, 0.2) < 0.005
    assert largest_degradation_mass(2, 4096, 0.2, 0.5) == pytest.approx(math.exp(5) / (math.exp(5) + 1))
    assert largest_degradation_mass(2, 4096, 0.001) == 1
    assert largest_degradation_mass(0, 4096, 0.2) == 0
    assert largest_degradation_mass(2, 0, 0.2, 0.5) == 1
    query, away = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    logits = qc_logits(query, query[:, None], query[:, None].expand(-1, 2, -1), away.expand(70, -1), 0.2)
    for share in SHARES:
        found = qc_statistics(logits, share)['mass_degradation'].item()
        assert found == pytest.approx(largest_degradation_mass(2, 70, 0.2, share), rel=1e-5)


def test_balance_gives_degradation_half_of_the_gradient():
    """Of equal similarities, on the query's side of both kinds of negatives."""
    tensors = [unit(1, 8).expand(4, 8).clone() for _ in range(4)]
    query, positive, degradation, content = tensors
    degradation, content = degradation[:, None].expand(-1, 2, -1).clone(), content[:1].expand(4096, -1).clone()
    for tensor in (degradation, content):
        tensor.requires_grad_()
    for share, ratio in ((None, 2 / 4096), (0.5, 1), (0.2, 0.25)):
        degradation.grad = content.grad = None
        qc_loss(query, positive[:, None], degradation, content, degradation_share=share).backward()
        assert (degradation.grad.sum(dim=(0, 1)).norm() / content.grad.sum(dim=0).norm()).item() == pytest.approx(ratio)


def test_opposite_negatives_give_the_closed_form():
    query = torch.tensor([[1.0, 0.0]])
    away = -query
    expected = math.log(1 + 5 * math.exp(-2 / 0.5))
    assert qc_loss(
        query, query[:, None], away[:, None].expand(-1, 2, -1), away.expand(3, -1), 0.5
    ).item() == pytest.approx(expected)


@pytest.mark.parametrize('share', [None, 0.5])
@pytest.mark.parametrize('masked', [False, True])
def test_gradient(share, masked):
    tensors = [unit(3, 4), unit(3, 2, 4, seed=1), unit(3, 2, 4, seed=2), unit(4, 4, seed=3)]
    for tensor in tensors:
        tensor.requires_grad_()
    mask = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4]) if masked else None
    assert torch.autograd.gradcheck(lambda *x: qc_loss(*x, 0.2, mask, share), tensors)


@pytest.mark.parametrize('share', [None, 1e-6, 0.5, 1 - 1e-6])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype, share):
    """With 70,000 negatives, more than float16 can count."""
    tensors = [unit(6, 8), unit(6, 1, 8, seed=1), unit(6, 2, 8, seed=2), unit(70_000, 8, seed=3)]
    low = [tensor.to(dtype) for tensor in tensors]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        low = [tensor.requires_grad_() for tensor in low]
        loss = qc_loss(*low, temperature=0.01, degradation_share=share)  # exp(100) would overflow float16
    loss.backward()
    assert all(tensor.grad.isfinite().all() for tensor in low)
    low = [tensor.detach().double() for tensor in low]
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(qc_loss(*low, temperature=0.01, degradation_share=share).item(), rel=1e-4)


@pytest.mark.parametrize('share', [None, 0.5])
def test_no_valid_negative_gives_zero_loss_and_finite_gradient(share):
    query = unit(2, 4).requires_grad_()
    none = torch.zeros(3, dtype=torch.bool)
    loss = qc_loss(query, unit(2, 1, 4, seed=1), unit(2, 0, 4), unit(3, 4, seed=2), 0.2, none, share)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(query.grad).all()


def test_accuracies_count_only_their_kind():
    query = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    near, far = torch.tensor([0.8, 0.6]), torch.tensor([0.0, 1.0])
    positive = near.expand(2, 1, 2)
    degradation = torch.stack([far, torch.tensor([1.0, 0.0])])[:, None]  # the second query's negative is closer
    statistics = qc_statistics(qc_logits(query, positive, degradation, far[None], 0.2))
    assert statistics['acc_degradation'] == 0.5
    assert statistics['acc_content'] == 1
    both = torch.stack([near, far]).expand(2, 2, 2)
    assert degradation_accuracy(query, positive, degradation) == 0.5
    assert degradation_accuracy(query, both, degradation) == 0.25
    no_content = qc_statistics(qc_logits(query, positive, degradation, far[None], 0.2, torch.tensor([False])))
    assert math.isnan(no_content['acc_content'])
    assert no_content['chance_level'].item() == pytest.approx(math.log(2))


def test_chance_accuracy_of_random_embeddings():
    runs = []
    for seed in range(200):  # content-based negatives are shared by a batch, so many small batches
        tensors = [unit(100, 16, seed=4 * seed), unit(100, 1, 16, seed=4 * seed + 1)]
        tensors += [unit(100, 2, 16, seed=4 * seed + 2), unit(4, 16, seed=4 * seed + 3)]
        statistics = qc_statistics(qc_logits(*tensors, 0.2))
        runs.append(torch.stack([statistics['acc_degradation'], statistics['acc_content']]))
    assert torch.stack(runs).mean(dim=0).tolist() == pytest.approx([1 / 3, 1 / 5], abs=0.02)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'temperature': 0}, 'temperature must be a number > 0, got 0'),
        ({'positive': torch.zeros(3, 1, 8)}, r'positive must have shape \(2, P >= 1, 8\)'),
        ({'degradation': torch.zeros(2, 8)}, r'degradation must have shape \(2, D, 8\)'),
        ({'content': torch.zeros(2, 4)}, r'content must have shape \(C, 8\)'),
        ({'temperature': float('nan')}, 'temperature must be a number > 0, got nan'),
        ({'content_mask': torch.ones(5)}, r'content_mask must be bool of shape \(5,\) or \(2, 5\), got torch.float32'),
        ({'content_mask': torch.ones(3, dtype=torch.bool)}, r'content_mask must be bool .*, got torch.bool \(3,\)'),
    ],
)
def test_bad_input(change, message):
    good = {
        'query': torch.zeros(2, 8),
        'positive': torch.zeros(2, 1, 8),
        'degradation': torch.zeros(2, 1, 8),
        'content': torch.zeros(5, 8),
        'temperature': 0.2,
    }
    with pytest.raises(InputError, match=message):
        qc_logits(**{**good, **change})


def test_similarities_are_mean_cosines_of_what_counts():
    query, positive, degradation, content = unit(5, 8), unit(5, 2, 8, seed=1), unit(5, 4, 8, seed=2), unit(7, 8, seed=3)
    mask = torch.rand(5, 7, generator=torch.Generator().manual_seed(4)) > 0.4
    found = qc_similarities(qc_logits(query, positive, degradation, content, 0.2, mask), 0.2)
    assert found['sim_positive'].item() == pytest.approx(torch.einsum('me,mpe->mp', query, positive).mean().item())
    assert found['sim_degradation'].item() == pytest.approx(
        torch.einsum('me,mpe->mp', query, degradation).mean().item()
    )
    assert found['sim_content'].item() == pytest.approx((query @ content.T)[mask].mean().item())
    none = qc_similarities(qc_logits(query, positive, degradation[:, :0], content[:0], 0.2), 0.2)
    assert math.isnan(none['sim_degradation'])
    assert math.isnan(none['sim_content'])


@pytest.mark.parametrize('temperature', [0, -0.1, float('inf'), True, '0.2'])
def test_a_temperature_is_a_number_above_0(temperature):
    with pytest.raises(InputError, match='temperature must be a number > 0, got'):
        QCHead(temperature)
    with pytest.raises(InputError, match='temperature must be a number > 0, got'):
        largest_degradation_mass(2, 5, temperature)


@pytest.mark.parametrize('share', [0, 1, -0.5, 1.5, True, '0.5'])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(InputError, match='degradation_share must be None or a share above 0 and below 1, got'):
        QCHead(degradation_share=share)
    with pytest.raises(InputError, match='degradation_share must be None or a share above 0 and below 1, got'):
        qc_loss(unit(2, 8), unit(2, 1, 8), unit(2, 2, 8), unit(3, 8), degradation_share=share)


def test_the_head_passes_its_share_on():
    tensors = unit(6, 8), unit(6, 2, 8, seed=1), unit(6, 3, 8, seed=2), unit(9, 8, seed=3)
    for share in SHARES:
        found = QCHead(0.1, share).loss(*tensors, None)
        logits = qc_logits(*tensors, 0.1)
        assert torch.equal(found['loss'], qc_loss_from_logits(logits, share))
        for name, value in qc_statistics(logits, share).items():
            assert torch.equal(found[name], value)
