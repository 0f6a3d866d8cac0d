"""Which part of a backbone pre-training changes, what that part takes, and how its maps become features.

That part is the whole backbone, or under side-tuning the branch beside a frozen trunk. Query and key encoder each have
one of it; what comes before it is frozen and computed once for both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmqpt.core.errors import InputError
from mmqpt.core.head import pool_features
from mmqpt.core.networks import wrapped_network
from mmqpt.core.side_network import SideNetwork, side_parts

_AT_ONCE = 24
"""Patches that go through a frozen trunk at once on a CPU: their maps stay in its cache, 96 take twice as long."""

Inputs = Tensor | list[Tensor]
"""Images (M, 3, S, S), or the maps that a frozen trunk makes of them."""


@dataclass(frozen=True)
class TrainedPart:
    """The part of a backbone that is trained; it holds no network itself.

    Args:
        side_tuning: None for the whole backbone; for a side branch what the neck sees, ``'side'`` or ``'all'`` maps.
        pooling: one of ``POOLINGS``.

    Raises:
        InputError: another ``side_tuning``, or ``'all'`` maps of which only the trunk's last is pooled.
    """

    side_tuning: str | None
    pooling: str

    def __post_init__(self) -> None:
        if self.side_tuning not in (None, 'side', 'all'):
            raise InputError(f"side_tuning must be None, 'side' or 'all', got {self.side_tuning!r}")
        if self.side_tuning == 'all' and self.pooling == 'last':
            raise InputError(
                "side_tuning='all' needs pooling 'stages' or 'moments': the last map is the frozen trunk's, so that "
                "with 'last' the branch would learn nothing"
            )

    def of(self, backbone: nn.Module) -> nn.Module:
        """The part itself.

        Raises:
            InputError: side-tuning of a backbone without a branch.
        """
        return side_parts(wrapped_network(backbone)).side if self.side_tuning else backbone

    def beside(self, backbone: nn.Module) -> list[nn.Module]:
        """The modules that stay as they are."""
        return side_parts(wrapped_network(backbone)).trunk() if self.side_tuning else []

    def inputs(self, backbone: nn.Module, images: Tensor) -> Inputs:
        """What the part takes of normalised images (M, 3, S, S): themselves, or the maps of the trunk.

        The trunk is computed without gradient, and only as far as the branch reads it or the neck sees it.
        """
        if not self.side_tuning:
            return images
        network = side_parts(wrapped_network(backbone))
        with torch.no_grad():
            parts = images.split(len(images) if images.is_cuda else _AT_ONCE)
            maps = [network.trunk_maps(part, whole=self.side_tuning == 'all') for part in parts]
            return [torch.cat(stage) for stage in zip(*maps, strict=True)]

    def features(self, part: nn.Module, inputs: Inputs) -> Tensor:
        """Pooled features (M, C).

        Args:
            part: as of :meth:`of`, or a copy of it.
            inputs: as of :meth:`inputs`.
        """
        if isinstance(inputs, Tensor):
            return pool_features(part(inputs), part, self.pooling)
        own = part(inputs)
        return pool_features(
            SideNetwork.with_side(inputs, own) if self.side_tuning == 'all' else own, None, self.pooling
        )

    def compile(self, backbone: nn.Module) -> None:
        """Has torch.compile run the part, and the frozen trunk beside it block by block, as it is called.

        Nothing is compiled before the first call; names in checkpoints stay.

        Args:
            backbone: the whole of it.
        """
        self.of(backbone).compile()
        if self.side_tuning:
            for block in side_parts(wrapped_network(backbone)).trunk_steps():
                block.compile()

    @torch.no_grad()
    def channels(self, backbone: nn.Module, side: int) -> int:
        """C of :meth:`features`, found on one black image.

        Args:
            backbone: the whole of it; its mode and statistics stay.
            side: of the image, px.
        """
        training = backbone.training
        backbone.eval()
        length = self.features(self.of(backbone), self.inputs(backbone, torch.zeros(1, 3, side, side))).shape[1]
        backbone.train(training)
        return int(length)
