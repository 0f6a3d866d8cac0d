"""A network with a side branch: EfficientNet-Lite0 as it was trained, and beside it a narrow network that reads its
first maps.

Side-tuning (Zhang et al., ECCV 2020) adds a small network beside a frozen one; ladder side-tuning (Sung, Cho and
Bansal, NeurIPS 2022) lets it read the frozen one's maps, so that no gradient passes through the frozen one. What the
frozen network knows is kept by construction, and training costs a fraction. Here the branch reads the first three
stages, strides 2 to 8, where traces of degradation still are; its widths and layers are design choices.

timm knows the network as ``tf_efficientnet_lite0_side`` once this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.models import FeatureInfo, register_model
from torch import Tensor, nn

from mmqpt.core.errors import InputError

SIDE = 'side.'
"""What the names of a side branch's parameters begin with."""

_LOADING = ('pretrained_cfg', 'pretrained_cfg_overlay', 'cache_dir')
_READ = 3
"""Stages of the trunk that the branch reads."""

MAX_BRANCHES = 16
"""Branches that one trunk may have."""

_PLACES = (2, 4)
"""Where the branch's maps stand among those of the trunk: after the stage of their stride, 4 and 8."""


class SideBranch(nn.Module):
    """Maps of three first stages -> two maps of its own, at strides 4 and 8.

    A convolution of 3 x 3 px takes the first stage's map to the stride of the second, whose map joins; then steps of a
    3 x 3 convolution of each channel for itself and one of 1 x 1 px over channels (as in MobileNet), at the stride of
    the third, whose map joins as well. BatchNorm and ReLU follow each of them, so that means over space are energies of
    fine structure. It costs 13 % of the trunk's multiplications.

    Args:
        channels: of the maps that it reads, at strides 2, 4 and 8.
        widths: channels of its own maps, at strides 4 and 8.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        first, second, third = channels
        fine, coarse = widths
        self.enter = _normalised(nn.Conv2d(first, fine, 3, 2, 1, bias=False))
        self.fine = _normalised(nn.Conv2d(fine + second, fine, 1, bias=False))
        self.down = _normalised(nn.Conv2d(fine, fine, 3, 2, 1, groups=fine, bias=False))
        self.coarse = _separable(fine + third, coarse)
        self.last = _separable(coarse, coarse)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps of the stages, of which it reads the first three -> two of its own, at strides 4 and 8."""
        first, second, third = maps[:_READ]
        fine = self.fine(torch.cat([self.enter(first), second], dim=1))
        coarse = self.coarse(torch.cat([self.down(fine), third], dim=1))
        return [fine, coarse + self.last(coarse)]


class SideBranches(nn.ModuleList):
    """Several branches that read the same maps, side by side: their maps are joined.

    Branches of one task that began at different weights learn to see different things, as networks of an ensemble do.

    Args:
        branches: of equal widths.
    """

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """As :class:`SideBranch`; channels in the order of the branches."""
        return [torch.cat(found, dim=1) for found in zip(*(branch(maps) for branch in self), strict=True)]


def _normalised(layer: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(layer.out_channels), nn.ReLU(inplace=True))


def _separable(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, 1, 1, groups=inputs, bias=False),
        nn.BatchNorm2d(inputs),
        *_normalised(nn.Conv2d(inputs, outputs, 1, bias=False)),
    )


