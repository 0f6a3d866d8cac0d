"""A projection head that sees standardised features."""

from __future__ import annotations

from mmpretrain.models.necks import MoCoV2Neck
from mmpretrain.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class StandardisedNeck(MoCoV2Neck):
    """MoCo v2's neck after a BatchNorm without scale and shift.

    Means and deviations of a network's stages differ a thousandfold in spread; a neck that sees them as they are learns
    from a few large ones. Of the key encoder the statistics are averaged, as those of all its BatchNorm layers. Design
    choice.

    Args:
        in_channels: C, length of the features.
        hid_channels: of the hidden layer.
        out_channels: E, of the embeddings.
        with_avg_pool: whether maps are averaged first.
    """

    def __init__(self, in_channels: int, hid_channels: int, out_channels: int, with_avg_pool: bool = True) -> None:
        super().__init__(in_channels, hid_channels, out_channels, with_avg_pool)
        self.mlp.insert(0, nn.BatchNorm1d(in_channels, affine=False))

    def forward(self, x: tuple[Tensor]) -> tuple[Tensor]:
        """((N, C),) -> ((N, E),)."""
        found: tuple[Tensor] = super().forward(x)
        return found
