"""The regressor: loss, prediction on photos of any size, the size rule."""

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import mmqpt.components  # noqa: F401
from mmqpt.core.errors import InputError

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
    with pytest.raises(InputError, match='training needs crops of one size'):
        build()([torch.rand(3, 32, 32), torch.rand(3, 32, 40)], [sample(0.1), sample(0.2)], mode='loss')
    with pytest.raises(InputError, match="mode 'loss' needs data_samples"):
        build()(torch.rand(1, 3, 32, 32), mode='loss')
    with pytest.raises(InputError, match=r'std above 0'):
        build(data_preprocessor={'std': [0, 1, 1]})
