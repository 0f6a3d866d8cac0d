"""A neck that sees features without their scale."""

import torch

from mmqpt.models.standardised_neck import StandardisedNeck


def test_does_not_see_the_scale_of_features():
    neck = StandardisedNeck(in_channels=6, hid_channels=4, out_channels=3, with_avg_pool=False)
    features = torch.randn(32, 6)
    scales = torch.tensor([1e-2, 1.0, 1e2, 1e3, 1.0, 10.0])
    (plain,), (scaled,) = neck((features * 100,)), neck((features * 100 * scales + 5,))
    torch.testing.assert_close(scaled, plain, rtol=1e-3, atol=1e-3)
    assert not list(neck.mlp[0].parameters())