class SideNetwork(nn.Module):
    """EfficientNet-Lite0 with a :class:`SideBranch`, as a network of timm.

    With ``features_only`` it gives seven maps by their strides: the five stages of the trunk, with those of the branch
    at places 2 and 4. Without, the last stage joined with both (averaged down to its size), pooled and classified as
    timm's networks do.

    Args:
        model_name: of the trunk in timm, an EfficientNet.
        widths: channels of the two maps of the branch.
        branches: how many branches there are, side by side, each of these widths.
        features_only: whether it gives a list of maps.
        out_indices: which maps, with ``features_only``; 2 and 4 are the branch's. All by default.
        num_classes: outputs of the classifier; 0 for none.
        global_pool: ``'avg'`` or ``''``.
        in_chans: channels of the photos.

    Raises:
        InputError: other widths than two, another number of branches than 1 to :data:`MAX_BRANCHES`, no map or one that
            there is not, another pooling, or a trunk that is no EfficientNet of five stages.
    """

    def __init__(
        self,
        model_name: str = 'tf_efficientnet_lite0',
        widths: Sequence[int] = (48, 96),
        branches: int = 1,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        num_classes: int = 1000,
        global_pool: str = 'avg',
        in_chans: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) != len(_PLACES) or any(not isinstance(width, int) or width < 1 for width in widths):
            raise InputError(f'widths must be two numbers of channels >= 1, got {widths!r}')
        if isinstance(branches, bool) or not isinstance(branches, int) or not 1 <= branches <= MAX_BRANCHES:
            raise InputError(f'branches must be an integer from 1 to {MAX_BRANCHES}, got {branches!r}')
        trunk: Any = timm.create_model(model_name, features_only=True, in_chans=in_chans)
        if not all(hasattr(trunk, part) for part in ('conv_stem', 'bn1', 'blocks')):
            raise InputError(f'model_name must be of an EfficientNet of timm, got {model_name!r}')
        self.conv_stem: nn.Conv2d = trunk.conv_stem
        self.bn1: nn.Module = trunk.bn1
        self.blocks: nn.Sequential = trunk.blocks
        infos = [dict(info) for info in trunk.feature_info.get_dicts()]
        self._ends = [int(str(info['module']).split('.')[1]) for info in infos]
        channels = [info['num_chs'] for info in infos]
        made = [SideBranch(channels[:_READ], widths) for _ in range(branches)]
        self.side: nn.Module = made[0] if branches == 1 else SideBranches(made)
        joined = [branches * width for width in widths]
        self.num_features = self.head_hidden_size = channels[-1] + sum(joined)
        for place, width, name in zip(_PLACES, joined, ('fine', 'last'), strict=True):
            infos.insert(
                place, {'num_chs': width, 'reduction': infos[place - 1]['reduction'], 'module': f'side.{name}'}
            )
        every = range(len(infos))
        wanted = every if out_indices is None else out_indices
        allowed = range(-len(infos), len(infos))
        if not isinstance(wanted, Sequence) or not wanted or any(index not in allowed for index in wanted):
            raise InputError(f'out_indices must name maps 0 to {len(every) - 1}, at least one, got {out_indices!r}')
        indices = [every[index] for index in wanted]
        self.features_only = features_only
        self.out_indices = indices
        self.feature_info: Any = FeatureInfo(infos, tuple(indices)) if features_only else infos
        self.num_classes = num_classes
        if not features_only:
            self.reset_classifier(num_classes, global_pool)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Another classifier with random weights, as timm's networks have it; with ``features_only`` nothing."""
        if self.features_only:
            return
        if global_pool is not None:
            if global_pool not in ('avg', ''):
                raise InputError(f"global_pool must be 'avg' or '', got {global_pool!r}")
            self.global_pool = global_pool
        self.num_classes = num_classes
        self.classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.classifier

    def trunk(self) -> list[nn.Module]:
        """The modules that the branch stands beside."""
        return [self.conv_stem, self.bn1, self.blocks]

    def trunk_steps(self) -> list[nn.Module]:
        """The modules that :meth:`trunk_maps` calls, in this order."""
        return [self.conv_stem, self.bn1, *self.blocks]

    def trunk_maps(self, images: Tensor, whole: bool = True) -> list[Tensor]:
        """The maps of the stages; with ``whole=False`` only those that the branch reads."""
        maps = []
        found = self.bn1(self.conv_stem(images))
        for number, block in enumerate(self.blocks):
            found = block(found)
            if number in self._ends:
                maps.append(found)
                if not whole and len(maps) == _READ:
                    break
        return maps

    def forward_features(self, images: Tensor) -> Tensor | list[Tensor]:
        """(N, 3, H, W) -> maps, or one map (N, C, H / 32, W / 32) without ``features_only``."""
        maps = self.trunk_maps(images)
        fine, coarse = self.side(maps)
        if not self.features_only:
            reduced = [F.avg_pool2d(fine, 8, ceil_mode=True), F.avg_pool2d(coarse, 4, ceil_mode=True)]
            return torch.cat([maps[-1], *reduced], dim=1)
        found = self.with_side(maps, [fine, coarse])
        return [found[i] for i in self.out_indices]

    @staticmethod
    def with_side(maps: Sequence[Tensor], side: Sequence[Tensor]) -> list[Tensor]:
        """The stages of the trunk and the maps of the branches, by their strides.

        Args:
            maps: as of :meth:`trunk_maps`.
            side: as of :class:`SideBranch`.
        """
        found = list(maps)
        for place, own in zip(_PLACES, side, strict=True):
            found.insert(place, own)
        return found

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """(N, C, H, W) -> pooled features, or logits."""
        pooled = features.mean(dim=(2, 3)) if self.global_pool else features
        return pooled if pre_logits else self.classifier(pooled)

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """See :meth:`forward_features`; without ``features_only`` followed by :meth:`forward_head`."""
        found = self.forward_features(images)
        return found if isinstance(found, list) else self.forward_head(found)


def branch_prefixes(names: Iterable[str]) -> list[str]:
    """What the names of each side branch's parameters begin with, in order; :data:`SIDE` for a single one.

    Args:
        names: of the parameters of a network, as timm has them; empty where there is no branch.
    """
    parts = {name.split('.')[1] for name in names if name.startswith(SIDE)}
    numbers = sorted(int(part) for part in parts if part.isdecimal())
    return [f'{SIDE}{number}.' for number in numbers] or ([SIDE] if parts else [])


def side_parts(network: nn.Module) -> SideNetwork:
    """The network itself, if it has a side branch.

    Args:
        network: as :func:`mmqpt.core.networks.wrapped_network` gives it.

    Raises:
        InputError: another network.
    """
    if not isinstance(network, SideNetwork):
        raise InputError(
            f'side-tuning needs a backbone with a side branch, such as tf_efficientnet_lite0_side of timm, '
            f'got {type(network).__name__}'
        )
    return network


@register_model
def tf_efficientnet_lite0_side(pretrained: bool = False, **options: Any) -> SideNetwork:
    """Entry point of timm: :class:`SideNetwork` with random weights.

    Raises:
        InputError: ``pretrained``, since timm has no weights of it.
    """
    if pretrained:
        raise InputError('timm has no weights of tf_efficientnet_lite0_side; load those of its trunk, or of mmqpt')
    return SideNetwork('tf_efficientnet_lite0', **{k: v for k, v in options.items() if k not in _LOADING})
