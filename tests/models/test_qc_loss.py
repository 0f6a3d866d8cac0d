"""QC-Loss against a loop written from the formula, closed forms, gradients and low precision."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmqpt.core.errors import InputError
from mmqpt.models.qc_loss import qc_logits, qc_loss, qc_similarities, qc_statistics


def unit(*shape, seed=0, dtype=torch.float64):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)


def loop(query, positive, degradation, content, temperature, mask=None):
    """The formula, read from the paper and written as slowly as possible."""
    total, count = 0.0, 0
    for m in range(len(query)):
        for p in range(positive.shape[1]):
            numerator = math.exp(float(query[m] @ positive[m, p]) / temperature)
            denominator = numerator
            for d in range(degradation.shape[1]):
                denominator += math.exp(float(query[m] @ degradation[m, d]) / temperature)
            for c in range(content.shape[0]):
                if mask is None or bool(mask.expand(len(query), -1)[m, c]):
                    denominator += math.exp(float(query[m] @ content[c]) / temperature)
            total += -math.log(numerator / denominator)
            count += 1
    return total / count


@pytest.mark.parametrize('temperature', [0.07, 0.2, 1.0])
@pytest.mark.parametrize(('positives', 'degradations', 'contents'), [(1, 2, 5), (3, 4, 7), (1, 1, 0), (2, 0, 3)])
def test_equals_the_formula(temperature, positives, degradations, contents):
    tensors = unit(6, 8), unit(6, positives, 8, seed=1), unit(6, degradations, 8, seed=2), unit(contents, 8, seed=3)
    assert qc_loss(*tensors, temperature).item() == pytest.approx(loop(*tensors, temperature), rel=1e-12)


@pytest.mark.parametrize('shape', [(5,), (6, 5)])
def test_masked_negatives_do_not_count(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(4)) > 0.5
    tensors = unit(6, 8), unit(6, 1, 8, seed=1), unit(6, 2, 8, seed=2), unit(5, 8, seed=3)
    assert qc_loss(*tensors, 0.2, mask).item() == pytest.approx(loop(*tensors, 0.2, mask), rel=1e-12)


def test_all_equal_embeddings_give_the_chance_level():
    one = unit(1, 8).expand(4, 8)
    tensors = one, one[:, None], one[:, None].expand(-1, 3, -1), one[:1].expand(10, -1)
    logits = qc_logits(*tensors, 0.2)
    assert qc_loss(*tensors).item() == pytest.approx(math.log(1 + 3 + 10))
    assert qc_statistics(logits)['chance_level'].item() == pytest.approx(math.log(1 + 3 + 10))
    assert qc_statistics(logits)['acc_degradation'] == 0  # ties are wrong


def test_opposite_negatives_give_the_closed_form():
    query = torch.tensor([[1.0, 0.0]])
    away = -query
    expected = math.log(1 + 5 * math.exp(-2 / 0.5))
    assert qc_loss(
        query, query[:, None], away[:, None].expand(-1, 2, -1), away.expand(3, -1), 0.5
    ).item() == pytest.approx(expected)


def test_gradient():
    tensors = [unit(3, 4), unit(3, 2, 4, seed=1), unit(3, 2, 4, seed=2), unit(4, 4, seed=3)]
    for tensor in tensors:
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(lambda *x: qc_loss(*x, 0.2), tensors)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_low_precision_is_computed_in_float32(dtype):
    tensors = [unit(6, 8), unit(6, 1, 8, seed=1), unit(6, 2, 8, seed=2), unit(50, 8, seed=3)]
    low = [tensor.to(dtype) for tensor in tensors]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = qc_loss(*low, temperature=0.01)  # similarities up to 100 would overflow exp in float16
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        qc_loss(*[tensor.double() for tensor in low], temperature=0.01).item(), rel=1e-4
    )


def test_no_valid_negative_gives_zero_loss_and_finite_gradient():
    query = unit(2, 4).requires_grad_()
    loss = qc_loss(
        query, unit(2, 1, 4, seed=1), unit(2, 0, 4), unit(3, 4, seed=2), 0.2, torch.zeros(3, dtype=torch.bool)
    )
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
        ({'temperature': 0}, 'temperature must be > 0, got 0'),
        ({'positive': torch.zeros(3, 1, 8)}, r'positive must have shape \(2, P >= 1, 8\)'),
        ({'degradation': torch.zeros(2, 8)}, r'degradation must have shape \(2, D, 8\)'),
        ({'content': torch.zeros(2, 4)}, r'content must have shape \(C, 8\)'),
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
